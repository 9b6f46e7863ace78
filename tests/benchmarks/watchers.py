"""What watchers cost other requests, and how many events reach them.

Run by hand: ``python -m tests.benchmarks.watchers [--seconds 2] [--rounds 5]``. One node over the in-process fanout;
GET is measured with wrk in turns: without watchers, with 200 that get nothing, and with 200 that get 50 events a
second each. Wanted: GET keeps at least 1/1.5 of its rate. Then puts go as fast as they can to 100 watchers.
The clients of the watchers run in this process, and share the machine with wrk and the node.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from infra.ports import LOOPBACK, free_port
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from tests.benchmarks.figures import Figure, print_figures, run_wrk, wrk_puts
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WATCHERS = 200
FAN_OUT_WATCHERS = 100
WRITES_PER_SECOND = 50
CONNECTIONS = 32
PUT_CONNECTIONS = 4
WANTED_RATIO = 1.5
TIMEOUT_SECONDS = 30.0
_EVENT = b"\ndata: "


class Readers:
    """Clients that read as fast as they can and count events, on one thread."""

    def __init__(self, port: int, count: int) -> None:
        self.events = 0
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        for _ in range(count):
            sock = socket.create_connection((LOOPBACK, port), timeout=TIMEOUT_SECONDS)
            sock.sendall(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
            self._sockets.append(sock)
            self._selector.register(sock, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(0.1):
                # Of what is cut between two reads a few events are not counted: too few to matter.
                data = self._sockets_read(key.fd)
                self.events += data.count(_EVENT)

    def _sockets_read(self, fd: int) -> bytes:
        found = self._selector.get_map()[fd].fileobj
        return found.recv(262_144) if isinstance(found, socket.socket) else b""

    def close(self) -> None:
        """Go away."""
        self._stopping = True
        self._thread.join()
        for sock in self._sockets:
            sock.close()


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each; the median counts")
    parser.add_argument("--serve", nargs=2, metavar=("DIR", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve(Path(arguments.serve[0]), int(arguments.serve[1]))
    return print_figures("watchers", measure(arguments.seconds, arguments.rounds))


def measure(seconds: float, rounds: int) -> list[Figure]:
    """The figures; ratios are those of one round, and their median counts."""
    with _node() as port:
        url = f"http://{LOOPBACK}:{port}"
        turns = [_turn(url, port, seconds) for _ in range(rounds)]
        figures = []
        for place, what in ((1, "that get nothing"), (2, f"that get {WRITES_PER_SECOND} events/s each")):
            ratio = statistics.median(turn[0] / turn[place] for turn in turns)
            figures.append(
                Figure(
                    f"GET beside {WATCHERS} watchers {what}",
                    f"{statistics.median(turn[place] for turn in turns):,.0f}/s",
                    f"{statistics.median(turn[0] for turn in turns):,.0f}/s without watchers",
                    ratio,
                    f"<= {WANTED_RATIO}",
                    ratio <= WANTED_RATIO,
                )
            )
        figures.append(_fan_out(url, port, seconds))
    return figures


def _turn(url: str, port: int, seconds: float) -> tuple[float, float, float]:
    """GETs a second without watchers, with idle ones, and with busy ones."""

    def gets() -> float:
        return run_wrk(f"{url}/get?key=x", connections=CONNECTIONS, seconds=seconds)

    alone = gets()
    with _watching(url, port, WATCHERS):
        idle = gets()
        with _writing(url):
            busy = gets()
    return alone, idle, busy


def _fan_out(url: str, port: int, seconds: float) -> Figure:
    """Events a second that reach all watchers while puts go as fast as they can."""
    alone = wrk_puts(f"{url}/put", connections=PUT_CONNECTIONS, seconds=seconds)
    with _watching(url, port, FAN_OUT_WATCHERS) as readers:
        before, began = readers.events, time.monotonic()
        puts = wrk_puts(f"{url}/put", connections=PUT_CONNECTIONS, seconds=seconds)
        # A few puts more than wrk counted may be on their way when it ends.
        wanted = 0.99 * puts * seconds * FAN_OUT_WATCHERS
        wait_until(lambda: readers.events - before >= wanted, "the events came", TIMEOUT_SECONDS)
        rate = (readers.events - before) / (time.monotonic() - began)
    return Figure(
        f"events to {FAN_OUT_WATCHERS} watchers, {PUT_CONNECTIONS} connections put",
        f"{rate:,.0f} events/s, {puts:,.0f} puts/s",
        f"{alone:,.0f} puts/s without watchers",
        puts / alone,
        "",
        is_met=True,
    )


@contextmanager
def _watching(url: str, port: int, count: int) -> Iterator[Readers]:
    """So many watch until the end of the block."""
    readers = Readers(port, count)
    try:
        _wait_watchers(url, count)
        yield readers
    finally:
        readers.close()
        _wait_watchers(url, 0)


def _wait_watchers(url: str, count: int) -> None:
    def are_there() -> bool:
        return f"\ncausalkv_watchers {count}.0\n" in httpx.get(f"{url}/metrics").text

    wait_until(are_there, f"{count} watch", TIMEOUT_SECONDS)


@contextmanager
def _writing(url: str) -> Iterator[None]:
    """Writes at a steady rate until the end of the block."""
    ended = threading.Event()

    def write() -> None:
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
            while not ended.wait(1 / WRITES_PER_SECOND):
                client.post("/put", json={"key": "busy", "value": "v" * 100}).raise_for_status()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _node() -> Iterator[int]:
    """A node in a process of its own; its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.benchmarks.watchers", "--serve", directory, str(port)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=TIMEOUT_SECONDS) as client:
                client.post(f"http://{LOOPBACK}:{port}/put", json={"key": "x", "value": "5"}).raise_for_status()
            yield port
        finally:
            server.communicate(timeout=20)


def _serve(directory: Path, port: int) -> int:
    """A node in this process, until stdin ends."""
    configure_logging(level="warning", form="json", node_id=None)
    node = Node(
        Settings(node_id="node1", amqp_url="memory://", data_dir=directory, http_port=port, log_writes_per_second=0)
    )
    node.start()
    sys.stdin.read()
    node.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

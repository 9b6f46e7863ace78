"""What 200 requests that wait for their causal context cost an ordinary GET: nearly nothing.

Run by hand: ``python -m tests.benchmarks.waiting_requests [--seconds 2] [--rounds 7]``. One client asks for a key, one
request after the other over one connection, in turns with and without the waiting requests, so that what else the
machine does falls on both alike; a ratio is the median of the rounds' ratios. Wanted: at most 1.5, at p50 and at p99.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from infra.ports import LOOPBACK, free_port
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from tests.benchmarks.figures import Figure, print_figures
from tests.integration.http.raw import RawClient

WAITING = 200
WANTED_RATIO = 1.5
# Nobody is called so: a request with this token waits as long as it may.
AHEAD = "elsewhere~abcd=1"
SETTLE_SECONDS = 3
READY_SECONDS = 20


def main() -> int:
    """Measure and print; 1 when a ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="length of one turn")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each; the median counts")
    parser.add_argument("--serve", nargs=2, metavar=("DIR", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve(Path(arguments.serve[0]), int(arguments.serve[1]))
    figures = measure(arguments.seconds, arguments.rounds)
    return print_figures(f"GET beside {WAITING} waiting requests", figures)


def measure(seconds: float, rounds: int) -> list[Figure]:
    """The latency beside waiting requests, against that without."""
    alone: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.benchmarks.waiting_requests", "--serve", directory, str(port)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            _prepare(port)
            for turn in range(-1, rounds):  # the first one warms up
                without, within = _latencies(port, seconds), _latencies_beside_waiting(port, seconds)
                if turn >= 0:
                    alone.append(without)
                    beside.append(within)
        finally:
            server.communicate(timeout=READY_SECONDS)
    return [
        _figure(name, [each[n] for each in beside], [each[n] for each in alone])
        for n, name in enumerate(("p50", "p99"))
    ]


def _figure(name: str, beside: list[float], alone: list[float]) -> Figure:
    ratio = statistics.median(one / other for one, other in zip(beside, alone, strict=True))
    return Figure(
        f"GET {name}",
        f"{statistics.median(beside) * 1000:.2f} ms",
        f"{statistics.median(alone) * 1000:.2f} ms alone",
        ratio,
        f"<= {WANTED_RATIO}",
        ratio <= WANTED_RATIO,
    )


def _serve(directory: Path, port: int) -> int:
    """A node in this process, until stdin ends."""
    configure_logging(level="warning", form="json", node_id=None)
    settings = Settings(
        node_id="node1", amqp_url="memory://", data_dir=directory, http_port=port, log_writes_per_second=0
    )
    node = Node(settings)
    node.start()
    sys.stdin.read()
    node.stop()
    return 0


def _prepare(port: int) -> None:
    """Put the key once the node answers."""
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", transport=transport, timeout=10) as client:
        client.post("/put", json={"key": "x", "value": "5"}).raise_for_status()


def _latencies(port: int, seconds: float) -> tuple[float, float]:
    """p50 and p99 of one request after the other, in seconds."""
    taken: list[float] = []
    with RawClient(port) as client:
        until = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < until:
            client.send(b"GET /get?key=x HTTP/1.1\r\n\r\n")
            assert client.read_answer().status == httpx.codes.OK
            taken.append(time.perf_counter() - begin)
    cuts = statistics.quantiles(taken, n=100)
    return cuts[49], cuts[98]


def _latencies_beside_waiting(port: int, seconds: float) -> tuple[float, float]:
    """The same, while others wait; it ends when all of those have their answer."""
    wait = seconds + SETTLE_SECONDS
    request = f"GET /get?key=x HTTP/1.1\r\nX-Causal-Context: {AHEAD}\r\nX-Causal-Wait: {wait:g}\r\n\r\n".encode()
    clients = [RawClient(port) for _ in range(WAITING)]
    try:
        begin = time.perf_counter()
        for client in clients:
            client.send(request)
        status = f"http://{LOOPBACK}:{port}/status"
        while httpx.get(status, trust_env=False).json()["waiting_requests"] < WAITING:
            assert time.perf_counter() - begin < SETTLE_SECONDS, "the requests do not wait: is the machine busy?"
        found = _latencies(port, seconds - max(0.0, time.perf_counter() - begin - SETTLE_SECONDS))
        assert {client.read_answer().status for client in clients} == {httpx.codes.SERVICE_UNAVAILABLE}
    finally:
        for client in clients:
            client.socket.close()
    return found


if __name__ == "__main__":
    sys.exit(main())

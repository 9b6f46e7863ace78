"""GET against the ceiling of the same server: a Flask route that does nothing.

Run by hand: ``python -m tests.benchmarks.http_get [--seconds 1] [--rounds 9]``. Both are served from one process, by
the same waitress server with the same settings, and measured in short turns with wrk, so that what else the machine
does falls on all alike; a ratio is the median of the rounds' ratios. The node keeps its data in a real store and talks
to the in-process fanout. Wanted: at least 0.85 of the trivial route.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
from flask import Flask, Response

from infra.ports import free_port
from node.http.server import HttpServer
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from tests.benchmarks.figures import Figure, print_figures, run_wrk

TRIVIAL = "trivial Flask route"
JUDGED = "GET /get"
CONNECTIONS = 32
WANTED_RATIO = 0.85
BODY = b'{"key":"x","value":"5","vc":[1,0,0]}'


class Measured(NamedTuple):
    """Requests a second, and the server's CPU time for each."""

    rate: float
    cpu_microseconds: float


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=1, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each; the median counts")
    parser.add_argument("--serve", nargs=3, metavar=("DIR", "PORT", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve(Path(arguments.serve[0]), int(arguments.serve[1]), int(arguments.serve[2]))
    return print_figures(f"GET, wrk, {CONNECTIONS} connections", measure(arguments.seconds, arguments.rounds))


def measure(seconds: int, rounds: int) -> list[Figure]:
    """The figures; only the plain GET has a target."""
    measured = _measure(seconds, rounds)
    ceilings = [each.rate for each in measured[TRIVIAL]]
    return [_figure(name, found, ceilings) for name, found in measured.items() if name != TRIVIAL]


def _figure(name: str, found: list[Measured], ceilings: list[float]) -> Figure:
    ratio = statistics.median(each.rate / ceiling for each, ceiling in zip(found, ceilings, strict=True))
    rate = statistics.median(each.rate for each in found)
    cpu = statistics.median(each.cpu_microseconds for each in found)
    return Figure(
        name,
        f"{rate:,.0f}/s, {cpu:.0f} µs CPU each",
        f"{statistics.median(ceilings):,.0f}/s {TRIVIAL}",
        ratio,
        f">= {WANTED_RATIO}" if name == JUDGED else "",
        name != JUDGED or ratio >= WANTED_RATIO,
    )


def _serve(directory: Path, node_port: int, trivial_port: int) -> int:
    """A node and the trivial route in this process, until stdin ends."""
    configure_logging(level="warning", form="json", node_id=None)
    settings = Settings(
        node_id="node1", amqp_url="memory://", data_dir=directory, http_port=node_port, log_writes_per_second=0
    )
    node = Node(settings)
    app = Flask("trivial", static_folder=None)

    @app.get("/get")
    def get() -> Response:
        return Response(BODY, mimetype="application/json")

    trivial = HttpServer(
        app,
        host="127.0.0.1",
        port=trivial_port,
        threads=settings.http_threads,
        max_connections=settings.http_max_connections,
        max_body_bytes=settings.value_max_bytes,
    )
    node.start()
    trivial.start()
    sys.stdin.read()
    trivial.stop(1)
    node.stop()
    return 0


def _measure(seconds: int, rounds: int) -> dict[str, list[Measured]]:
    node_port, trivial_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.benchmarks.http_get", "--serve"]
        server = subprocess.Popen([*command, directory, str(node_port), str(trivial_port)], stdin=subprocess.PIPE)
        try:
            token = _prepare(f"http://127.0.0.1:{node_port}")
            cases = {
                TRIVIAL: (trivial_port, "/get?key=x", None),
                JUDGED: (node_port, "/get?key=x", None),
                "GET /get with its token": (node_port, "/get?key=x", token),
                "GET /get, no value (404)": (node_port, "/get?key=absent", None),
            }
            process = psutil.Process(server.pid)
            measured: dict[str, list[Measured]] = {name: [] for name in cases}
            for turn in range(-1, rounds):  # the first one warms up
                for name, (port, path, sent) in cases.items():
                    found = _measured(process, f"http://127.0.0.1:{port}{path}", seconds, sent)
                    if turn >= 0:
                        measured[name].append(found)
        finally:
            server.communicate(timeout=20)
    return measured


def _prepare(url: str) -> str:
    """Put the key once the node answers; its token."""
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(base_url=url, transport=transport, timeout=10) as client:
        answer = client.post("/put", json={"key": "x", "value": "5"})
        return answer.raise_for_status().headers["X-Causal-Context"]


def _measured(server: psutil.Process, url: str, seconds: int, token: str | None) -> Measured:
    """One turn of wrk, and what it cost the server."""
    before = server.cpu_times()
    headers = ["-H", f"X-Causal-Context: {token}"] if token else []
    rate = run_wrk(url, connections=CONNECTIONS, seconds=seconds, options=headers, may_fail=True)
    after = server.cpu_times()
    used_seconds = after.user + after.system - before.user - before.system
    return Measured(rate, 1e6 * used_seconds / (rate * seconds))


if __name__ == "__main__":
    sys.exit(main())

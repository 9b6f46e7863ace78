"""Durable puts through HTTP at one node until they are applied on all three, against a Flask PUT into a dict.

Run by hand: ``python -m tests.benchmarks.durable_puts [--seconds 5] [--rounds 3]``. Both are served by the same
waitress server with the same settings and measured in turns; three node processes, a real RabbitMQ and wrk share
the machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response, request

from infra.ports import free_port
from node.http.server import HttpServer
from tests.benchmarks.figures import Figure, print_figures, wrk_puts
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, wait_until

WANTED_RATIO = 0.5
HTTP_THREADS = 64


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; the median counts")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve_dict(arguments.serve)
    return print_figures("durable puts until applied on all three nodes", measure(arguments.seconds, arguments.rounds))


def measure(seconds: float, rounds: int) -> list[Figure]:
    """The figures at 32 and 96 connections."""
    with tempfile.TemporaryDirectory() as directory, PrivateBroker() as broker:
        port = free_port()
        ceiling = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.durable_puts", "--serve", str(port)], stdin=subprocess.PIPE
        )
        try:
            with ClusterUnderTest(Path(directory), broker.url, CAUSALKV_LOG_WRITES_PER_SECOND="0") as cluster:
                return [
                    _compare(cluster, f"http://127.0.0.1:{port}/put", connections, seconds, rounds)
                    for connections in (32, 96)
                ]
        finally:
            ceiling.communicate(timeout=10)


def _compare(cluster: ClusterUnderTest, dict_url: str, connections: int, seconds: float, rounds: int) -> Figure:
    rates, ceilings = [], []
    for _ in range(rounds):
        ceilings.append(wrk_puts(dict_url, connections=connections, seconds=seconds))
        rates.append(_until_applied_everywhere(cluster, connections, seconds))
    rate, ceiling = statistics.median(rates), statistics.median(ceilings)
    return Figure(
        f"puts, {connections} connections",
        f"{rate:,.0f}/s",
        f"{ceiling:,.0f}/s into a dict",
        rate / ceiling,
        f">= {WANTED_RATIO}",
        rate / ceiling >= WANTED_RATIO,
    )


def _until_applied_everywhere(cluster: ClusterUnderTest, connections: int, seconds: float) -> float:
    before = _own_writes(cluster.statuses()[0])
    began = time.monotonic()
    wrk_puts(f"{cluster['node1'].url}/put", connections=connections, seconds=seconds)
    wait_until(cluster.is_quiet, "everything is applied everywhere", 120)
    elapsed = time.monotonic() - began
    return (_own_writes(cluster.statuses()[0]) - before) / elapsed


def _own_writes(status: dict[str, Any]) -> int:
    return int(status["clock"].get(status["replica"], 0))


def _serve_dict(port: int) -> int:
    """The ceiling: a Flask PUT that only updates a dict."""
    app = Flask("dict", static_folder=None)
    values: dict[str, Any] = {}

    @app.post("/put")
    def put() -> Response:
        body = msgspec.json.decode(request.get_data())
        values[body["key"]] = body["value"]
        return Response(b'{"message":"stored"}', mimetype="application/json")

    server = HttpServer(
        app, host="127.0.0.1", port=port, threads=HTTP_THREADS, max_connections=1000, max_body_bytes=2**20
    )
    server.start()
    sys.stdin.read()
    server.stop(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""GET against the ceiling of the same server: a Flask route that does nothing.

Run by hand: ``python -m tests.benchmarks.http_get [--seconds 4] [--rounds 3]``. Both are served from one process, by
the same waitress server with the same settings, and measured in turns with wrk; the node keeps its data in a real
store and talks to the in-process fanout. Wanted: at least 0.85 of the trivial route.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from flask import Flask, Response
from rich.console import Console
from rich.table import Table

from node.http.server import HttpServer
from node.logs import configure_logging
from node.node import Node
from node.settings import Settings
from infra.ports import free_port

CONNECTIONS = 32
WANTED_RATIO = 0.85
BODY = b'{"key":"x","value":"5","vc":[1,0,0]}'


def main() -> int:
    """Measure and print; 1 when the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; the median counts")
    parser.add_argument("--serve", nargs=3, metavar=("DIR", "PORT", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve(Path(arguments.serve[0]), int(arguments.serve[1]), int(arguments.serve[2]))
    if shutil.which("wrk") is None:
        sys.stderr.write("wrk is not installed: apt-get install wrk\n")
        return 1
    return _measure(arguments.seconds, arguments.rounds)


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


def _measure(seconds: int, rounds: int) -> int:
    node_port, trivial_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.benchmarks.http_get", "--serve"]
        server = subprocess.Popen([*command, directory, str(node_port), str(trivial_port)], stdin=subprocess.PIPE)
        try:
            token = _prepare(f"http://127.0.0.1:{node_port}")
            cases = {
                "trivial Flask route": (trivial_port, "/get?key=x", None),
                "GET /get": (node_port, "/get?key=x", None),
                "GET /get with its token": (node_port, "/get?key=x", token),
                "GET /get, no value (404)": (node_port, "/get?key=absent", None),
            }
            rates: dict[str, list[float]] = {name: [] for name in cases}
            for _ in range(rounds):
                for name, (port, path, sent) in cases.items():
                    rates[name].append(_wrk(f"http://127.0.0.1:{port}{path}", seconds, sent))
        finally:
            server.communicate(timeout=20)
    return _report({name: statistics.median(found) for name, found in rates.items()})


def _prepare(url: str) -> str:
    """Put the key once the node answers; its token."""
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(base_url=url, transport=transport, timeout=10) as client:
        answer = client.post("/put", json={"key": "x", "value": "5"})
        return answer.raise_for_status().headers["X-Causal-Context"]


def _wrk(url: str, seconds: int, token: str | None) -> float:
    """Requests a second, at 32 connections."""
    headers = ["-H", f"X-Causal-Context: {token}"] if token else []
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *headers, url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s+([0-9.]+)", printed)
    if found is None:
        raise RuntimeError(f"wrk printed no rate:\n{printed}")
    return float(found[1])


def _report(rates: dict[str, float]) -> int:
    ceiling = rates["trivial Flask route"]
    table = Table("case", "requests/s", "of the trivial route", title=f"GET, wrk, {CONNECTIONS} connections")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / ceiling:.2f}")
    Console().print(table)
    return 0 if rates["GET /get"] / ceiling >= WANTED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())

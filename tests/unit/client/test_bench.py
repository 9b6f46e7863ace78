"""``client bench``: how it counts, what it sends, and how it ends."""

from __future__ import annotations

import json
import math
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from client.bench.cases import CASES, SHOTS_MAX, SHOTS_MAX_BYTES, Setting, get, limited, post, shares
from client.bench.jobs import Closed, Measured, Shot, bucket_of, joined
from client.bench.wire import Answer, HttpWire, Loop
from client.bench.worker import carry_out
from client.bench.workers import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.client.conftest import Outcome
    from tests.unit.client.scripted_node import ScriptedNode

    Run = Callable[..., Outcome]


def test_a_quantile_is_exact_to_two_percent() -> None:
    """Buckets grow with the latency, so that the error stays relative."""
    latencies: dict[int, int] = {}
    for n in range(1, 1001):
        bucket = bucket_of(n / 1000)
        latencies[bucket] = latencies.get(bucket, 0) + 1
    measured = Measured(2.0, latencies)
    assert (measured.count, measured.per_second) == (1000, 500)
    assert math.isclose(measured.quantile_ms(0.5), 500, rel_tol=0.02)
    assert math.isclose(measured.quantile_ms(0.99), 990, rel_tol=0.02)


def test_what_several_processes_measured_adds_up() -> None:
    """They ran side by side: counts add up, time does not."""
    both = joined([Measured(1.0, {3: 2}), Measured(1.0, {3: 1, 4: 1}, errors=2, first_error="500")])
    assert both == Measured(1.0, {3: 3, 4: 1}, errors=2, first_error="500")
    assert both.per_second == 4


def test_nothing_measured_is_zero() -> None:
    """Not a division by it."""
    assert joined([]).per_second == 0
    assert Measured(1.0, {}).quantile_ms(0.99) == 0


@pytest.mark.parametrize(("total", "processes", "expected"), [(32, 2, [16, 16]), (5, 2, [3, 2]), (1, 4, [1])])
def test_connections_are_shared_out(total: int, processes: int, expected: list[int]) -> None:
    """As equally as may be; a process without any is not asked."""
    assert shares(total, processes) == expected


def test_prepared_requests_have_a_bound() -> None:
    """In number and in size, but there is always one."""
    assert len(limited(lambda n: get("/get", key=str(n)))) == SHOTS_MAX
    assert len(limited(lambda _: Shot(b"", b"x" * (SHOTS_MAX_BYTES // 3 - 2)))) == 3
    assert len(limited(lambda _: Shot(b"", b"x" * (2 * SHOTS_MAX_BYTES)))) == 1


@pytest.mark.parametrize("name", CASES)
def test_every_case_gives_each_process_a_job_that_can_be_sent(name: str) -> None:
    """And none of them reaches out of the bench's own keys."""
    keys = [f"bench-1/{n}" for n in range(200)]
    setting = Setting([("127.0.0.1", 1), ("127.0.0.1", 2)], 4, 1.0, "x" * 98, "bench-1/", keys, 1)
    jobs = CASES[name].jobs(setting, 2)
    assert 1 <= len(jobs) <= 2
    assert "bench" in str(jobs[0])


class _Server:
    """Answers requests on one connection as told, byte by byte if need be."""

    def __init__(self, *pieces: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self._pieces = pieces
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(65536)
            for piece in self._pieces:
                connection.sendall(piece)

    def close(self) -> None:
        """End."""
        self._thread.join()
        self._socket.close()


def answers_to_one_request(*pieces: bytes) -> list[Answer | None]:
    """What a connection makes of what a server sends before it closes."""
    server, loop, found = _Server(*pieces), Loop(), list[Answer | None]()
    wire = HttpWire(loop, server.address, found.append)
    wire.send(get("/get", key="x").raw())
    while not found or found[-1] is not None:
        loop.run_once(5.0)
    loop.close()
    server.close()
    return found


def test_an_answer_may_come_in_any_pieces() -> None:
    """TCP keeps no boundaries."""
    answer = b"HTTP/1.1 404 NOT FOUND\r\nX-Causal-Context: n~1=2\r\ncontent-length:  5\r\n\r\nhello"
    for cut in range(1, len(answer)):
        complete, end = answers_to_one_request(answer[:cut], answer[cut:])
        assert complete is not None
        assert (complete.status, complete.body, complete.header(b"x-causal-context")) == (404, b"hello", b"n~1=2")
        assert end is None


@pytest.mark.parametrize("nonsense", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_answer_is_a_broken_connection(nonsense: bytes) -> None:
    """The end of the connection too."""
    assert answers_to_one_request(nonsense) == [None]


def test_a_worker_measures_a_server(capfd: pytest.CaptureFixture[str]) -> None:
    """A process of its own, asked by another one."""
    with Process("client.bench.trivial") as server, Process("client.bench.worker") as worker:
        address = ("127.0.0.1", int(server.read_line()))
        measured = worker.ask(Closed([address], 2, [get("/get", key="x")], 0.2, 1))
    assert measured.count > 10
    assert measured.errors == 0
    assert 0 < measured.quantile_ms(0.5) <= measured.quantile_ms(0.99)
    assert capfd.readouterr().err == ""


def test_a_server_that_is_not_there_is_an_error_that_is_told(dead_url: str) -> None:
    """The others of the cluster may be there."""
    port = int(dead_url.rpartition(":")[2])
    measured = carry_out(Closed([("127.0.0.1", port)], 1, [post("/put", {})], 0.1, 1))
    assert (measured.count, measured.errors) == (0, 1)
    assert "refused" in measured.first_error


@pytest.mark.parametrize(
    "arguments", [["--only", "put,fly"], ["--connections", "0"], ["--node", "node1"], ["--size", "2"]]
)
def test_a_wrong_command_line_exits_with_2_and_sends_nothing(
    nodes: list[ScriptedNode], run: Run, arguments: list[str]
) -> None:
    """Before any node is asked for anything."""
    outcome = run([nodes[0].url], "bench", *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.strip()
    assert not nodes[0].seen


def test_without_any_node_the_cluster_could_not(run: Run, dead_url: str) -> None:
    """Exit code 3, and the reason."""
    outcome = run([dead_url], "bench", "--seconds", "1")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert dead_url in outcome.stderr


def test_every_request_is_json_of_its_length() -> None:
    """A length that is wrong would make the node wait for the rest."""
    shot = post("/put", {"key": "ä", "value": 1})
    head, _, body = shot.raw(b"X-Causal-Context: a=1\r\n").partition(b"\r\n\r\n")
    assert head.endswith(b"Content-Length: %d\r\nX-Causal-Context: a=1" % len(body))
    assert json.loads(body) == {"key": "ä", "value": 1}

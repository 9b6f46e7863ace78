"""Writes that wait for their commit hold no thread: others go on, and everybody is answered in the end."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from node.http import endpoint
from node.inbox import Look
from node.submission import Submission
from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, serving
from tests.integration.http.raw import RawClient
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.inbox import Item

THREADS = 2
WRITERS = 20


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ServedNode]:
    """A node with fewer threads than the writes that are to wait."""
    with serving(tmp_path, http_threads=THREADS) as served:
        yield served


@contextmanager
def stopped_replica(node: ServedNode) -> Iterator[Callable[[], int]]:
    """The thread that owns the replica does nothing inside of the block: no write is committed.

    What it gives tells how many writes have come before the replica since.
    """
    stands, goes_on = threading.Event(), threading.Event()
    thread = node.node.engine.thread

    def stand(_replica: object) -> None:
        stands.set()
        goes_on.wait(TIMEOUT_SECONDS)

    thread.put(Look(stand))
    assert stands.wait(TIMEOUT_SECONDS)
    put, writes = thread.put, []

    def put_and_note(item: Item) -> None:
        put(item)
        # Of all that lies before the replica (what nodes tell each other, too), the writes.
        writes.extend([item] if isinstance(item, Submission) else [])

    with patch.object(thread, "put", put_and_note):
        try:
            yield lambda: len(writes)
        finally:
            goes_on.set()


def put_request(key: str, value: int) -> bytes:
    """POST /put as bytes."""
    body = b'{"key": "%s", "value": %d}' % (key.encode(), value)
    head = b"POST /put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


def test_more_writes_wait_than_there_are_threads_and_reads_go_on(node: ServedNode) -> None:
    """A disk that is slow for a moment stops no reader."""
    with ThreadPoolExecutor(WRITERS) as pool:
        with stopped_replica(node) as waiting_writes:
            answers = [pool.submit(node.put, f"key{n}", n) for n in range(WRITERS)]
            wait_until(lambda: waiting_writes() >= WRITERS, "all writes wait", TIMEOUT_SECONDS)
            assert node.get("key0", wait="0").status_code == 404
            assert not any(answer.done() for answer in answers)
        assert {answer.result().status_code for answer in answers} == {200}
    assert [node.get(f"key{n}").json()["value"] for n in range(WRITERS)] == list(range(WRITERS))


def test_each_writer_gets_the_answer_to_its_own_request(node: ServedNode) -> None:
    """However they are answered together: clocks are different, and conditions are judged one by one."""
    with ThreadPoolExecutor(WRITERS) as pool:
        with stopped_replica(node) as waiting_writes:
            first = [pool.submit(node.post, "/put", key="lock", value=n, if_absent=True) for n in range(WRITERS // 2)]
            counted = [pool.submit(node.post, "/counter/incr", key="n") for _ in range(WRITERS // 2)]
            wait_until(lambda: waiting_writes() >= WRITERS, "all writes wait", TIMEOUT_SECONDS)
        statuses = sorted(answer.result().status_code for answer in first)
        clocks = {tuple(answer.result().json()["vc"]) for answer in counted}
    assert statuses == [200] + [409] * (WRITERS // 2 - 1)
    assert len(clocks) == WRITERS // 2
    assert node.count("n") == WRITERS // 2


def test_a_client_that_goes_away_meanwhile_takes_no_other_with_it(node: ServedNode) -> None:
    """Its write is made all the same: it was asked for."""
    with ThreadPoolExecutor(1) as pool:
        with stopped_replica(node) as waiting_writes:
            with RawClient(node.port) as leaving:
                leaving.send(put_request("left", 1))
                wait_until(lambda: waiting_writes() >= 1, "its write waits", TIMEOUT_SECONDS)
            staying = pool.submit(node.put, "stayed", 1)
            wait_until(lambda: waiting_writes() >= 2, "both wait", TIMEOUT_SECONDS)
        assert staying.result().status_code == 200
    assert node.get("left").json()["value"] == 1


def test_requests_that_follow_on_the_same_connection_are_answered_in_their_order(node: ServedNode) -> None:
    """A client may send its next request before the write is answered."""
    with RawClient(node.port) as client:
        client.send(b"".join(put_request("x", n) for n in range(5)) + b"GET /get?key=x HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [json.loads(client.read_answer().body) for _ in range(6)]
    assert [answer["vc"] for answer in answers] == [[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0], [5, 0, 0], [5, 0, 0]]
    assert answers[-1]["value"] == 4


def test_a_commit_that_takes_too_long_is_answered_that_nobody_knows(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 without Retry-After: the write may still take effect, and then does."""
    monkeypatch.setattr(endpoint, "COMMIT_TIMEOUT_SECONDS", 0.2)
    with stopped_replica(node):
        answer = node.put("late", 1)
        assert answer.status_code == 503
        assert "may still take effect" in answer.json()["error"]
        assert "Retry-After" not in answer.headers
    wait_until(lambda: node.get("late").status_code == 200, "the write is made", TIMEOUT_SECONDS)


def test_a_node_that_stops_answers_what_waits(tmp_path: Path) -> None:
    """What was accepted is committed and answered before the connections close."""
    with ThreadPoolExecutor(WRITERS + 1) as pool, serving(tmp_path, http_threads=THREADS) as node:
        with stopped_replica(node) as waiting_writes:
            answers = [pool.submit(node.put, f"key{n}", n) for n in range(WRITERS)]
            wait_until(lambda: waiting_writes() >= WRITERS, "all writes wait", TIMEOUT_SECONDS)
            stopping = pool.submit(node.node.stop)
            wait_until(lambda: not node.node.service.ready[0], "the node stops", TIMEOUT_SECONDS)
        assert {answer.result().status_code for answer in answers} == {200}
        stopping.result()


def test_a_write_is_measured_with_its_wait(node: ServedNode) -> None:
    """The histogram of requests tells how long clients waited, not how long a thread was busy."""
    with ThreadPoolExecutor(1) as pool:
        with stopped_replica(node) as waiting_writes:
            answer = pool.submit(node.put, "x", 1)
            wait_until(lambda: waiting_writes() >= 1, "the write waits", TIMEOUT_SECONDS)
            time.sleep(0.3)  # the wait that is to be measured
        assert answer.result().status_code == 200
    (line,) = [
        line
        for line in node.http.get("/metrics").text.splitlines()
        if line.startswith("causalkv_http_request_seconds_sum") and 'route="/put"' in line
    ]
    assert float(line.split()[-1]) >= 0.3


def test_a_client_that_does_not_read_holds_up_no_answer_but_its_own(tmp_path: Path) -> None:
    """Its answers carry a large value each, and more of them than are buffered; the others' commits are the same."""
    with (
        serving(tmp_path, http_threads=THREADS) as node,
        RawClient(node.port) as deaf,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        node.put("large", "v" * 1_000_000).raise_for_status()
        body = b'{"key":"large","value":1,"if_absent":true}'
        head = b"POST /put HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        deaf.send((head + body) * 60)
        workers = node.node._http._workers
        waits_for_its_client = threading.Event()
        for turn in range(1_000):
            writing = [pool.submit(node.put, f"k{turn}-{number}", number) for number in range(WRITERS)]
            assert {each.result(TIMEOUT_SECONDS).status_code for each in writing} == {200}
            if waits_for_its_client.is_set():
                break
            if workers._parked:
                waits_for_its_client.set()
        assert waits_for_its_client.is_set()
        assert {deaf.read_answer().status for _ in range(60)} == {409}


@pytest.mark.parametrize("target", ["put", "//put"])
def test_a_write_under_an_odd_path_holds_no_thread_either(node: ServedNode, target: str) -> None:
    """Any number of leading slashes is one, here as in Flask; more of them wait than there are threads."""
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(node.port)) for _ in range(WRITERS)]
        with stopped_replica(node) as waiting_writes:
            for number, client in enumerate(clients):
                client.send(put_request(f"odd{number}", number).replace(b"POST /put", b"POST " + target.encode()))
            wait_until(lambda: waiting_writes() == WRITERS, "all wait", TIMEOUT_SECONDS)
            assert node.http.get("/healthz").status_code == 200
        assert {client.read_answer().status for client in clients} == {200}

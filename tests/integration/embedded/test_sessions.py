"""Sessions of embedded replicas: the four guarantees while replication is late."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from node.errors import ContextNotReachedError
from tests.integration.embedded.conftest import TIMEOUT_SECONDS, delay, release
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from node import Replica


def test_a_session_reads_its_writes_at_another_replica(pair: tuple[Replica, Replica]) -> None:
    """It waits for them; without the token the reader would find nothing."""
    one, two = pair
    delay(two, "node1", 60.0)
    session = one.session()
    session.put("x", 1)
    assert two.get("x") is None
    threading.Timer(0.3, release, [two]).start()
    assert two.session(session.token, wait_seconds=TIMEOUT_SECONDS).get("x") == 1


def test_a_session_never_goes_back(pair: tuple[Replica, Replica]) -> None:
    """What was read at one replica is there at the next: monotonic reads."""
    one, two = pair
    one.put("x", "old", ack="all")
    delay(two, "node1", 60.0)
    one.put("x", "new")
    reader = one.session()
    assert reader.get("x") == "new"
    assert two.get("x") == "old"
    threading.Timer(0.3, release, [two]).start()
    assert two.session(reader.token, wait_seconds=TIMEOUT_SECONDS).get("x") == "new"


def test_a_write_stands_behind_what_its_session_did_and_saw(pair: tuple[Replica, Replica]) -> None:
    """Monotonic writes, and writes follow reads: a put elsewhere replaces what was written and read before."""
    one, two = pair
    delay(two, "node1", 0.5)
    writer = one.session()
    writer.put("x", 1)
    elsewhere = two.session(writer.token, wait_seconds=TIMEOUT_SECONDS)
    elsewhere.put("x", 2)
    wait_until(lambda: one.get("x") == 2, "it is at both", TIMEOUT_SECONDS)
    assert [each.value for each in one.siblings("x")] == [2]
    assert [each.value for each in two.siblings("x")] == [2]


def test_a_session_that_is_ahead_waits_no_longer_than_it_may(pair: tuple[Replica, Replica]) -> None:
    """The error names the missing writes; nothing was written."""
    one, two = pair
    delay(two, "node1", 60.0)
    written = one.put("x", 1)
    ahead = two.session(written.token, wait_seconds=0.05)
    for call in (lambda: ahead.get("x"), lambda: ahead.put("y", 1), ahead.watch):
        with pytest.raises(ContextNotReachedError) as raised:
            call()
        assert [*raised.value.missing] == [written.dot.partition(":")[0]]
    assert two.get("y") is None
    release(two)


def test_closing_lets_go_of_a_session_that_waits(pair: tuple[Replica, Replica]) -> None:
    """It hears that the replica stops, at once."""
    one, two = pair
    delay(two, "node1", 60.0)
    session = two.session(one.put("x", 1).token, wait_seconds=60.0)
    errors: list[Exception] = []

    def wait() -> None:
        try:
            session.get("x")
        except Exception as error:  # noqa: BLE001  # its type is the test
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: two.status()["waiting_requests"] == 1, "it waits", TIMEOUT_SECONDS)
    two.close()
    thread.join(TIMEOUT_SECONDS)
    assert [type(error).__name__ for error in errors] == ["UnavailableError"]

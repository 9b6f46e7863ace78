"""What an embedded replica keeps: Python objects in keys, counters and sets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from node.errors import InvalidRequestError, PreconditionFailedError, TooLargeError
from tests.integration.embedded.conftest import TIMEOUT_SECONDS, delay, release
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from node import Replica


@pytest.mark.parametrize("value", [None, True, 0, -1.5, 2**80, "", "ü\u2028", [], {"a": [1, {"b": None}]}])
def test_a_json_value_comes_back_as_it_was_put(replica: Replica, value: object) -> None:
    """Of the same type, too."""
    replica.put("x", value)
    found = replica.get("x")
    assert (found, type(found)) == (value, type(value))


def test_a_key_without_a_value_gives_the_default(replica: Replica) -> None:
    """As a dict's ``get``; a stored None is a value."""
    missing = object()
    assert replica.get("x") is None
    assert replica.get("x", missing) is missing
    replica.put("x", None)
    assert replica.get("x", missing) is None
    replica.delete("x")
    assert replica.get("x", missing) is missing


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.put("x", float("nan")),
        lambda r: r.put("x", object()),
        lambda r: r.put("x", "\ud800"),
        lambda r: r.put("x", {1: "a", "1": "b"}),
        lambda r: r.put("", 1),
        lambda r: r.put(5, 1),
        lambda r: r.put("\ud800", 1),
        lambda r: r.put("k" * 1025, 1),
        lambda r: r.put("x", 1, ttl_seconds=0),
        lambda r: r.put("x", 1, ttl_seconds=float("inf")),
        lambda r: r.put("x", 1, if_absent=True, if_vc=[1]),
        lambda r: r.put("x", 1, if_vc="[1]"),
        lambda r: r.put("x", 1, ack="both"),
        lambda r: r.put("x", 1, request_id="r" * 129),
        lambda r: r.incr("x", 1.5),
        lambda r: r.incr("x", 2**53),
        lambda r: r.sadd("x", "text"),
        lambda r: r.sadd("x", []),
        lambda r: r.mget([]),
        lambda r: r.session("no token"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(replica: Replica, call: Callable[[Any], object]) -> None:
    """With an error of the one tree, which says what would be right."""
    with pytest.raises(InvalidRequestError, match=r"use|send|bytes|exclude|ask for"):
        call(replica)
    assert replica.status()["vc"] == [0]


def test_a_value_beyond_the_limit_is_refused(make: Callable[..., Replica]) -> None:
    """The limit is that of every node: encoded, in bytes."""
    with make(nodes=("node1",), value_max_bytes=10) as replica:
        replica.put("x", "12345678")
        with pytest.raises(TooLargeError):
            replica.put("x", "123456789")


def test_a_batch_is_one_write_and_none_when_its_block_raises(replica: Replica) -> None:
    """All of it has one clock; a block that fails leaves nothing."""
    with replica.batch() as batch:
        batch.put("x", 1)
        batch.incr("hits", 2)
        batch.sadd("tags", ["b", "a", {"k": 1}])
        batch.srem("tags", ["b"])
    assert batch.written is not None
    assert batch.written.vc == [1]
    assert (replica.get("x"), replica.counter("hits"), replica.smembers("tags")) == (1, 2, ["a", {"k": 1}])
    with pytest.raises(RuntimeError), replica.batch() as batch:  # noqa: PT012  # the block is the subject
        batch.put("x", 2)
        raise RuntimeError
    assert replica.get("x") == 1


def test_of_racing_writers_one_gets_through(replica: Replica) -> None:
    """The others hear what is there: ``if_absent`` is a way to be the first."""
    won, lost = [], []

    def race(number: int) -> None:
        try:
            won.append(replica.put("leader", number, if_absent=True))
        except PreconditionFailedError as error:
            lost.append(error.current[0].value)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    assert len(set(lost)) == 1
    version = replica.version("leader")
    assert version is not None
    replica.put("leader", "next", if_vc=version.vc)
    with pytest.raises(PreconditionFailedError):
        replica.delete("leader", if_vc=version.vc)


def test_a_request_id_makes_a_repetition_harmless(replica: Replica) -> None:
    """The second one is the first one's write."""
    first = replica.incr("hits", request_id="r1")
    assert replica.incr("hits", request_id="r1").dot == first.dot
    assert replica.counter("hits") == 1


def test_a_scan_gives_every_key_with_the_prefix_in_byte_order(replica: Replica) -> None:
    """Across pages."""
    keys = [f"k{n:04}" for n in range(1200)]
    for start in range(0, 1200, 400):
        with replica.batch() as batch:
            for key in keys[start : start + 400]:
                batch.put(key, key)
    replica.put("other", 1)
    assert list(replica.scan("k")) == [(key, key) for key in keys]
    assert [key for key, _ in replica.scan("k", after="k1197")] == ["k1198", "k1199"]
    assert replica.mget(["k0007", "nothing", "other"]) == {"k0007": "k0007", "other": 1}


def test_concurrent_values_are_siblings_until_a_put_that_has_seen_them(pair: tuple[Replica, Replica]) -> None:
    """Both replicas show the same ones, in the same order."""
    one, two = pair
    delay(one, "node2", 60.0)
    delay(two, "node1", 60.0)
    one.put("x", "from one")
    two.put("x", "from two")
    release(one)
    release(two)
    wait_until(lambda: len(one.siblings("x")) == len(two.siblings("x")) == 2, "both have both", TIMEOUT_SECONDS)
    assert one.siblings("x") == two.siblings("x")
    session = one.session()
    assert session.siblings("x")[0].value == session.get("x")
    token = session.put("x", "merged").token
    assert [each.value for each in two.session(token).siblings("x")] == ["merged"]


def test_a_value_with_a_time_to_live_goes_everywhere(pair: tuple[Replica, Replica]) -> None:
    """Until then it says how long it has."""
    one, two = pair
    session = two.session(one.put("x", 1, ttl_seconds=3.0).token)
    version = session.version("x")
    assert version is not None
    assert version.ttl_seconds is not None
    assert 0 <= version.ttl_seconds <= 3.0
    wait_until(lambda: one.get("x") is two.get("x") is None, "it is gone", TIMEOUT_SECONDS)


def test_an_acknowledgement_level_is_waited_for(pair: tuple[Replica, Replica]) -> None:
    """``all``: the other replica has applied it when the call returns."""
    one, two = pair
    written = one.put("x", 1, ack="all", ack_timeout_seconds=TIMEOUT_SECONDS)
    assert written.acked == "all"
    assert two.get("x") == 1

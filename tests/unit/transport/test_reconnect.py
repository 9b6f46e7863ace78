"""When, where and how loudly a link tries again."""

from __future__ import annotations

import threading
import time

import pytest
import structlog

from node.errors import TransportError
from node.transport.reconnect import AddressRotation, OutageLog, retrying_until, without_secrets


def test_the_waits_grow_up_to_a_limit_and_are_never_quite_the_same() -> None:
    """Soon at first, some seconds apart in the end, with a random part."""
    retrying = retrying_until(threading.Event())
    waits: list[float] = []

    def fail() -> None:
        if len(waits) == 12:
            return
        raise TransportError("no")

    retrying.sleep = waits.append
    retrying(fail)
    assert waits[0] <= 0.6
    assert 4.0 <= waits[-1] <= 5.0
    assert len(set(waits)) == len(waits)


def test_stopping_ends_a_wait_at_once() -> None:
    """A node that stops does not sit out the wait for the next attempt."""
    stopping = threading.Event()
    attempts = []

    def fail() -> None:
        attempts.append(1)
        raise TransportError("no")

    retrying = retrying_until(stopping)
    retrying.wait = lambda _state: 60.0
    threading.Timer(0.05, stopping.set).start()
    began = time.monotonic()
    retrying(fail)
    assert time.monotonic() - began < 5.0
    assert len(attempts) <= 2


def test_only_a_lost_link_is_tried_again() -> None:
    """Any other error is the caller's."""

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retrying_until(threading.Event())(fail)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:secret@host:5672/%2F", "amqp://user@host:5672/%2F"),
        ("amqps://host/v?ssl_options=%7B%27password%27%3A%27secret%27%7D", "amqps://host/v"),
        ("amqp://user:s%40cret@[::1]:5672/", "amqp://user@[::1]:5672/"),
    ],
)
def test_an_address_is_shown_without_password_and_options(url: str, shown: str) -> None:
    """Both may hold secrets."""
    assert without_secrets(url) == shown


@pytest.mark.parametrize("separator", ["/", "?", "#"])
def test_an_address_whose_password_cannot_be_told_apart_is_shown_nowhere(separator: str) -> None:
    """A bare separator in a password ends the host: the rest would pass for a path."""
    for start in ("12", "abc"):
        with pytest.raises(ValueError, match="the address") as caught:
            without_secrets(f"amqp://user:{start}{separator}s3cret@host/")
        assert "s3cret" not in str(caught.value)


def test_after_a_failure_the_next_address_comes_first() -> None:
    """After the last one the first one again."""
    rotation = AddressRotation(3)
    tried = []
    for _ in range(4):
        tried.append(rotation.current)
        rotation.advance()
    assert tried == [0, 1, 2, 0]


def test_an_outage_is_one_warning_and_its_end_one_line() -> None:
    """The attempts in between are for those who look for them."""
    with structlog.testing.capture_logs() as logs:
        outages = OutageLog("consumer")
        outages.up("a")
        for reason in ("refused", "refused", "no route"):
            outages.down("a", reason)
        outages.up("b")
    assert [entry["log_level"] for entry in logs] == ["info", "warning", "debug", "debug", "info"]
    assert (logs[1]["link"], logs[1]["address"], logs[1]["reason"]) == ("consumer", "a", "refused")
    assert logs[-1]["address"] == "b"
    assert outages.last_error == "no route"

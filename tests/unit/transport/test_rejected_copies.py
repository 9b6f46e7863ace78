"""Copies of rejected messages: what is in them, and what happens to them when the link breaks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from node.transport.rejected_copies import RejectedCopies, RejectedCopy, copy_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.amqp import Channel, Frame, MakeProperties, Session


def headers_of(
    original: dict[str, object] | None, reason: str = "why", user_id: str | None = None
) -> dict[str, object]:
    """The headers of a copy made by node1."""
    return copy_headers(original, reason=reason, node_id="node1", user_id=user_id)


def test_the_reason_and_the_node_stand_beside_the_original_headers() -> None:
    """Plain headers are kept, and cannot pass for ours."""
    assert headers_of({"trace": "t", "n": 5, "x-causalkv-reason": "forged"}, user_id="intruder") == {
        "trace": "t",
        "n": 5,
        "x-causalkv-reason": "why",
        "x-causalkv-rejected-by": "node1",
        "x-causalkv-user-id": "intruder",
    }


def test_headers_that_cannot_be_sent_again_become_text() -> None:
    """Numbers beyond 64 bits and fractions can be received, but not be sent."""
    assert headers_of({"f": 1.5, "big": 2**64, "l": [1]}) | headers_of(None) == {
        "f": "1.5",
        "big": str(2**64),
        "l": "[1]",
        "x-causalkv-reason": "why",
        "x-causalkv-rejected-by": "node1",
    }


def test_headers_that_the_broker_would_act_on_are_left_out() -> None:
    """CC and BCC would send the copy elsewhere."""
    assert set(headers_of({"CC": ["q"], "bcc": ["q"]})) == set(headers_of(None))


def test_headers_have_a_limit_together() -> None:
    """All headers travel in one frame: a copy must not be larger than what the broker takes."""
    many = headers_of({f"h{number}": "x" * 100 for number in range(100)}, reason="r" * 100_000)
    assert sum(len(str(name)) + len(str(value)) for name, value in many.items()) < 2048


class FakeBroker:
    """Both ends of one channel after the other: remembers what is published, and answers when told to."""

    def __init__(self) -> None:
        self.published: list[SimpleNamespace] = []
        self.answer: Callable[[Frame], None]
        self.user = "node1"
        self.is_open = True
        self.connection = self

    def channel(self, *, on_open_callback: Callable[[Channel], None]) -> None:
        """Open a channel."""
        self.published = []
        on_open_callback(cast("Channel", self))

    def add_on_close_callback(self, _callback: object) -> None:
        """Never called here."""

    def add_on_return_callback(self, _callback: object) -> None:
        """Never called here."""

    def confirm_delivery(self, answer: Callable[[Frame], None], callback: Callable[[object], None]) -> None:
        """Turn on confirms."""
        self.answer = answer
        callback(None)

    def basic_publish(self, _exchange: str, _key: str, body: bytes, _properties: object, *, mandatory: bool) -> None:
        """Take a message."""
        assert mandatory
        self.published.append(SimpleNamespace(body=body))

    def wake(self, callback: Callable[[], None]) -> None:
        """There is one thread here."""
        callback()

    def call_later(self, _delay_seconds: float, callback: Callable[[], None]) -> None:
        """There is no clock here."""
        callback()

    def confirm(self, tag: int, *, acked: bool = True) -> None:
        """Confirm or nack the message with this number."""
        name = "Basic.Ack" if acked else "Basic.Nack"
        self.answer(cast("Frame", SimpleNamespace(method=SimpleNamespace(NAME=name, delivery_tag=tag, multiple=False))))

    def bodies(self) -> list[bytes]:
        """What was published over the last channel."""
        return [one.body for one in self.published]


class Bench:
    """Rejected copies between a fake broker and their origin, whose epoch the test sets."""

    def __init__(self) -> None:
        self.epoch = 1
        self.safe: list[tuple[int, int]] = []
        self.broker = FakeBroker()
        self.copies = RejectedCopies(
            exchange="c.rejected",
            make_properties=cast("MakeProperties", SimpleNamespace),
        )

    def is_current(self, epoch: int) -> bool:
        """See Origin."""
        return epoch == self.epoch

    def release(self, epoch: int, tag: int) -> None:
        """See Origin."""
        self.safe.append((epoch, tag))

    def connect(self) -> None:
        """A publishing connection comes up."""
        self.copies.opened(cast("Session", self.broker), on_settled=lambda: None, on_returned=lambda: None)

    def add(self, tag: int, epoch: int = 1) -> None:
        """Reject the delivery with this number; its body is its number."""
        self.copies.add(RejectedCopy(epoch, tag, str(tag).encode(), self, None, None, None, {}))


def test_a_copy_is_safe_only_when_it_is_confirmed() -> None:
    """The original is acknowledged after that, never before."""
    bench = Bench()
    bench.connect()
    bench.add(4)
    assert bench.broker.bodies() == [b"4"]
    assert bench.safe == []
    bench.broker.confirm(1)
    assert bench.safe == [(1, 4)]
    assert bench.copies.in_flight == 0


def test_copies_wait_while_the_publisher_is_down_and_go_out_when_it_is_back() -> None:
    """Those without a confirm go out again: at least once."""
    bench = Bench()
    bench.add(1)
    bench.connect()
    bench.add(2)
    bench.broker.confirm(1)
    bench.copies.lost()
    bench.add(3)
    bench.connect()
    assert sorted(bench.broker.bodies()) == [b"2", b"3"]


def test_copies_of_a_former_consumer_are_forgotten() -> None:
    """Their originals are delivered again, and rejected again."""
    bench = Bench()
    bench.add(1)
    bench.epoch = 2
    bench.add(1, epoch=2)
    bench.add(2, epoch=2)
    bench.connect()
    assert bench.broker.bodies() == [b"1", b"2"]
    bench.copies.lost()
    bench.epoch = 3
    bench.connect()
    assert bench.broker.bodies() == []


def test_a_refused_copy_is_offered_again() -> None:
    """A nack is no reason to lose a message."""
    bench = Bench()
    bench.connect()
    bench.add(1)
    bench.broker.confirm(1, acked=False)
    assert bench.broker.bodies() == [b"1", b"1"]
    bench.broker.confirm(2)
    assert bench.safe == [(1, 1)]

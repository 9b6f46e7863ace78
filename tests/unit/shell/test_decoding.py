"""From what stands in the inbox to what the replica is told."""

from __future__ import annotations

from node.clocks import steady_ms, wall_ms
from node.codec import HELLO_SUFFIX, encode_hello, encode_message, encode_write
from node.core.dot import Dot
from node.core.effects import Distrusted, Reject
from node.core.events import (
    AskEverybody,
    Confirmed,
    ControlUp,
    Echoed,
    Heard,
    HelloReceived,
    LocalWrite,
    PublisherDown,
    PublisherUp,
    Received,
    RemoveMember,
    Tick,
)
from node.core.write import Put
from node.decoding import Decoding
from node.inbox import AfterCommit, ControlReceived, Look, PublishRefused
from node.senders import SenderRule
from node.submission import Removal, Submission
from node.transport.port import ControlDelivery, Delivery
from tests.support.writes import NODE1, NODE2, put_write
from tests.unit.core.builders import Bench, put
from tests.unit.shell.control_messages import EXAMPLES, body_of
from tests.unit.shell.running import EMPTY

NODES = ("node1", "node2", "node3")
SOON_MS = 10_000


def decoding() -> Decoding:
    """That of a node of three."""
    return Decoding(SenderRule(frozenset(NODES)))


def bench() -> Bench:
    """The replica of node1, with two own writes."""
    made = Bench(NODE1, founding=NODES)
    for number in range(2):
        made.write(put("x", str(number)))
    return made


def message(replica: str, *seqs: int, **properties: str) -> Delivery:
    """A message with these writes of a replica, as it comes out of the queue."""
    body = encode_message(replica, [encode_write(put_write(replica, seq)) for seq in seqs])
    return Delivery(1, 7, body, message_id=f"{replica}:{seqs[0]}", **properties)  # type: ignore[arg-type]  # only texts


def test_requests_become_events_with_both_times() -> None:
    """A write carries its request's context; a removal whether it is forced."""
    replica = bench().replica
    submission = Submission((Put("x", b"1"),), EMPTY)
    event = decoding().event(submission, replica)
    assert isinstance(event, LocalWrite)
    assert (event.request, event.operations, event.context) == (submission, submission.operations, EMPTY)
    assert abs(event.wall_ms - wall_ms()) < SOON_MS
    removal = Removal("node2", forced=True)
    removed = decoding().event(removal, replica)
    assert isinstance(removed, RemoveMember)
    assert (removed.request, removed.node, removed.forced) == (removal, "node2", True)
    assert abs(removed.steady_ms - steady_ms()) < SOON_MS


def test_what_is_an_event_already_stays_it_and_what_is_none_is_nothing() -> None:
    """The thread itself deals with the rest."""
    replica = bench().replica
    for event in (ControlUp(), Tick(1, 2), AskEverybody(Dot("node1~t5k2m1", 1), 2), PublisherUp(), PublisherDown()):
        assert decoding().event(event, replica) is event
    for item in (AfterCommit(lambda _: None), Look(lambda _: None), PublishRefused("full"), Confirmed([1])):
        assert decoding().event(item, replica) is None


def test_a_message_of_another_replica_is_received_whole() -> None:
    """Its writes in their order."""
    delivery = message(NODE2, 1, 2)
    event = decoding().event(delivery, bench().replica)
    assert isinstance(event, Received)
    assert event.delivery is delivery
    assert [write.dot for write in event.writes] == [Dot(NODE2, 1), Dot(NODE2, 2)]


def test_an_own_echo_is_known_by_its_names_alone() -> None:
    """As long as all of it is known here."""
    delivery = message(NODE1, 1, 2)
    assert decoding().event(delivery, bench().replica) == Echoed(delivery, Dot(NODE1, 2), 2)


def test_an_own_message_with_a_write_that_is_not_known_here_is_received_whole() -> None:
    """The data directory is an old copy, or somebody uses the name: the writes must not be lost."""
    event = decoding().event(message(NODE1, 2, 3), bench().replica)
    assert isinstance(event, Received)
    assert [write.dot.seq for write in event.writes] == [2, 3]


def test_a_message_that_only_claims_to_be_an_echo_is_read_as_what_it_is() -> None:
    """The message id is a hint; what counts is checked in the message."""
    disguised = Delivery(1, 7, message(NODE2, 1).body, message_id=f"{NODE1}:1")
    event = decoding().event(disguised, bench().replica)
    assert isinstance(event, Received)
    assert event.writes[0].dot == Dot(NODE2, 1)


def test_a_hello_is_known_by_its_message_id() -> None:
    """Who asks, and for which start of its process."""
    delivery = Delivery(1, 7, encode_hello(NODE2, "a session"), message_id=f"{NODE2}{HELLO_SUFFIX}")
    assert decoding().event(delivery, bench().replica) == HelloReceived(delivery, NODE2, "a session")


def test_what_is_no_message_is_rejected_with_the_reason() -> None:
    """Also a hello that is none, a wrong content type, and a sender that its broker user does not prove."""
    hello = f"{NODE2}{HELLO_SUFFIX}"
    cases = [
        (Delivery(1, 7, b"garbage"), "not a causalkv message"),
        (Delivery(1, 7, b"garbage", message_id=hello), "not a hello"),
        (Delivery(1, 7, message(NODE2, 1).body, message_id=hello), "not a hello"),
        (Delivery(1, 7, encode_hello("node2", "s"), message_id=hello), "is not a replica id"),
        (Delivery(1, 7, encode_hello(NODE2, ""), message_id=hello), "length >= 1"),
        (Delivery(1, 7, encode_hello(NODE2, "s"), message_id=hello, user_id="node3"), "published by user node3"),
        (message(NODE2, 1, content_type="text/plain"), "its content type is 'text/plain'"),
        (message(NODE2, 1, user_id="node3"), "published by user node3"),
        (message(NODE1, 1, user_id="node3"), "published by user node3"),
    ]
    for delivery, words in cases:
        event = decoding().event(delivery, bench().replica)
        assert isinstance(event, Reject)
        assert event.delivery is delivery
        assert words in event.reason


def test_a_control_message_is_heard_with_both_times_and_waits_no_longer() -> None:
    """Whatever it says, its place among those that wait is free."""
    taken: list[bool] = []
    item = ControlReceived(ControlDelivery(body_of(EXAMPLES["hello seen"]), "node2", None), lambda: taken.append(True))
    event = decoding().event(item, bench().replica)
    assert isinstance(event, Heard)
    assert event.message == EXAMPLES["hello seen"]
    assert abs(event.steady_ms - steady_ms()) < SOON_MS
    assert abs(event.wall_ms - wall_ms()) < SOON_MS
    assert taken == [True]


def test_a_control_message_that_is_none_is_distrusted_and_waits_no_longer_either() -> None:
    """Named by its broker user, if that is known: nothing in it can be believed."""
    taken: list[bool] = []
    for user_id, sender in (("guest", "guest"), (None, "somebody")):
        item = ControlReceived(ControlDelivery(b"garbage", user_id, None), lambda: taken.append(True))
        event = decoding().event(item, bench().replica)
        assert isinstance(event, Distrusted)
        assert event.sender == sender
        assert event.reason.startswith("not a control message")
    assert taken == [True, True]


def test_who_becomes_a_member_gets_a_broker_user_that_speaks_for_it_alone() -> None:
    """Users that stand for no node prove nothing."""
    judge = decoding()
    foreign = message("node4~dddddd", 1, user_id="node4")
    claimed = message(NODE2, 1, user_id="node4")
    replica = bench().replica
    assert isinstance(judge.event(foreign, replica), Received)
    assert isinstance(judge.event(claimed, replica), Received)
    judge.senders = judge.senders.with_members((*NODES, "node4"))
    assert isinstance(judge.event(foreign, replica), Received)
    assert isinstance(judge.event(claimed, replica), Reject)

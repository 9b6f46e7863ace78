"""Control messages: what is encoded comes back the same, and anything else is refused, with the rule it breaks."""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from node.codec import CLOCK_MAX_ENTRIES, NESTING_MAX
from node.control_codec import FORMAT, NAME_MAX_CHARACTERS, RANGES_MAX, decode_control
from node.core.control import ClockTold, ControlMessage, RepairGiven, SnapshotGiven
from node.core.hybrid_clock import PHYSICAL_MS_MAX
from node.core.members import NODES_MAX
from node.errors import MessageRejectedError
from node.operation_codec import SEQ_MAX
from node.senders import SenderRule
from node.snapshot_codec import encode_entry
from tests.support.writes import NODE1, NODE2
from tests.unit.shell.control_messages import CLOCK, EXAMPLES, VERSIONS, body_of, control_messages, without_encoding
from tests.unit.shell.messages import json_values, valid_write

SHARED_USER = SenderRule(node_users=frozenset({"node1", "node2", "node3"}))
OWN_USERS = replace(SHARED_USER, proof_required=True)
ABSENT = object()


def wire(kind: str, /, **changes: Any) -> dict[str, Any]:
    """A message of this kind as JSON, with some fields changed, or left out."""
    message = json.loads(body_of(EXAMPLES[kind])) | changes
    return {name: value for name, value in message.items() if value is not ABSENT}


def encoded(message: Any) -> bytes:
    """JSON as bytes; a snapshot part gets the checksum of its entries."""
    if isinstance(message, dict) and message.get("kind") == "snapshot given" and "crc32" not in message:
        entries = json.dumps(message["entries"]).encode()
        plain = json.dumps(message | {"entries": [], "crc32": zlib.crc32(entries)}).encode()
        return plain.replace(b'"entries": []', b'"entries": ' + entries)
    return json.dumps(message).encode()


def refusal(body: bytes) -> str:
    """Why a body is refused; fails the test when it is not."""
    with pytest.raises(MessageRejectedError) as error:
        decode_control(body)
    return str(error.value)


# -------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_of_message_comes_back_as_it_was(kind: str) -> None:
    """And says in its body what it is, for whoever looks at it with other tools."""
    body = body_of(EXAMPLES[kind])
    assert without_encoding(decode_control(body)) == EXAMPLES[kind]
    shown = json.loads(body)
    assert (shown["kind"], shown["format"], shown["sender"]) == (kind, FORMAT, NODE2)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(control_messages)
def test_any_message_comes_back_as_it_was(message: ControlMessage) -> None:
    """Values keep their bytes; clocks may be empty; names may be of any alphabet."""
    assert without_encoding(decode_control(body_of(message))) == message


def test_a_clock_that_asks_nothing_and_one_that_asks_for_an_answer_at_once_differ() -> None:
    """The empty clock is a question."""
    told = EXAMPLES["clock"]
    assert isinstance(told, ClockTold)
    for asks in (None, CLOCK, CLOCK.__class__()):
        decoded = decode_control(body_of(told._replace(asks=asks)))
        assert isinstance(decoded, ClockTold)
        assert decoded.asks == asks


def test_a_write_given_for_repair_is_the_write_that_was_published() -> None:
    """Byte for byte: equal states are equal byte for byte."""
    given_ = decode_control(body_of(EXAMPLES["repair given"]))
    assert isinstance(given_, RepairGiven)
    again = decode_control(body_of(given_))
    assert isinstance(again, RepairGiven)
    assert [write.encoded for write in again.writes] == [write.encoded for write in given_.writes]
    assert all(write.encoded for write in again.writes)


# ------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("clock", {"kind": ABSENT}, "missing required field `kind`"),
        ("clock", {"kind": "gossip"}, "Invalid value 'gossip'"),
        ("clock", {"format": FORMAT + 1}, f"control message of format {FORMAT + 1}: this node reads format {FORMAT}"),
        ("clock", {"format": "1"}, "Expected `int`, got `str`"),
        ("clock", {"sender": "node2"}, "'node2' is not a replica id"),
        ("clock", {"sender": "n" * 5000}, "is not a replica id"),
        ("clock", {"sender": ABSENT}, "missing required field `sender`"),
        ("clock", {"session": ""}, "length >= 1 - at `$.session`"),
        ("clock", {"session": "s" * (NAME_MAX_CHARACTERS + 1)}, f"length <= {NAME_MAX_CHARACTERS}"),
        ("clock", {"vector_clock": {"node1": 1}}, "'node1' is not a replica id"),
        ("clock", {"vector_clock": {NODE1: 0}}, "Expected `int` >= 1"),
        ("clock", {"vector_clock": {NODE1: SEQ_MAX + 1}}, f"Expected `int` <= {SEQ_MAX}"),
        ("clock", {"vector_clock": {f"node1~{n:06}": 1 for n in range(CLOCK_MAX_ENTRIES + 1)}}, "length <= 1024"),
        ("clock", {"trimmed": {"x": 1}}, "'x' is not a replica id"),
        ("clock", {"asks": {"x": 1}}, "'x' is not a replica id"),
        ("clock", {"members": [["a b", 1, True, ""]]}, "'a b' is not a node id"),
        ("clock", {"members": [["n" * 5000, 1, True, ""]]}, "is not a node id"),
        ("clock", {"members": [["rejected", 1, False, ""]]}, "'rejected' is not a node id that a member can have"),
        ("clock", {"sender": "rejected~aaaaaa"}, "'rejected' is not a node id that a member can have"),
        ("clock", {"members": [["node1", -1, True, ""]]}, "Expected `int` >= 0"),
        ("clock", {"members": [["node1", PHYSICAL_MS_MAX + 1, True, ""]]}, f"Expected `int` <= {PHYSICAL_MS_MAX}"),
        ("clock", {"members": [["node1", 1, "yes", ""]]}, "Expected `bool`"),
        ("clock", {"members": [["node1", 1, False, "node1"]]}, "'node1' is not a replica id"),
        ("clock", {"members": [[f"node{n}", 1, True, ""] for n in range(NODES_MAX + 1)]}, f"length <= {NODES_MAX}"),
        ("clock", {"url": "u" * 2049}, "length <= 2048"),
        ("clock", {"wall_ms": PHYSICAL_MS_MAX + 1}, f"Expected `int` <= {PHYSICAL_MS_MAX}"),
        ("hello seen", {"replica": "node1"}, "'node1' is not a replica id"),
        ("hello seen", {"seen": -1}, "Expected `int` >= 0"),
        ("hello seen", {"seen": 2**63}, f"Expected `int` <= {2**63 - 1}"),
        ("repair wanted", {"origin": "~"}, "'~' is not a replica id"),
        ("repair wanted", {"ranges": []}, "length >= 1 - at `$.ranges`"),
        ("repair wanted", {"ranges": [[1, 1]] * (RANGES_MAX + 1)}, f"length <= {RANGES_MAX}"),
        ("repair wanted", {"ranges": [[0, 1]]}, "Expected `int` >= 1"),
        ("repair wanted", {"ranges": [[5, 4]]}, "5 to 4 is no range"),
        ("repair wanted", {"ranges": [[1, 2, 3]]}, "`array` of length 2"),
        ("repair given", {"writes": []}, "length >= 1 - at `$.writes`"),
        ("repair given", {"writes": [1]}, "not a write"),
        ("repair given", {"writes": [valid_write() | {"seq": 0}]}, "Expected `int` >= 1 - at `$.seq`"),
        ("repair given", {"writes": [valid_write() | {"vector_clock": {}}]}, "must hold the write's own dot"),
        ("snapshot wanted", {"part": -1}, "Expected `int` >= 0"),
        ("snapshot wanted", {"request": 7}, "Expected `str`, got `int`"),
        ("snapshot given", {"crc32": 1}, "a part of a snapshot whose checksum fails"),
        ("snapshot given", {"entries": [["", []]], "crc32": ABSENT}, "not a part of a snapshot"),
        ("snapshot given", {"entries": {}, "crc32": ABSENT}, "not a part of a snapshot"),
        ("snapshot given", {"entries": [["x", [1]]], "crc32": ABSENT}, "not a part of a snapshot"),
        (
            "snapshot given",
            {"entries": [["x", [[NODE1, 1, {"node1": 1}, 1, 0, 5]]]], "crc32": ABSENT},
            "'node1' is not a replica id",
        ),
        (
            "snapshot given",
            {"entries": [["x", [[NODE1, 1, {NODE1: 1}, PHYSICAL_MS_MAX + 1, 0, 5]]]], "crc32": ABSENT},
            f"Expected `int` <= {PHYSICAL_MS_MAX}",
        ),
        ("snapshot given", {"timestamp": [1]}, "`array` of length 2"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused(kind: str, changes: dict[str, Any], words: str) -> None:
    """The refusal says which rule it was, and quotes little of the message."""
    text = refusal(encoded(wire(kind, **changes)))
    assert words in text
    assert len(text) < 500


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"null",
        b"[]",
        b"{}",
        b"\xff" * 1000,
        b"[" * 200_000,
        b'{"kind":' * 50_000,
        b'{"kind": "clock"}',
        b"\x1f\x8b" + bytes(100),
        body_of(EXAMPLES["clock"])[:-1],
        body_of(EXAMPLES["clock"]) + b"{}",
        body_of(EXAMPLES["snapshot given"]).replace(b"null", b"nul"),
        encoded(wire("clock", url="DEEP")).replace(b'"DEEP"', b"[" * 50_000 + b"]" * 50_000),
    ],
)
def test_garbage_is_refused(body: bytes) -> None:
    """As a message that is none; nothing else is ever raised."""
    refusal(body)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("kind", ["repair given", "snapshot given"])
def test_values_nest_no_deeper_than_in_the_messages_of_writes(kind: str, opening: str, closing: str) -> None:
    """What one way lets through and the other does not would part the nodes; what is stored must be readable always."""

    def body(levels: int) -> bytes:
        value = opening * levels + "1" + closing * levels
        if kind == "repair given":
            write = valid_write() | {"ops": [{"op": "put", "key": "x", "value": "DEEP"}]}
            return encoded(wire(kind, writes=[write])).replace(b'"DEEP"', value.encode())
        deep = [VERSIONS[0]._replace(value=value.encode())]
        given_ = EXAMPLES[kind]
        assert isinstance(given_, SnapshotGiven)
        return body_of(given_._replace(entries=(("x", tuple(deep)),)))

    assert decode_control(body(NESTING_MAX - 3))
    for levels in (NESTING_MAX + 1, 500, 100_000):
        refusal(body(levels))


def test_one_flipped_bit_in_a_part_of_a_snapshot_is_noticed() -> None:
    """Whatever the bit says, no value that nobody wrote gets into the store."""
    body = body_of(EXAMPLES["snapshot given"])
    first = body.index(b'"entries":') + len(b'"entries":')
    last = body.index(encode_entry("é", VERSIONS[:1])) + len(encode_entry("é", VERSIONS[:1]))
    for place in range(first + 1, last):
        for bit in (0x01, 0x10):
            damaged = bytearray(body)
            damaged[place] ^= bit
            refusal(bytes(damaged))


# --------------------------------------------------------------------------------------- hostile input


def is_refused(body: bytes) -> bool:
    """Whether a body is refused; anything but a message or a refusal fails the test."""
    try:
        decode_control(body)
    except MessageRejectedError:
        return True
    return False


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b'{"kind":"clock","format":1,"sender":"\\ud800"}')
@example(b'{"kind":"clock","format":1e999}')
def test_random_bytes_are_refused(body: bytes) -> None:
    """Never anything but the one error."""
    assert is_refused(body)


@settings(deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_messages_with_other_bytes_in_them_are_read_or_refused(kind: str, place: int, other: bytes) -> None:
    """A byte that is wrong may make another valid message; it never makes another error."""
    body = body_of(EXAMPLES[kind])
    place %= len(body)
    is_refused(body[:place] + other + body[place + len(other) :])
    is_refused(body[:place] + other + body[place:])
    assert is_refused(body[:place])


@settings(deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_messages_with_another_value_somewhere_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    """Any field may hold anything."""
    message = wire(kind)
    field = data.draw(st.sampled_from(sorted(message)))
    message[field] = data.draw(json_values)
    if field != "crc32":
        message.pop("crc32", None)
    with contextlib.suppress(UnicodeEncodeError):
        is_refused(encoded(message))


# -------------------------------------------------------------------------------------- who says so


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_message_of_another_nodes_broker_user_is_refused(kind: str) -> None:
    """Where each node has a broker user of its own, the broker proves who sent it."""
    body = body_of(EXAMPLES[kind])
    for senders in (SHARED_USER, OWN_USERS):
        assert decode_control(body, user_id="node2", senders=senders)
        with pytest.raises(MessageRejectedError) as error:
            decode_control(body, user_id="node3", senders=senders)
        assert str(error.value) == f"published by user node3, but names {NODE2} as its sender"


@pytest.mark.parametrize("kind", EXAMPLES)
def test_where_each_node_has_its_own_broker_user_a_message_without_a_proof_is_refused(kind: str) -> None:
    """A removal above all: nothing else tells a forged one from a true one."""
    with pytest.raises(MessageRejectedError, match=f"names {NODE2} as its sender without a proof"):
        decode_control(body_of(EXAMPLES[kind]), senders=OWN_USERS)


@pytest.mark.parametrize("user_id", ["guest", "node7", None])
def test_a_broker_user_that_stands_for_no_node_proves_nothing_and_passes(user_id: str | None) -> None:
    """As with the broker's default user, or behind a federation that clears the property."""
    assert decode_control(body_of(EXAMPLES["clock"]), user_id=user_id, senders=SHARED_USER)

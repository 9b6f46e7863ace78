"""Control messages for tests: one of each kind, strategies for all, and bodies as they travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import strategies as st

from node.codec import encode_write
from node.control_codec import NAME_MAX_CHARACTERS, RANGES_MAX, encode_control, encode_repair, encode_snapshot_part
from node.core.control import (
    ClockTold,
    HelloSeen,
    MemberChange,
    RepairGiven,
    RepairWanted,
    SnapshotGiven,
    SnapshotWanted,
)
from node.core.dot import Dot
from node.core.hybrid_clock import COUNTER_MAX, PHYSICAL_MS_MAX, HybridTimestamp
from node.core.vector_clock import SequenceRange, VectorClock
from node.core.versions import Version
from node.operation_codec import SEQ_MAX
from node.snapshot_codec import encode_entry
from tests.support.writes import NODE1, NODE2, NODE3, put_write
from tests.unit.shell.messages import replica_ids, value_texts, writes

if TYPE_CHECKING:
    from node.core.control import ControlMessage
    from node.core.write import Write

CLOCK = VectorClock({NODE1: 3, NODE2: 1})
VERSIONS = (
    Version(Dot(NODE2, 1), VectorClock({NODE2: 1}), HybridTimestamp(1_700_000_000_001, 0), b'{"n": [1.10]}'),
    Version(Dot(NODE1, 3), VectorClock({NODE1: 3}), HybridTimestamp(1_700_000_000_000, 7), b"null"),
)

EXAMPLES: dict[str, ControlMessage] = {
    "clock": ClockTold(
        NODE2,
        "a session",
        CLOCK,
        VectorClock({NODE1: 2}),
        (MemberChange("node2", 0, True), MemberChange("node4", 1_700_000_000_000, False, "node4~dddddd")),
        "http://127.0.0.1:8002",
        1_700_000_000_000,
        VectorClock({NODE1: 3}),
    ),
    "hello seen": HelloSeen(NODE2, "a session", NODE1, 7),
    "repair wanted": RepairWanted(NODE2, "a request", NODE1, (SequenceRange(1, 1), SequenceRange(5, 9))),
    "repair given": RepairGiven(NODE2, "a request", NODE1, (put_write(NODE1, 5), put_write(NODE1, 6, "y", node3=2))),
    "snapshot wanted": SnapshotWanted(NODE2, "a request", 12),
    "snapshot given": SnapshotGiven(
        NODE2,
        "a request",
        12,
        CLOCK,
        HybridTimestamp(1_700_000_000_001, 3),
        (("x", VERSIONS), ("é", VERSIONS[:1])),
        True,
    ),
}


def without_encoding(message: ControlMessage) -> ControlMessage:
    """The message as its maker had it: its writes do not carry what they look like encoded."""
    if isinstance(message, RepairGiven):
        return message._replace(writes=tuple(write._replace(encoded=b"") for write in message.writes))
    return message


def body_of(message: ControlMessage) -> bytes:
    """A message as it travels."""
    if isinstance(message, RepairGiven):
        wanted = RepairWanted("", message.request, message.origin, ())
        return encode_repair(message.sender, wanted, [encode_write(write) for write in message.writes])
    if isinstance(message, SnapshotGiven):
        return encode_snapshot_part(
            message.sender,
            SnapshotWanted(NODE3, message.request, message.part),
            message.clock,
            message.timestamp,
            [encode_entry(key, versions) for key, versions in message.entries],
            is_last=message.is_last,
        )
    return encode_control(message)


# ------------------------------------------------------------------------------------- strategies

names = st.text(min_size=1, max_size=NAME_MAX_CHARACTERS)
node_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
counts = st.integers(0, SEQ_MAX)
clocks = st.dictionaries(replica_ids, st.integers(1, SEQ_MAX), max_size=6).map(VectorClock)
milliseconds = st.integers(0, PHYSICAL_MS_MAX)
timestamps = st.builds(HybridTimestamp, milliseconds, st.integers(0, COUNTER_MAX))
ranges = st.tuples(st.integers(1, SEQ_MAX), st.integers(1, SEQ_MAX)).map(lambda pair: SequenceRange(*sorted(pair)))
changes = st.builds(MemberChange, node_ids, milliseconds, st.booleans(), st.just("") | replica_ids)
versions = st.builds(Version, st.builds(Dot, replica_ids, st.integers(1, SEQ_MAX)), clocks, timestamps, value_texts)
entries = st.tuples(st.text(min_size=1), st.lists(versions, max_size=3).map(tuple))


@st.composite
def repairs(draw: st.DrawFn) -> RepairGiven:
    """Writes of one origin."""
    origin = draw(replica_ids)
    made: list[Write] = draw(st.lists(writes(origin), min_size=1, max_size=4))
    return RepairGiven(draw(replica_ids), draw(names), origin, tuple(made))


control_messages = cast(
    "st.SearchStrategy[ControlMessage]",
    st.one_of(
        st.builds(
            ClockTold,
            replica_ids,
            names,
            clocks,
            clocks,
            st.lists(changes, max_size=4).map(tuple),
            st.text(max_size=100),
            milliseconds,
            st.none() | clocks,
        ),
        st.builds(HelloSeen, replica_ids, names, replica_ids, counts),
        st.builds(
            RepairWanted, replica_ids, names, replica_ids, st.lists(ranges, min_size=1, max_size=RANGES_MAX).map(tuple)
        ),
        repairs(),
        st.builds(SnapshotWanted, replica_ids, names, counts),
        st.builds(
            SnapshotGiven,
            replica_ids,
            names,
            counts,
            clocks,
            timestamps,
            st.lists(entries, max_size=3).map(tuple),
            st.booleans(),
        ),
    ),
)

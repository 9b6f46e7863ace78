"""Message bodies for tests: a valid one to change, and strategies for writes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from node.codec import REQUEST_ID_MAX_CHARACTERS
from node.core.dot import Dot
from node.core.hybrid_clock import PHYSICAL_MS_MAX, HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.write import AddMembers, Delete, Expire, Increment, Put, RemoveMembers, Write
from node.operation_codec import INCREMENT_MAX, KEY_MAX_BYTES, MEMBER_MAX_BYTES, SEQ_MAX, TTL_MAX_MS, canonical

SENDER = "node2~bbbbbb"


def valid_write(seq: int = 1) -> dict[str, Any]:
    """A write of SENDER as it stands in a message."""
    return {
        "replica": SENDER,
        "seq": seq,
        "vector_clock": {"node1~aaaaaa": 3, SENDER: seq},
        "timestamp": [1_700_000_000_000, 2],
        "ops": [{"op": "put", "key": "x", "value": {"n": [1, "é"]}}, {"op": "delete", "key": "y"}],
    }


def valid_message(*writes: dict[str, Any]) -> dict[str, Any]:
    """A message with these writes, or with one valid write."""
    return {"format": 1, "sender": SENDER, "writes": list(writes) or [valid_write()]}


def body_of(message: Any) -> bytes:
    """A message as it travels."""
    return json.dumps(message).encode()


# ------------------------------------------------------------------------------------- strategies

replica_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}~[a-z0-9]{4,16}", fullmatch=True)
keys = st.text(min_size=1, max_size=KEY_MAX_BYTES).filter(lambda key: len(key.encode()) <= KEY_MAX_BYTES)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
value_texts = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    json_values,
    st.booleans(),
    st.sampled_from([None, 1]),
)
dots = st.builds(Dot, replica_ids, st.integers(1, SEQ_MAX))
set_members = st.lists(
    json_values.map(lambda value: canonical(json.dumps(value).encode())).filter(
        lambda member: len(member.encode()) <= MEMBER_MAX_BYTES
    ),
    min_size=1,
    max_size=4,
).map(tuple)
operations = st.one_of(
    st.builds(Put, keys, value_texts, st.integers(0, TTL_MAX_MS)),
    st.builds(Delete, keys),
    st.builds(Expire, keys, dots),
    st.builds(Increment, keys, st.integers(-INCREMENT_MAX, INCREMENT_MAX)),
    st.builds(AddMembers, keys, set_members),
    st.builds(RemoveMembers, keys, set_members),
)


@st.composite
def writes(draw: st.DrawFn, replica: str | None = None) -> Write:
    """Any write that a node may make."""
    name = draw(replica_ids) if replica is None else replica
    seq = draw(st.integers(1, SEQ_MAX))
    others = draw(st.dictionaries(replica_ids, st.integers(1, SEQ_MAX), max_size=8))
    timestamp = HybridTimestamp(draw(st.integers(0, PHYSICAL_MS_MAX)), draw(st.integers(0, SEQ_MAX)))
    ops = draw(st.lists(operations, min_size=1, max_size=5))
    request_id = draw(st.text(max_size=REQUEST_ID_MAX_CHARACTERS))
    return Write(Dot(name, seq), VectorClock({**others, name: seq}), timestamp, tuple(ops), request_id)

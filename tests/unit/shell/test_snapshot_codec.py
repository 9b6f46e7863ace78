"""The content of snapshots: every place comes back as it was, and what no write can make is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.dot import Dot
from node.core.hybrid_clock import COUNTER_MAX, PHYSICAL_MS_MAX, HybridTimestamp
from node.core.places import CounterPlace, MemberPlace
from node.core.vector_clock import VectorClock
from node.core.versions import Version
from node.errors import MessageRejectedError
from node.operation_codec import KEY_MAX_BYTES, MEMBER_MAX_BYTES, SEQ_MAX, TTL_MAX_MS
from node.snapshot_codec import decode_entries, encode_entry
from tests.unit.shell.messages import json_values, keys, replica_ids, set_members, value_texts

if TYPE_CHECKING:
    from node.core.places import Place

VERSION = ["node1~aaaaaa", 3, {"node1~aaaaaa": 3}, 1_700_000_000_000, 0, "value"]
SHARE = [*VERSION[:5], 7]


@st.composite
def versions(draw: st.DrawFn, values: st.SearchStrategy[bytes]) -> Version:
    """Any version that a node may hold."""
    replica, seq = draw(replica_ids), draw(st.integers(1, SEQ_MAX))
    others = draw(st.dictionaries(replica_ids, st.integers(1, SEQ_MAX), max_size=4))
    return Version(
        Dot(replica, seq),
        VectorClock({**others, replica: seq}),
        HybridTimestamp(draw(st.integers(0, PHYSICAL_MS_MAX)), draw(st.integers(0, COUNTER_MAX))),
        draw(values),
        draw(st.sampled_from([0, 1, PHYSICAL_MS_MAX + TTL_MAX_MS]) | st.integers(0, PHYSICAL_MS_MAX)),
    )


shares = st.integers().filter(lambda number: len(str(abs(number))) <= 40).map(lambda number: b"%d" % number)
counters = st.tuples(st.builds(CounterPlace, keys), st.lists(versions(shares), min_size=1, max_size=3).map(tuple))
registers = st.tuples(keys, st.lists(versions(value_texts), min_size=1, max_size=3).map(tuple))
member_places = st.builds(lambda key, members: MemberPlace(key, members[0]), keys, set_members)
of_sets = st.tuples(member_places, st.lists(versions(st.just(b"null")), min_size=1, max_size=3).map(tuple))


@given(st.lists(st.one_of(registers, counters, of_sets), max_size=4))
def test_every_place_comes_back_as_it_was(entries: list[tuple[Place, tuple[Version, ...]]]) -> None:
    """Its type, its name, and all of its versions with their times; values keep their bytes."""
    content = b"[" + b",".join(encode_entry(place, siblings) for place, siblings in entries) + b"]"
    decoded = decode_entries(content, VectorClock)
    assert list(decoded) == entries
    assert [type(place) for place, _ in decoded] == [type(place) for place, _ in entries]


def test_registers_for_good_look_as_they_did_before_there_were_other_places() -> None:
    """A node of an earlier version reads them, and this one reads its."""
    encoded = encode_entry("x", (Version(Dot("a~aaaa", 1), VectorClock({"a~aaaa": 1}), HybridTimestamp(2, 3), b'"v"'),))
    assert json.loads(encoded) == ["x", [["a~aaaa", 1, {"a~aaaa": 1}, 2, 3, "v"]]]


def _refusal(*entries: Any) -> str:
    with pytest.raises(MessageRejectedError) as error:
        decode_entries(json.dumps(entries).encode(), VectorClock)
    text = str(error.value)
    assert len(text) < 1_000
    return text


@pytest.mark.parametrize(
    "place",
    [
        "",
        "é" * (KEY_MAX_BYTES // 2 + 1),
        [],
        ["counter"],
        ["counter", ""],
        ["counter", "k" * (KEY_MAX_BYTES + 1)],
        ["counter", "x", "y"],
        ["member", "x"],
        ["member", "", "1"],
        ["member", "é" * KEY_MAX_BYTES, "1"],
        ["member", "x", "1", "2"],
        ["member", "x", ""],
        ["member", "x", "nul"],
        ["member", "x", " 1"],
        ["member", "x", '{"b":1,"a":2}'],
        ["member", "x", "1e2"],
        ["member", "x", '"' + "m" * MEMBER_MAX_BYTES + '"'],
        ["member", "x", '"' + "é" * (MEMBER_MAX_BYTES // 2) + '"'],
        ["member", "x", "[" * 1000 + "]" * 1000],
        ["member", "x", "[" * 100_000],
        ["register", "x"],
        ["", "x"],
        [1, "x"],
        None,
        7,
        {"counter": "x"},
    ],
    ids=lambda place: str(place)[:40],
)
def test_a_place_that_no_write_can_name_is_refused(place: Any) -> None:
    """Its record could not be told from others, would not be found again, or would be larger than any client's."""
    _refusal([place, [[*VERSION[:5], None]]])


@pytest.mark.parametrize("value", [1.5, "7", None, [], True, 10**41, {"a": 1}])
def test_a_share_that_is_no_whole_number_is_refused(value: Any) -> None:
    """A counter that cannot be added up could not be read by anybody."""
    assert "share" in _refusal([["counter", "x"], [SHARE, [*VERSION[:5], value]]])


@pytest.mark.parametrize(
    "expires_ms", [-1, PHYSICAL_MS_MAX + TTL_MAX_MS + 1, 10**40, 1.5, "1", None], ids=lambda value: str(value)[:20]
)
def test_a_time_that_no_put_can_have_is_refused(expires_ms: Any) -> None:
    """It would not fit where times are kept."""
    _refusal(["x", [[*VERSION, expires_ms]]])


@given(json_values)
def test_entries_of_any_shape_are_refused_or_taken_and_nothing_else(value: Any) -> None:
    """Types, sizes and shapes of all kinds."""
    for entries in (
        value,
        [value],
        [[value, [VERSION]]],
        [["x", value]],
        [["x", [value]]],
        [[["member", "x", value], []]],
    ):
        try:
            decode_entries(json.dumps(entries).encode(), VectorClock)
        except MessageRejectedError:
            continue


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(content: bytes) -> None:
    """They are no list of entries, but for the empty one."""
    if content.strip() == b"[]":
        return
    with pytest.raises(MessageRejectedError):
        decode_entries(content, VectorClock)

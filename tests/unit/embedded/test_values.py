"""Python objects as JSON texts and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.dot import Dot
from node.core.hybrid_clock import HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.versions import Version
from node.embedded import values
from node.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_what_json_can_carry_comes_back_equal(value: object) -> None:
    """Every number, every text."""
    assert values.object_of(bytes(values.text_of(value))) == value


@given(st.sampled_from([math.nan, math.inf, -math.inf, b"bytes", {1, 2}, object(), "\udfff", 1j]), st.booleans())
def test_what_json_cannot_carry_is_refused(value: object, is_inside: bool) -> None:  # noqa: FBT001  # Hypothesis gives it
    """At any depth, in a line that shows it."""
    with pytest.raises(InvalidRequestError, match="is no JSON value"):
        values.text_of([{"a": value}] if is_inside else value)


def test_a_value_that_contains_itself_is_refused() -> None:
    """It has no end."""
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(InvalidRequestError, match="is no JSON value"):
        values.text_of(endless)


def test_equal_concurrent_values_are_shown_once() -> None:
    """However they were written; the winner's place and clock count."""
    texts = {"n1~aaaa": b"1", "n2~aaaa": b'{"b":1,"a":2}', "n3~aaaa": b'{"a":2, "b":1}'}
    versions = tuple(
        Version(Dot(replica, 1), VectorClock({replica: 1}), HybridTimestamp(1, 0), text, expires_ms=1500)
        for replica, text in texts.items()
    )
    shown = values.shown_versions(versions, lambda clock: [clock[replica] for replica in texts], 1000)
    assert [(each.value, each.node, each.vc) for each in shown] == [
        (1, "n1", [1, 0, 0]),
        ({"a": 2, "b": 1}, "n2", [0, 1, 0]),
    ]
    assert {each.ttl_seconds for each in shown} == {0.5}


def test_members_are_a_list_and_not_a_text() -> None:
    """A text would be taken apart into its characters."""
    assert values.addition("s", (1, "a", 1)).members == ("1", '"a"')
    wrongs: list[Iterable[object]] = ["abc", b"abc", {"a": 1}, []]
    for wrong in wrongs:
        with pytest.raises(InvalidRequestError, match="use"):
            values.addition("s", wrong)


def test_a_time_to_live_is_at_least_a_millisecond() -> None:
    """0 would mean for ever."""
    assert values.put("x", 1, 1e-9, 100).ttl_ms == 1
    assert values.put("x", 1, None, 100).ttl_ms == 0

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.vector_clock import VectorClock
from node.errors import InvalidRequestError
from node.http.causal_context import (
    COUNT_MAX,
    ENTRIES_MAX,
    WAIT_DEFAULT_SECONDS,
    context_of,
    format_context,
    parse_context,
    parse_wait,
)

replica_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}~[a-z0-9]{4,16}", fullmatch=True)
clocks = st.dictionaries(replica_ids, st.integers(1, COUNT_MAX), max_size=20).map(VectorClock)


@given(clocks)
def test_a_token_gives_back_the_clock_that_it_was_made_from(clock: VectorClock) -> None:
    """Law: parse(format(clock)) is the clock, the empty one included."""
    assert parse_context(format_context(clock)) == clock


@given(clocks)
def test_the_order_of_entries_means_nothing(clock: VectorClock) -> None:
    """Law: a token with its entries in another order is the same token."""
    backwards = ",".join(reversed(format_context(clock).split(",")))
    assert format_context(parse_context(backwards)) == format_context(clock)


def test_blanks_around_entries_are_those_of_a_joined_header() -> None:
    """A header sent twice arrives joined with a comma and a blank."""
    assert parse_context(" n1~abcd=1, \tn2~abcd=2 ") == VectorClock({"n1~abcd": 1, "n2~abcd": 2})


@pytest.mark.parametrize("text", ["", " ", "\t "])
def test_a_blank_token_is_the_empty_context(text: str) -> None:
    """Nothing seen is a token, too."""
    assert parse_context(text) == VectorClock()


@pytest.mark.parametrize(
    "text",
    [
        "n1~abcd",
        "n1~abcd=",
        "n1~abcd=0",
        "n1~abcd=-1",
        "n1~abcd=+1",
        "n1~abcd=01",
        "n1~abcd=1.0",
        "n1~abcd=1e3",
        "n1~abcd=\uff11",
        "n1~abcd=1,",
        ",n1~abcd=1",
        "n1~abcd=1,,n2~abcd=1",
        "n1~abcd=1;n2~abcd=1",
        "n1=1",
        "n1~AB12=1",
        "n1~abc=1",
        "n 1~abcd=1",
        "n1~abcd=1\x00",
        "n1~abcd=1\n",
        f"{'n' * 65}~abcd=1",
        "[1,0,0]",
        '{"n1~abcd":1}',
        "n1~abcd=9223372036854775808",
        "n1~abcd=99999999999999999999",
        "n1~abcd=1,n1~abcd=1",
        "n1~abcd=1,n1~abcd=2",
    ],
)
def test_a_malformed_token_is_refused_with_what_would_be_right(text: str) -> None:
    """Strict: nothing is guessed, dropped or clamped."""
    with pytest.raises(InvalidRequestError, match=r"X-Causal-Context: .*such as node1~t5k2m1=3"):
        parse_context(text)


def test_the_number_of_entries_has_a_limit() -> None:
    """As many entries as the limit are read; one more is refused, also when it is refused before it is read."""
    entries = [f"n{n}~abcd=1" for n in range(ENTRIES_MAX + 1)]
    assert len(parse_context(",".join(entries[:-1]))) == ENTRIES_MAX
    with pytest.raises(InvalidRequestError, match="more than 1024 entries"):
        parse_context(",".join(entries))


def test_an_error_shows_no_more_than_the_start_of_a_token() -> None:
    """What a client sends does not come back at any length."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_context("x" * 100_000)
    assert len(str(caught.value)) < 400


def test_an_answer_that_goes_out_anyway_takes_a_malformed_token_for_empty() -> None:
    """404 and the like do not turn into 400."""
    assert context_of({"H": "nonsense"}, "H") == VectorClock()
    assert context_of({}, "H") == VectorClock()
    assert context_of({"H": "n1~abcd=1"}, "H") == VectorClock({"n1~abcd": 1})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("5", 5), ("2.5", 2.5), (".5", 0.5), ("60", 60), ("0.000", 0), ("1e1", 10), ("1E-07", 1e-7)],
)
def test_a_wait_is_a_decimal_number_of_seconds(text: str, seconds: float) -> None:
    """From 0, which does not wait, to 60."""
    assert parse_wait(text) == seconds


def test_a_request_waits_five_seconds_unless_it_says_otherwise() -> None:
    """The contract's default."""
    assert parse_wait(None) == WAIT_DEFAULT_SECONDS == 5


@pytest.mark.parametrize(
    "text",
    ["", " ", "-1", "60.001", "61", "nan", "inf", "1e", "1e99", "1_0", "0x1", "5s", "\uff11", "1,5", "9" * 400, "5, 5"],
)
def test_a_malformed_wait_is_refused_with_its_bounds(text: str) -> None:
    """A wait beyond the bound is refused, not shortened behind the client's back."""
    with pytest.raises(InvalidRequestError, match=r"X-Causal-Wait: .* is not a number of seconds from 0 to 60"):
        parse_wait(text)

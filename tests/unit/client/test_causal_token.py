from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.causal_token import COUNT_MAX, CausalToken
from client.errors import InvalidTokenError

replicas = st.builds(lambda node, life: f"{node}~{life}", st.sampled_from(["node1", "node2", "node10", "a_b-C"]),
                     st.sampled_from(["t5k2m1", "abcd"]))  # fmt: skip
tokens = st.dictionaries(replicas, st.integers(0, COUNT_MAX)).map(CausalToken)


@given(tokens, tokens)
def test_merging_is_commutative(a: CausalToken, b: CausalToken) -> None:
    """The order in which two answers arrive makes no difference."""
    assert a | b == b | a


@given(tokens, tokens, tokens)
def test_merging_is_associative(a: CausalToken, b: CausalToken, c: CausalToken) -> None:
    """It makes no difference which answers are merged first."""
    assert (a | b) | c == a | (b | c)


@given(tokens)
def test_merging_is_idempotent(a: CausalToken) -> None:
    """The same answer twice teaches nothing new."""
    assert a | a == a


@given(tokens, tokens)
def test_merging_never_moves_back(a: CausalToken, b: CausalToken) -> None:
    """A merged token covers both of its parts."""
    assert a <= a | b
    assert b <= a | b


@given(tokens, tokens, tokens)
def test_a_merged_token_is_the_least_that_covers_both(a: CausalToken, b: CausalToken, c: CausalToken) -> None:
    """Nothing is waited for that neither part has seen."""
    if a <= c and b <= c:
        assert a | b <= c


@given(tokens)
def test_what_is_written_is_read_back(a: CausalToken) -> None:
    """Text form and token say the same."""
    assert CausalToken.parse(str(a)) == a


@given(tokens)
def test_equal_tokens_have_equal_hashes(a: CausalToken) -> None:
    """A token can be a key, however it was made."""
    assert hash(CausalToken(dict(reversed(list(a.counts.items()))))) == hash(a)


def test_the_text_form_is_the_one_that_nodes_use_in_natural_order() -> None:
    """Replicas are written node2 before node10, and zeros not at all."""
    token = CausalToken({"node10~t5k2m1": 1, "node2~t5k2m1": 3, "node3~t5k2m1": 0})
    assert str(token) == "node2~t5k2m1=3,node10~t5k2m1=1"


def test_nothing_seen_is_the_empty_text_and_false() -> None:
    """A session that has seen nothing sends no header."""
    assert str(CausalToken()) == ""
    assert not CausalToken()
    assert CausalToken.parse("  ") == CausalToken()


@pytest.mark.parametrize(
    "text",
    ["node1", "node1~abcd", "node1~abcd=", "node1~abcd=x", "node1~abcd=-1", "node1~abcd=1.0", "node1=1", "=1", "~=1",
     "node1~abcd=1,", ",", "node1~abcd=1;node2~abcd=1", "node1~abcd=1,node1~abcd=2", "nöde~abcd=1",
     f"node1~abcd={COUNT_MAX + 1}", "node1~abcd=" + "9" * 50, "node1~abcd=٣", "n~a=1," * 20_000],
)  # fmt: skip
def test_a_malformed_token_is_refused(text: str) -> None:
    """Nothing is guessed from a text that is not a token."""
    with pytest.raises(InvalidTokenError):
        CausalToken.parse(text)


@given(st.text())
def test_any_text_is_a_token_or_refused(text: str) -> None:
    """No text makes parsing fail in any other way."""
    try:
        token = CausalToken.parse(text)
    except InvalidTokenError:
        return
    assert CausalToken.parse(str(token)) == token

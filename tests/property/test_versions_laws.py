from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.core.versions import Versions, after_delete, after_put
from node.core.write import Put
from tests.support.strategies import KEYS, History, causal_orders, histories


def _siblings(history: History, order: list[int], key: str) -> Versions:
    siblings: Versions = ()
    for write in (history.writes[index] for index in order):
        for operation in write.operations:
            if operation.key == key:
                if isinstance(operation, Put):
                    siblings = after_put(siblings, write, operation)
                else:
                    siblings = after_delete(siblings, write)
    return siblings


@given(histories(), st.sampled_from(KEYS))
def test_siblings_are_exactly_the_maximal_versions(history: History, key: str) -> None:
    """Nothing that was seen by a later write of the key, and everything else."""
    siblings = _siblings(history, list(range(len(history.writes))), key)
    assert {version.dot for version in siblings} == {history.writes[index].dot for index in history.maximal_puts(key)}


@given(histories(), st.sampled_from(KEYS), st.data())
def test_the_order_of_concurrent_writes_does_not_matter(history: History, key: str, data: st.DataObject) -> None:
    """Any two orders that respect causality give the same siblings, in the same order, with the same values."""
    one, other = data.draw(causal_orders(history)), data.draw(causal_orders(history))
    assert _siblings(history, one, key) == _siblings(history, other, key)


@given(histories(), st.sampled_from(KEYS))
def test_there_is_at_most_one_sibling_of_a_replica(history: History, key: str) -> None:
    """A replica's later write has seen its earlier one: siblings are bounded by the number of replicas."""
    authors = [version.dot.replica for version in _siblings(history, list(range(len(history.writes))), key)]
    assert len(authors) == len(set(authors))


@given(histories(), st.sampled_from(KEYS))
def test_no_sibling_has_seen_another(history: History, key: str) -> None:
    """Siblings are concurrent, pair by pair."""
    siblings = _siblings(history, list(range(len(history.writes))), key)
    assert all(a.clock.concurrent_with(b.clock) for a in siblings for b in siblings if a.dot != b.dot)


@given(histories(), st.sampled_from(KEYS))
def test_the_winner_has_the_greatest_rank_and_nothing_happened_after_it(history: History, key: str) -> None:
    """(timestamp, replica id) decides among siblings, and never against causality."""
    siblings = _siblings(history, list(range(len(history.writes))), key)
    ranks = [(version.timestamp, version.dot.replica) for version in siblings]
    assert ranks == sorted(ranks, reverse=True)
    for winner in siblings[:1]:
        touching = [index for index, write in enumerate(history.writes) if key in write.keys]
        assert not any(history.writes[cause].dot == winner.dot for index in touching for cause in history.past[index])

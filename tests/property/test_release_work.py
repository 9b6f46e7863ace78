"""Releasing held writes costs work linear in their number, in the worst orders too: counted, not timed."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from node.core import causal_buffer
from node.core.dependency_index import first_missing
from node.core.dot import Dot
from node.core.events import Received
from node.core.hybrid_clock import HybridTimestamp
from node.core.replica import ReplicaLimits
from node.core.vector_clock import VectorClock
from node.core.write import Write
from tests.unit.core.builders import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WRITES = 10_000
CHAIN_REPLICAS = 5


def _write(replica: str, seq: int, causes: dict[str, int]) -> Write:
    return Write(Dot(replica, seq), VectorClock({**causes, replica: seq}), HybridTimestamp(seq, 0), ())


def _reversed_line() -> list[Write]:
    """One replica's writes, the last one first."""
    return [_write("a", seq, {}) for seq in range(WRITES, 0, -1)]


def _all_wait_for_one_dot() -> list[Write]:
    """As many replicas as writes; each has seen one and the same write, which comes last."""
    return [*(_write(f"b{number}", 1, {"a": 1}) for number in range(WRITES - 1)), _write("a", 1, {})]


def _chain() -> list[Write]:
    """Replicas in turn, each write after all the ones before it."""
    counts: dict[str, int] = {}
    writes = []
    for number in range(WRITES):
        replica = f"a{number % CHAIN_REPLICAS}"
        counts[replica] = counts.get(replica, 0) + 1
        writes.append(_write(replica, counts[replica], dict(counts)))
    return writes


def _reversed_chain() -> list[Write]:
    """The chain backwards."""
    return _chain()[::-1]


def _shuffled_chain() -> list[Write]:
    """The chain in no order, its beginning last."""
    first, *rest = _chain()
    random.Random(7).shuffle(rest)
    return [*rest, first]


@pytest.mark.parametrize("order", [_reversed_line, _all_wait_for_one_dot, _reversed_chain, _shuffled_chain])
def test_a_held_write_is_looked_at_once_for_each_entry_of_its_clock_at_most(
    order: Callable[[], list[Write]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many others are held: nothing ever goes through the whole buffer."""
    looks: Counter[Dot] = Counter()

    def counting(dot: Dot, clock: VectorClock, applied: Mapping[str, int]) -> Dot | None:
        looks[dot] += 1
        return first_missing(dot, clock, applied)

    def scanning(buffer: causal_buffer.CausalBuffer) -> None:
        pytest.fail(f"something went through all of {len(buffer)} held writes")

    *early, last = writes = order()
    bench = Bench("observer", ReplicaLimits(clock_max_entries=2 * WRITES))
    bench.step(Received("early", early, 0))
    assert len(bench.replica.held) == WRITES - 1
    held = {write.dot: write for write in early}

    monkeypatch.setattr(causal_buffer, "first_missing", counting)
    monkeypatch.setattr(causal_buffer.CausalBuffer, "__iter__", scanning)
    bench.step(Received("last", [last], 0))

    assert len(bench.disk.kept) == len(writes)
    assert len(bench.replica.held) == 0
    assert looks.keys() == held.keys()
    assert all(count <= len(held[dot].clock) for dot, count in looks.items())

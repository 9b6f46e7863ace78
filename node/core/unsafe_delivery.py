"""Delivery with the causal part switched off, so that people and tests can see whether that is noticed.

Never for data that anybody wants to keep: an effect is shown before its cause, and where an overwritten value comes
after the one that replaced it, both stay, at this node alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.causal_buffer import CausalBuffer
from node.core.delivery import CausalDelivery
from node.core.dot import Dot
from node.core.sequencer import Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.core.causal_buffer import HeldWrite
    from node.core.vector_clock import VectorClock


def predecessor_missing(dot: Dot, applied: Mapping[str, int]) -> Dot | None:
    """The write before this one of the same replica, while it is not applied; what else happened before is ignored."""
    return Dot(dot.replica, dot.seq - 1) if standing_of(dot, applied) is Standing.AFTER_A_GAP else None


class _FifoBuffer(CausalBuffer):
    """Holds writes for their predecessors alone."""

    def _missing(self, held: HeldWrite, applied: Mapping[str, int]) -> Dot | None:
        return predecessor_missing(held.dot, applied)


class FifoDelivery(CausalDelivery):
    """Applies writes as they arrive, in the order of each replica.

    That order is kept because a clock counts the writes of a replica from the first one on: so clocks, history,
    repair and the store stay sound, and a node can go back to causal delivery.
    """

    _new_buffer = _FifoBuffer

    def _missing(self, dot: Dot, clock: VectorClock) -> Dot | None:
        del clock
        return predecessor_missing(dot, self.applied)

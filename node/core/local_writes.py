"""Writes that begin at this replica: what a client asks for, and the expiries that are this replica's to issue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.dot import Dot
from node.core.effects import Accepted, Postponed, RefusalReason, RefusedWrite, Repeated
from node.core.expiry import Expiry, ExpiryLimits
from node.core.hybrid_clock import ZERO, next_local
from node.core.requests import RequestLimits, RequestMemory
from node.core.write import Write, fingerprint

if TYPE_CHECKING:
    from node.core.effects import Effect
    from node.core.events import LocalWrite, Tick
    from node.core.replica import Replica
    from node.core.state import ReplicaState
    from node.core.write import Operation


class LocalWriteLimits(NamedTuple):
    """Bounds on what may be written here and what is remembered of it."""

    outbox_max_writes: int = 1_000_000
    requests: RequestLimits = RequestLimits()
    expiry: ExpiryLimits = ExpiryLimits()


class LocalWrites:
    """The part of a replica that makes writes."""

    def __init__(self, replica: Replica, requests_since_ms: int, limits: LocalWriteLimits) -> None:
        self._replica = replica
        self._limits = limits
        self._requests = RequestMemory(requests_since_ms, limits.requests)
        self._expiry = Expiry(replica, self, limits.expiry)

    def take(self, event: LocalWrite, state: ReplicaState) -> list[Effect]:
        """A client wants to write."""
        refusal = self._why_not(event, state)
        if refusal is not None:
            return [refusal]
        effects: list[Effect] = []
        self.make(event.operations, event.wall_ms, state, effects, event)
        return effects

    def _why_not(self, event: LocalWrite, state: ReplicaState) -> RefusedWrite | Repeated | Postponed | None:
        """What is to be said instead of making the write, if anything."""
        request = event.request
        if event.context and (missing := self._replica.clock.missing(event.context)):
            return RefusedWrite(request, RefusalReason.CONTEXT_NOT_REACHED, missing)
        if event.request_id and (remembered := self._why_not_anew(event, state)):
            return remembered
        if event.condition is not None:
            current = state.versions(event.condition.key)
            if not event.condition.is_met(current):
                return RefusedWrite(request, RefusalReason.CONDITION_NOT_MET, {}, current)
        if self._has_full_outbox:
            return RefusedWrite(request, RefusalReason.OUTBOX_FULL, {})
        return None if self._is_named() else Postponed(event)

    def _why_not_anew(self, event: LocalWrite, state: ReplicaState) -> RefusedWrite | Repeated | None:
        """What to say to a request that came before, or that could not be remembered."""
        known = state.request(event.request_id)
        if known is None:
            is_full = self._requests.is_full(state)
            return RefusedWrite(event.request, RefusalReason.REQUESTS_FULL, {}) if is_full else None
        if known.fingerprint != fingerprint(event.operations):
            return RefusedWrite(event.request, RefusalReason.REQUEST_ID_REUSED, {})
        return Repeated(event.request, Write(known.dot, known.clock, ZERO, event.operations, event.request_id))

    @property
    def _has_full_outbox(self) -> bool:
        return self._replica.outbox_writes >= self._limits.outbox_max_writes

    def can_make(self) -> bool:
        """Whether a write can be made now."""
        return self._is_named() and not self._has_full_outbox

    def _is_named(self) -> bool:
        """Whether the replica may use its name; when that is in question, it is settled soon."""
        identity = self._replica.anti_entropy.naming.identity
        if not identity.is_sure:
            identity.writes_wait = True
        return identity.is_sure

    def make(
        self,
        operations: tuple[Operation, ...],
        wall_ms: int,
        state: ReplicaState,
        effects: list[Effect],
        event: LocalWrite | None = None,
    ) -> None:
        """Make a write, for a client's ``event`` or (None) of this replica's own; ``can_make`` said that it can be."""
        delivery = self._replica.delivery
        clock = delivery.clock
        dot = Dot(self._replica.replica, clock[self._replica.replica] + 1)
        timestamp = next_local(delivery.timestamp, wall_ms)
        request, request_id = (None, "") if event is None else (event.request, event.request_id)
        write = Write(dot, clock.advanced_to(dot), timestamp, operations, request_id)
        effects.append(Accepted(request, write))
        delivery.apply_own(write, state, effects)

    def tick(self, event: Tick, state: ReplicaState) -> list[Effect]:
        """Time has passed: forget requests, end the time of versions."""
        self._requests.pursue(event.wall_ms, state)
        return self._expiry.pursue(event.steady_ms, event.wall_ms, state)

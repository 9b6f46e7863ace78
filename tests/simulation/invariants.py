"""What a run is judged by; docs/guarantees.md says the same to those who use a cluster."""

from __future__ import annotations

import enum


class Invariant(enum.StrEnum):
    """What a violation is a violation of."""

    CAUSAL_ORDER = "I1 causal order"
    CONVERGENCE = "I2 convergence"
    NOTHING_LOST = "I3 no acknowledged write is lost"
    EXACTLY_ONCE = "I4 exactly once"
    NO_STALL = "I6 no silent stall"
    IDENTITY = "I7 identity is never reused"
    BOUNDED_HISTORY = "I8 history levels off"
    PUBLISHED = "every write is published, until the transport confirms it"
    TRIMMED_TOO_EARLY = "only what every member has is forgotten"
    MEMBERSHIP = "all agree who is a member"
    ACK_ALL = "ack=all means that every member has it, and comes soon"
    CONDITIONS = "a precondition is judged against what its node has applied, by nobody else"
    EXPIRY = "versions end by a write, not before their time, and in the end"
    EXACT_CLOCKS = "clocks name exactly the writes that happened before"
    TIMESTAMPS = "timestamps grow along happened-before"
    ANNOUNCED = "effects tell what happened"
    NO_EXCEPTION = "the core raises nothing"


class ViolationError(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: Invariant, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant

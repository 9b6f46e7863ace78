"""What schedules came across: a simulator that never meets a fault proves nothing about it."""

from __future__ import annotations

import enum
from collections import Counter


class Seen(enum.StrEnum):
    """Situations that are counted; the tests demand that a run of many seeds meets every one of them."""

    # The network.
    REORDERED = "a message overtook an earlier one of the same sender"
    DUPLICATED = "the network doubled a message"
    REDELIVERED = "a delivery that was not acknowledged came again"
    COPY_LOST = "an unconfirmed message reached some queues or none before its connection died"
    CONFIRM_LOST = "a message was in all queues, but its sender never heard so"
    PUBLISH_REFUSED = "the broker refused a message"
    REPUBLISHED = "a write was published again"
    PREFETCH_FULL = "a message waited behind the prefetch limit"
    # The replica.
    HELD = "a write was held back"
    RELEASED = "a held write was released"
    DUPLICATE_DROPPED = "a write arrived again and was dropped"
    OWN_ECHO = "an own write came back"
    HELD_OVER_RESTART = "a write was still held after a restart"
    CONFLICT = "a key had siblings"
    SURVIVED_A_DELETE = "a put concurrent with a delete survived it"
    CONTEXT_NOT_REACHED = "a write was refused because its client had seen more"
    OUTBOX_FULL = "a write was refused because the outbox was full"
    PACKED = "several writes travelled as one message"
    # Crashes, by the window that they fell into.
    CRASH_BEFORE_COMMIT = "crash before the commit"
    CRASH_AFTER_COMMIT = "crash after the commit, before any effect"
    CRASH_BEFORE_ANSWER = "crash between commit and the client's answer"
    CRASH_BEFORE_PUBLISH = "crash between commit and publish"
    CRASH_BEFORE_CONFIRM = "crash between publish and confirm"
    CRASH_BEFORE_ACK = "crash between commit and acknowledgement"
    CRASH_BETWEEN_EFFECTS = "crash between two other effects"
    CRASH_IDLE = "crash between two transactions"
    COMMIT_FAILED = "a commit failed"
    # Clients.
    CLIENT_MOVED = "a client went to another node with its token"
    ANSWER_LOST = "a client never learned what became of its write"
    UNANSWERED_WRITE_KEPT = "a write whose client got no answer was durable all the same"
    READ_NOT_REACHED = "a read was refused because its client had seen more"


Coverage = Counter[Seen]

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
    NO_QUEUE = "a message came for a queue that did not exist"
    QUEUE_FULL = "a full queue dropped its oldest message"
    PURGED = "a queue was purged"
    MESSAGE_LOST = "a message vanished from a queue"
    QUEUE_DELETED = "a queue was deleted with what it held"
    PARTITIONED = "a node was kept from the broker, in some direction"
    CONTROL_LOST = "a control message was lost"
    FORGED = "a stranger sent what nobody had asked for"
    # The replica.
    HELD = "a write was held back"
    SHELVED = "more writes were held than memory takes"
    RELEASED = "a held write was released"
    DUPLICATE_DROPPED = "a write arrived again and was dropped"
    OWN_ECHO = "an own write came back"
    HELD_OVER_RESTART = "a write was still held after a restart"
    CONFLICT = "a key had siblings"
    SURVIVED_A_DELETE = "a put concurrent with a delete survived it"
    CONTEXT_NOT_REACHED = "a write was refused because its client had seen more"
    OUTBOX_FULL = "a write was refused because the outbox was full"
    PACKED = "several writes travelled as one message"
    POSTPONED = "a write waited for the question whether its replica's name is safe"
    RESUMED = "a replica learned that its name is safe, or took another one"
    INCARNATION_TAKEN = "a node went on under a new name"
    FORMER_PUBLISHED = "a former incarnation's writes were published"
    FORMER_OVER_RESTART = "a former incarnation had unpublished writes at a restart"
    REPAIR_ASKED = "a replica asked for missing writes"
    REPAIRED = "a replica got missing writes"
    DISTRUSTED = "an answer that nobody waited for (any more) was dropped"
    SNAPSHOT_BEGUN = "a replica asked for a snapshot"
    SNAPSHOT_STAGED = "a part of a snapshot came"
    SNAPSHOT_ADOPTED = "a snapshot was merged"
    SNAPSHOT_NOT_GIVEN = "a part of a snapshot was asked for that its giver had forgotten"
    GIVER_CRASHED = "a node crashed while it gave a snapshot"
    TRIMMED = "history was forgotten"
    ACK_ALL_REACHED = "a client heard that every member had its write"
    # Disks and members.
    DISK_LOST = "a disk was lost"
    DISK_RESTORED = "an old copy of a disk was put back"
    DISK_RESTORED_BEHIND = "an old copy of a disk lacked own writes"
    JOINED = "a node joined"
    REMOVED = "a node was taken out"
    FORCED_OUT = "a living node was taken out by force"
    REMOVAL_REFUSED = "a removal was refused because the node seemed alive"
    REJOINED = "a removed node came back without its disk"
    MEMBERS_CHANGED = "a node learned of a change of the members"
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

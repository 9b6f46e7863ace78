"""The bounds of the replica core, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.anti_entropy import AntiEntropyLimits
from node.core.local_writes import LocalWriteLimits
from node.core.members import MemberLimits
from node.core.repair import RepairLimits
from node.core.replica import ReplicaLimits
from node.core.requests import RequestLimits

if TYPE_CHECKING:
    from node.settings import Settings


def replica_limits(settings: Settings) -> ReplicaLimits:
    """What the operator may set, and the defaults of the rest."""
    return ReplicaLimits(
        local_writes=LocalWriteLimits(
            outbox_max_writes=settings.outbox_max_writes,
            requests=RequestLimits(generation_max=settings.requests_max_remembered),
        ),
        publish_window_messages=settings.publish_window_messages,
        pack_max_writes=settings.pack_max_writes,
        pack_max_bytes=settings.pack_max_bytes,
        held_max_writes=settings.held_max_writes,
        anti_entropy=AntiEntropyLimits(
            history_keep_writes=settings.history_keep_writes,
            history_max_writes=settings.history_max_writes,
            members=MemberLimits(away_ms=int(settings.member_away_seconds * 1000)),
            repair=RepairLimits(
                after_ms=int(settings.repair_after_seconds * 1000),
                snapshot_from_writes=settings.snapshot_from_writes,
            ),
        ),
    )

"""The limits of the replicas in one schedule: small ones, so that every limit is met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.anti_entropy import AntiEntropyLimits
from node.core.expiry import ExpiryLimits
from node.core.identity import IdentityLimits
from node.core.local_writes import LocalWriteLimits
from node.core.members import MemberLimits
from node.core.repair import RepairLimits
from node.core.replica import ReplicaLimits
from node.core.requests import RequestLimits
from node.core.snapshot import SnapshotLimits

if TYPE_CHECKING:
    from random import Random

TELL_MAX_MS = 80
ANSWER_MAX_MS = 160


def draw_limits(random: Random, luck: Random) -> ReplicaLimits:
    """Draw what bounds a replica, and how patient it is; a simulated millisecond stands for about 20 real ones."""
    return ReplicaLimits(
        local_writes=LocalWriteLimits(
            outbox_max_writes=random.choice((4, 1_000, 1_000)),
            requests=RequestLimits(
                remember_ms=luck.choice((15, 60, 1_000_000)), generation_max=luck.choice((2, 1_000, 1_000))
            ),
            expiry=ExpiryLimits(
                grace_ms=luck.choice((5, 40)),
                look_max=luck.choice((1, 2, 1_000)),
                write_max_operations=luck.choice((1, 2, 250)),
                others_ms=luck.choice((1, 30)),
            ),
        ),
        publish_window_messages=random.choice((1, 3, 64)),
        pack_max_writes=random.choice((1, 2, 500)),
        held_max_writes=random.choice((1, 4, 1_000)),
        pack_max_bytes=random.choice((16, 1 << 18)),
        anti_entropy=AntiEntropyLimits(
            tell_ms=random.choice((25, 50, TELL_MAX_MS)),
            save_members_ms=random.choice((10, 300)),
            awaiting_max=random.choice((1, 100)),
            history_keep_writes=random.choice((0, 1, 3, 10)),
            history_max_writes=random.choice((5, 20, 1_000_000)),
            identity=IdentityLimits(wait_ms=random.choice((60, 200)), repeat_ms=random.choice((20, 60))),
            members=MemberLimits(alive_ms=random.choice((100, 250)), away_ms=random.choice((120, 400, 1_000_000))),
            repair=RepairLimits(
                after_ms=random.choice((20, 50, 100, 250)),
                request_max_writes=random.choice((1, 3, 2_000)),
                answer_max_bytes=random.choice((16, 64, 1 << 19)),
                request_max_ranges=random.choice((1, 8)),
                answer_ms=random.choice((20, 40)),
                answer_max_ms=ANSWER_MAX_MS,
                snapshot_from_writes=random.choice((4, 15, 100_000)),
            ),
            snapshot=SnapshotLimits(part_ms=random.choice((30, 60)), tries=random.choice((1, 3)), pause_ms=40),
        ),
    )

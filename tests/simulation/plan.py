"""The parameters of one schedule, all drawn from its seed.

Seeds differ in kind, not only in luck: some networks are fast and orderly, some are wild; some schedules
crash often, some never; some wall clocks are an hour apart, some stand still. Everything that happens by plan (faults,
crashes, what clients do) is a list, so that a failing schedule can be made smaller by leaving parts out (``parts.py``).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.plan_actions import Action, draw_actions
from tests.simulation.plan_limits import draw_limits

if TYPE_CHECKING:
    from node.core.replica import ReplicaLimits

NODES_MAX = 7
HOUR_MS = 3_600_000


class FaultKind(enum.StrEnum):
    """What is planned to go wrong, or to change."""

    CRASH = "crash"
    CUT = "cut connections"
    PARTITION = "partition"
    PURGE = "purge a queue"
    LOSE_MESSAGES = "lose messages from a queue"
    DELETE_QUEUE = "delete a queue"
    EMPTY_BROKER = "start the broker empty"
    LOSE_DISK = "lose a disk"
    RESTORE_DISK = "put an old copy of a disk back"
    JUMP_CLOCK = "a wall clock jumps"
    JOIN = "a node joins"
    LEAVE = "a node leaves"
    FORGE = "a stranger sends writes that nobody made"
    REJOIN = "a removed node comes back without its disk"


class Fault(NamedTuple):
    """At ``at_us`` something happens to a node; ``luck`` decides the details."""

    kind: FaultKind
    at_us: int
    node: int
    lasts_us: int
    luck: int


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """How the networks behave; chances are per message copy or delivery."""

    delay_max_us: int
    slow_chance: float
    """A slow copy takes up to ten times ``delay_max_us``."""
    duplicate_chance: float
    refuse_chance: float
    shuffle_chance: float
    """How often a queue hands out another message than its first."""
    prefetch_messages: int
    queue_max_messages: int
    """Beyond it a queue drops its oldest."""
    notice_max_us: int
    """How long a dead connection may swallow messages before anybody notices."""
    control_loss_chance: float
    control_duplicate_chance: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule."""

    founding: int
    limits: ReplicaLimits
    batch_max_events: int
    tick_us: int
    wall_skew_ms: tuple[int, ...]
    """By node: how far its wall clock is from the true time."""
    wall_tick_ms: int
    """Wall clocks move in steps of this size: a coarse one gives equal timestamps at different nodes."""
    network: NetworkPlan
    faults: tuple[Fault, ...]
    crash_points: tuple[int, ...]
    """A crash falls at the n-th of all points between two effects (and before and after each commit)."""
    failing_commits: tuple[int, ...]
    down_max_us: int
    snapshot_part_keys: int
    snapshot_kept_us: int
    """How long a node remembers the snapshot that it gives."""
    actions: tuple[Action, ...]
    sessionless_clients: int


def draw_plan(seed: int) -> Plan:
    """Draw the schedule of a seed."""
    random = Random(seed)
    # A source of its own for what clients write: so it says nothing about the rest of the schedule.
    luck = Random(f"{seed}/operations")
    founding = random.choice((3, 3, 3, 4, 4, 5, 6, 7))
    skew_max_ms = random.choice((0, 5, 1_000, HOUR_MS))
    network = NetworkPlan(
        delay_max_us=random.choice((500, 2_000, 5_000, 10_000)),
        slow_chance=random.choice((0.0, 0.1, 0.3)),
        duplicate_chance=random.choice((0.0, 0.1, 0.3)),
        refuse_chance=random.choice((0.0, 0.0, 0.03, 0.1)),
        shuffle_chance=random.choice((0.0, 0.3)),
        prefetch_messages=random.choice((1, 4, 1_000)),
        queue_max_messages=random.choice((3, 1_000, 1_000)),
        notice_max_us=random.choice((1, 20_000)),
        control_loss_chance=random.choice((0.0, 0.1, 0.3)),
        control_duplicate_chance=random.choice((0.0, 0.2)),
    )
    actions = draw_actions(random, luck)
    return Plan(
        founding=founding,
        limits=draw_limits(random, luck),
        batch_max_events=random.choice((1, 4, 100)),
        tick_us=random.choice((10_000, 20_000)),
        wall_skew_ms=tuple(random.randint(-skew_max_ms, skew_max_ms) for _ in range(NODES_MAX + 3)),
        wall_tick_ms=random.choice((1, 1, 100, HOUR_MS)),
        network=network,
        faults=_draw_faults(random, founding),
        crash_points=_draw_points(random, random.choice((0.0, 0.002, 0.005, 0.02)), 8),
        failing_commits=_draw_failing_commits(random, luck),
        down_max_us=random.choice((5_000, 50_000, 150_000)),
        snapshot_part_keys=random.randint(1, 3),
        snapshot_kept_us=random.choice((30_000, 1_000_000)),
        actions=actions,
        sessionless_clients=random.randint(0, 1),
    )


def _draw_failing_commits(random: Random, luck: Random) -> tuple[int, ...]:
    """A few; and in some schedules a disk that fails every third time for long."""
    few = _draw_points(random, random.choice((0.0, 0.0, 0.02, 0.1)), 8)
    return _draw_points(luck, 0.3, 150) if luck.random() < 0.08 else few


def _draw_points(random: Random, chance: float, most: int) -> tuple[int, ...]:
    """Where something happens that has this chance at each point."""
    if not chance:
        return ()
    points: list[int] = []
    for _ in range(most):
        gap = 1 + int(math.log(1 - random.random()) / math.log(1 - chance))
        points.append((points[-1] if points else 0) + gap)
    return tuple(points)


# What one schedule is about: faults of a few kinds, so that each schedule can be understood and shrinks well.
_THEMES: tuple[tuple[FaultKind, ...], ...] = (
    (FaultKind.CRASH, FaultKind.CUT),
    (FaultKind.CRASH, FaultKind.CUT, FaultKind.PARTITION, FaultKind.JUMP_CLOCK),
    (FaultKind.PURGE, FaultKind.LOSE_MESSAGES, FaultKind.DELETE_QUEUE, FaultKind.EMPTY_BROKER),
    (FaultKind.LOSE_MESSAGES, FaultKind.PARTITION, FaultKind.CRASH, FaultKind.FORGE),
    (FaultKind.LOSE_DISK, FaultKind.LOSE_DISK, FaultKind.CRASH, FaultKind.CUT),
    (FaultKind.RESTORE_DISK, FaultKind.RESTORE_DISK, FaultKind.CUT),
    (FaultKind.RESTORE_DISK, FaultKind.LOSE_MESSAGES, FaultKind.PARTITION, FaultKind.CRASH),
    (FaultKind.RESTORE_DISK, FaultKind.RESTORE_DISK, FaultKind.LOSE_MESSAGES, FaultKind.LOSE_MESSAGES),
    (FaultKind.RESTORE_DISK, FaultKind.LOSE_DISK, FaultKind.PURGE, FaultKind.PARTITION),
    (FaultKind.JOIN, FaultKind.LEAVE, FaultKind.REJOIN, FaultKind.PURGE),
    (FaultKind.JOIN, FaultKind.LEAVE, FaultKind.REJOIN, FaultKind.CRASH, FaultKind.PARTITION),
    tuple(FaultKind),
)


def _draw_faults(random: Random, founding: int) -> tuple[Fault, ...]:
    theme = random.choice(_THEMES)
    span_us = random.choice((150_000, 400_000))
    joins = NODES_MAX - founding
    faults = []
    for _ in range(random.randint(0, 8)):
        kind = random.choice(theme)
        if kind is FaultKind.JOIN:
            joins -= 1
            if joins < 0:
                continue
        lasts_us = random.randint(1, random.choice((20_000, 150_000, 400_000)))
        faults.append(Fault(kind, random.randint(1, span_us), random.randrange(100), lasts_us, random.randrange(10**6)))
    return tuple(faults)

"""The parameters of one schedule, all drawn from its seed.

Seeds differ in kind, not only in luck: some networks are fast and orderly, some are wild; some schedules
crash often, some never; some wall clocks are an hour apart, some stand still.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.core.replica import ReplicaLimits

if TYPE_CHECKING:
    from random import Random

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """How the fanout behaves; chances are per message copy, delivery or connection loss."""

    delay_max_us: int
    slow_chance: float
    """A slow copy takes up to ten times ``delay_max_us``."""
    duplicate_chance: float
    refuse_chance: float
    shuffle_chance: float
    """How often a queue hands out another message than its first."""
    prefetch_messages: int


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What goes wrong at nodes and connections."""

    crash_chance: float
    """Per point between two effects (and before and after each commit)."""
    crashes_max: int
    commit_failure_chance: float
    commit_failures_max: int
    timed_crashes: int
    """Crashes at a random moment, mostly between two transactions."""
    connection_losses: int
    down_max_us: int


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What clients do."""

    clients: int
    operations_per_client: int
    keys: int
    think_max_us: int
    move_chance: float
    sessionless_clients: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule's parameters."""

    nodes: int
    limits: ReplicaLimits
    batch_max_events: int
    wall_skew_ms: tuple[int, ...]
    """By node: how far its wall clock is from the true time."""
    wall_tick_ms: int
    """Wall clocks move in steps of this size: a coarse one gives equal timestamps at different nodes."""
    network: NetworkPlan
    faults: FaultPlan
    load: LoadPlan


def draw_plan(random: Random) -> Plan:
    """Draw the parameters of one schedule."""
    nodes = random.randint(3, 5)
    skew_max_ms = random.choice((0, 5, 1_000, HOUR_MS))
    return Plan(
        nodes=nodes,
        limits=ReplicaLimits(
            outbox_max_writes=random.choice((4, 1_000, 1_000)),
            publish_window_messages=random.choice((1, 3, 64)),
            pack_max_writes=random.choice((1, 2, 500)),
            pack_max_bytes=random.choice((16, 1 << 18)),
        ),
        batch_max_events=random.choice((1, 4, 100)),
        wall_skew_ms=tuple(random.randint(-skew_max_ms, skew_max_ms) for _ in range(nodes)),
        wall_tick_ms=random.choice((1, 1, 100, HOUR_MS)),
        network=NetworkPlan(
            delay_max_us=random.choice((500, 5_000, 20_000)),
            slow_chance=random.choice((0.0, 0.1, 0.3)),
            duplicate_chance=random.choice((0.0, 0.1, 0.3)),
            refuse_chance=random.choice((0.0, 0.0, 0.03, 0.1)),
            shuffle_chance=random.choice((0.0, 0.3)),
            prefetch_messages=random.choice((1, 4, 1_000)),
        ),
        faults=FaultPlan(
            crash_chance=random.choice((0.0, 0.003, 0.01, 0.03)),
            crashes_max=12,
            commit_failure_chance=random.choice((0.0, 0.0, 0.02, 0.1)),
            commit_failures_max=10,
            timed_crashes=random.randint(0, 3),
            connection_losses=random.randint(0, 5),
            down_max_us=random.choice((5_000, 50_000)),
        ),
        load=LoadPlan(
            clients=random.randint(2, 5),
            operations_per_client=random.randint(5, 25),
            keys=random.randint(1, 4),
            think_max_us=random.choice((1_000, 10_000)),
            move_chance=random.choice((0.0, 0.2, 0.6)),
            sessionless_clients=random.randint(0, 1),
        ),
    )

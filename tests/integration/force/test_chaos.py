"""By force: sessions move between real nodes over a real broker while these are killed, stopped and cut off.

What the sessions saw is recorded and judged: causal consistency, convergence, and no acknowledged write lost.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from client.consistency.checker import check
from tests.integration.force.chaos import Chaos

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = [pytest.mark.broker, pytest.mark.slow]

SEED_VARIABLE = "CAUSALKV_FORCE_SEED"
ROUNDS = 7
SHOWN_VIOLATIONS = 10


def draw_seed() -> int:
    """A new one each time, or the one that the environment gives."""
    return int(os.environ.get(SEED_VARIABLE) or random.randrange(10**6))


@pytest.mark.parametrize("turn", ["first", "second"])
def test_no_fault_breaks_causal_consistency_or_loses_an_acknowledged_write(
    tmp_path: Path, own_broker: PrivateBroker, cluster_name: str, turn: str
) -> None:
    """Every kind of fault once, under load; then silence, and a judge who knows nothing of vector clocks."""
    del turn
    seed = draw_seed()
    with Chaos(tmp_path, own_broker, seed=seed, cluster=cluster_name) as chaos:
        try:
            chaos.play(ROUNDS)
            chaos.rest()
            expect_soundness(chaos)
        except BaseException:
            # What the sessions saw until then may say why the cluster did not come to rest.
            violations = "\n".join(map(str, check(chaos.load.history, violations_max=SHOWN_VIOLATIONS)))
            print(f"again with {SEED_VARIABLE}={seed}\n{violations}\n{chaos.report()}")  # noqa: T201  # for the failure
            raise
        print(chaos.statistics())  # noqa: T201  # what a person who runs this with -s wants to know
        assert chaos.load.siblings_seen(), "no two writes were ever concurrent"
        assert chaos.load.moves, "no session ever moved"


def expect_soundness(chaos: Chaos) -> None:
    """Nobody saw or was told anything wrong."""
    violations = check(chaos.load.history)
    assert not violations, "\n".join(map(str, violations[:SHOWN_VIOLATIONS]))
    assert not chaos.load.surprises, chaos.load.surprises[:SHOWN_VIOLATIONS]

"""The judge of the runs by force on real nodes: it finds what is missing when sessions ask for no guarantee."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from client.consistency.checker import check
from client.consistency.violations import ViolationKind
from tests.integration.force.chaos import Chaos

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker

REQUESTS = 600
SESSION_GUARANTEES = {ViolationKind.READ_YOUR_WRITES, ViolationKind.MONOTONIC_READS}


@pytest.mark.parametrize("sends_token", [False, True])
def test_sessions_that_move_without_their_token_are_found_out(
    tmp_path: Path,
    broker: PrivateBroker,
    cluster_name: str,
    sends_token: bool,  # noqa: FBT001  # a case
) -> None:
    """With late messages, a session without a token misses what it wrote and read; with it, never."""
    with Chaos(tmp_path, broker, seed=random.randrange(10**6), sends_token=sends_token, cluster=cluster_name) as chaos:
        chaos.play_without_faults(REQUESTS)
        violations = check(chaos.rest())
        assert not chaos.load.surprises, chaos.load.surprises[:10]
    kinds = {violation.kind for violation in violations}
    if sends_token:
        assert not violations, "\n".join(map(str, violations[:10]))
    else:
        assert kinds >= SESSION_GUARANTEES, kinds

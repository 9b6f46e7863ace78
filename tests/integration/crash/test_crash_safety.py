"""Three processes and a real broker under load, and blows: 30 rounds over one cluster.

After each round every acknowledged write is on every node, none was applied twice, all stores are equal byte for
byte, clocks are equal, and what clients read never contradicted causality (``audit.py`` says how that is known).
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from node import crash_points
from tests.integration.crash.stored import read_tables
from tests.integration.crash.trial import Trial, open_store
from tests.support.broker import PrivateBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.crash.trial import Round

pytestmark = [pytest.mark.broker, pytest.mark.slow]

SEED_VARIABLE = "CAUSALKV_CRASH_SEED"
ROUNDS_IN_EACH_WINDOW = 5
ROUNDS_AT_MOST = 15
ROUNDS_AT_RANDOM = 6
ROUNDS_OF_THE_BROKER = 3
SIGNS_OF_A_FAULT = ('"level": "error"', '"level": "critical"', "Traceback")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """The cluster of all rounds, under a new seed each time unless the environment gives one."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.randrange(10**6))
    with PrivateBroker() as broker, Trial(tmp_path_factory.mktemp("crash"), broker, seed=seed) as started:
        yield started


def play(trial: Trial, blow: Callable[[], None], rounds_min: int, struck: Callable[[Round], bool]) -> list[Round]:
    """Play these rounds; and some more as long as none of them was of the kind that they are about.

    A node comes by most places with whatever it has to do: a write, a message, a confirmation.
    """
    rounds: list[Round] = []
    while len(rounds) < rounds_min or not any(map(struck, rounds)):
        rounds.append(trial.play(blow))
        if len(rounds) == ROUNDS_AT_MOST:
            break
    return rounds


def had_to_wait(each: Round) -> bool:
    """Whether a write came before one that it happened after."""
    return each.held_at_death > 0 or any(each.held_back.values())


def lost_a_write(each: Round) -> bool:
    """Whether a write was under way that nobody has."""
    return each.unknown > each.unknown_took_effect


def test_a_node_killed_at_any_moment_loses_nothing_acknowledged(trial: Trial) -> None:
    """``kill -9`` of a node at random moments, held writes and messages on their way included."""
    rounds = play(trial, trial.kill_node, ROUNDS_AT_RANDOM, had_to_wait)
    assert any(map(had_to_wait, rounds)), "no write ever had to wait"


def test_a_node_that_dies_before_it_commits_loses_nothing_acknowledged(trial: Trial) -> None:
    """What was about to be committed was not acknowledged, and is done once or not at all."""
    rounds = play(trial, lambda: trial.crash_in(crash_points.BEFORE_COMMIT), ROUNDS_IN_EACH_WINDOW, lost_a_write)
    assert any(map(lost_a_write, rounds)), "no write was under way"


def test_a_node_that_dies_between_commit_and_publishing_publishes_after_its_restart(trial: Trial) -> None:
    """The outbox is on the disk: what no peer has been sent goes out when the node is back."""
    for _ in range(ROUNDS_IN_EACH_WINDOW):
        each = trial.play(lambda: trial.crash_in(crash_points.AFTER_COMMIT))
        assert each.unconfirmed_at_death, "a node died without writes in its outbox"


def test_a_node_that_dies_between_publishing_and_the_confirmation_publishes_again(trial: Trial) -> None:
    """Its peers get writes twice and apply them once."""
    for _ in range(ROUNDS_IN_EACH_WINDOW):
        each = trial.play(lambda: trial.crash_in(crash_points.AFTER_PUBLISH))
        assert each.unconfirmed_at_death
        peers = [duplicates for node, duplicates in each.duplicates.items() if node != each.victim]
        assert all(peers), "a peer did not get a write twice"


def test_a_node_that_dies_before_it_acknowledges_gets_the_messages_again(trial: Trial) -> None:
    """What is committed and comes again changes nothing."""

    def came_again(each: Round) -> bool:
        return each.duplicates[each.victim] > 0

    rounds = play(trial, lambda: trial.crash_in(crash_points.BEFORE_ACKNOWLEDGE), ROUNDS_IN_EACH_WINDOW, came_again)
    assert any(map(came_again, rounds)), "no message came again"


def test_a_killed_broker_loses_nothing_acknowledged(trial: Trial) -> None:
    """``kill -9`` of the broker: the nodes go on, and what was on its way arrives when it is back."""
    for _ in range(ROUNDS_OF_THE_BROKER):
        trial.play(trial.kill_broker)


def test_a_node_killed_while_the_broker_is_dead_loses_nothing_acknowledged(trial: Trial) -> None:
    """Its disk is then the only place that has its last writes."""
    assert trial.play(trial.kill_broker_and_node).unconfirmed_at_death


def test_after_all_blows_the_stopped_stores_are_equal_byte_for_byte(trial: Trial) -> None:
    """Nothing but the disks speaks: equal versions and history, nothing held, nothing to be published."""
    with trial.load.running():
        trial.load.wait_for_writes(100)
    trial.settle()
    for node in trial.cluster:
        assert node.terminate() == 0, node.log_tail()
    saved = {node.name: open_store(node) for node in trial.cluster}
    tables = [read_tables(node.data_dir, after={}) for node in trial.cluster]
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0].history) == sum(count for _, count in saved["node1"].clock.items())
    for position in saved.values():
        assert position.clock == saved["node1"].clock
        assert position.confirmed_seq == position.clock[position.replica]
        assert not position.held
    for node in trial.cluster:
        # Not line by line as JSON: a process that was killed may have left half a line.
        lines = node.log_file.read_text(encoding="utf-8").splitlines()
        complaints = [line for line in lines if any(sign in line for sign in SIGNS_OF_A_FAULT)]
        assert not complaints, complaints

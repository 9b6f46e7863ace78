"""A plan as a list of parts that can be left out: faults, crashes, requests, nodes, and kinds of bad luck.

The numbers of the parts of a seed never change, so ``--without 3,7-20`` says a smaller schedule for good. Luck comes
from a stream for each part of the world, so that leaving one out changes little else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.plan_actions import Requires

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.simulation.plan import Plan

FOUNDING_MIN = 2

# Bad luck of all kinds that is no list: what makes it end.
_KINDS_OF_LUCK: tuple[tuple[str, Callable[[Plan], Plan]], ...] = (
    ("slow messages", lambda plan: replace(plan, network=replace(plan.network, slow_chance=0.0))),
    ("doubled messages", lambda plan: replace(plan, network=replace(plan.network, duplicate_chance=0.0))),
    ("refusals", lambda plan: replace(plan, network=replace(plan.network, refuse_chance=0.0))),
    ("shuffled queues", lambda plan: replace(plan, network=replace(plan.network, shuffle_chance=0.0))),
    ("lost control messages", lambda plan: replace(plan, network=replace(plan.network, control_loss_chance=0.0))),
    (
        "doubled control messages",
        lambda plan: replace(plan, network=replace(plan.network, control_duplicate_chance=0.0)),
    ),
    ("small queues", lambda plan: replace(plan, network=replace(plan.network, queue_max_messages=1_000))),
    ("wall clocks that differ", lambda plan: replace(plan, wall_skew_ms=(0,) * len(plan.wall_skew_ms))),
)


def count_of(plan: Plan) -> int:
    """How many parts a plan has; they are numbered from 0."""
    return sum(_sizes(plan))


def _sizes(plan: Plan) -> tuple[int, ...]:
    return (
        len(_KINDS_OF_LUCK),
        max(0, plan.founding - FOUNDING_MIN),
        len(plan.faults),
        len(plan.crash_points),
        len(plan.failing_commits),
        len(plan.actions),
    )


def without(plan: Plan, left_out: Collection[int]) -> Plan:
    """The plan without some of its parts."""
    absent = set(left_out)
    luck, nodes, faults, crashes, commits, actions = _split(plan, absent)
    for index in luck:
        plan = _KINDS_OF_LUCK[index][1](plan)
    return replace(
        plan,
        founding=plan.founding - len(nodes),
        faults=tuple(each for index, each in enumerate(plan.faults) if index not in faults),
        crash_points=tuple(each for index, each in enumerate(plan.crash_points) if index not in crashes),
        failing_commits=tuple(each for index, each in enumerate(plan.failing_commits) if index not in commits),
        actions=tuple(each for index, each in enumerate(plan.actions) if index not in actions),
    )


def _split(plan: Plan, numbers: set[int]) -> list[list[int]]:
    """For each kind of parts the indexes within it."""
    split: list[list[int]] = []
    first = 0
    for size in _sizes(plan):
        split.append([number - first for number in sorted(numbers) if first <= number < first + size])
        first += size
    return split


def describe(plan: Plan, left_out: Collection[int]) -> list[str]:
    """What is left of a plan, one line each."""
    rest = without(plan, left_out)
    luck = _split(plan, set(left_out))[0]
    lines = [f"{rest.founding} founding nodes"]
    lines += [name for index, (name, _) in enumerate(_KINDS_OF_LUCK) if index not in luck]
    lines += [f"{fault.at_us} us: {fault.kind} (node {fault.node}, {fault.lasts_us} us)" for fault in rest.faults]
    lines += [f"a crash at point {point}" for point in rest.crash_points]
    lines += [f"commit {point} fails" for point in rest.failing_commits]
    lines += [
        f"client {action.client} {f'reads {action.reads}' if action.reads else f'writes {action.operations}'}"
        + (f" if {action.requires}" if action.requires is not Requires.NOTHING else "")
        + (f" named, and {action.repeats} times more" if action.is_named else "")
        + (f" at node {action.moves_to}" if action.moves_to is not None else "")
        for action in rest.actions
    ]
    return lines


def ranges_of(numbers: Collection[int]) -> str:
    """Numbers as ``3,7-20``."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def numbers_of(text: str) -> frozenset[int]:
    """The numbers that ``3,7-20`` says; raises ValueError for anything else."""
    numbers: set[int] = set()
    for item in filter(None, text.split(",")):
        first, _, last = item.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)

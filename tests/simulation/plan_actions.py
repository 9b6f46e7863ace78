"""What the clients of one schedule ask for."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from node.core.places import CounterPlace, MemberPlace
from node.core.write import AddMembers, Delete, Increment, Operation, Put, RemoveMembers

if TYPE_CHECKING:
    from random import Random

    from node.core.places import Place

MEMBERS = ('"a"', '"b"')


class Requires(enum.StrEnum):
    """What must be so for a write to be made."""

    NOTHING = "nothing"
    ABSENT = "its key has no value"
    UNCHANGED = "its key is as the client finds it when it begins"


class Action(NamedTuple):
    """One request of a client: a read of ``reads``, or a write of ``operations``.

    A write may be named: then it is asked for again when its answer is lost, and ``repeats`` times when it is answered,
    from time to time at another node (``repeats_elsewhere``).
    """

    client: int
    think_us: int
    moves_to: int | None
    reads: Place | None
    operations: tuple[Operation, ...]
    ack_all: bool
    requires: Requires = Requires.NOTHING
    is_named: bool = False
    repeats: int = 0
    repeats_elsewhere: bool = False


class _Style(NamedTuple):
    """What the writes of one schedule are like; chances are per operation or request."""

    other_type_chance: float
    ttl_chance: float
    ttl_max_ms: int
    condition_chance: float
    named_chance: float


def draw_actions(random: Random, luck: Random) -> tuple[Action, ...]:
    """Draw all requests: when and where by ``random``, what kind of operations by ``luck``."""
    keys = random.randint(1, 5)
    think_max_us = random.choice((1_000, 10_000, 30_000))
    move_chance = random.choice((0.0, 0.2, 0.6))
    ack_all_chance = random.choice((0.0, 0.1, 0.5))
    style = _draw_style(luck)
    actions = []
    for client in range(random.randint(2, 4)):
        for number in range(random.randint(4, 20)):
            is_read = random.random() < 0.25
            count = 0 if is_read else random.choice((1, 1, 1, 3))
            action = Action(
                client,
                random.randint(1, think_max_us),
                random.randrange(100) if number == 0 or random.random() < move_chance else None,
                f"key{random.randrange(keys)}" if is_read else None,
                tuple(
                    _draw_operation(random, f"key{random.randrange(keys)}", f'"{client}.{number}.{each}"')
                    for each in range(count)
                ),
                random.random() < ack_all_chance,
            )
            actions.append(_varied(action, style, luck))
    return tuple(actions)


def _draw_style(luck: Random) -> _Style:
    if luck.random() < 0.3:
        return _Style(0.0, 0.0, 0, 0.0, 0.0)
    return _Style(
        other_type_chance=luck.choice((0.0, 0.3, 0.8)),
        ttl_chance=luck.choice((0.0, 0.2, 0.6)),
        ttl_max_ms=luck.choice((5, 40, 300)),
        condition_chance=luck.choice((0.0, 0.2, 0.6)),
        named_chance=luck.choice((0.0, 0.3, 0.8)),
    )


def _draw_operation(random: Random, key: str, value: str) -> Operation:
    return Delete(key) if random.random() < 0.25 else Put(key, value.encode())


def _varied(action: Action, style: _Style, luck: Random) -> Action:
    """The same request, with operations of other types and what else a client may want."""
    if isinstance(action.reads, str):
        is_other = luck.random() < style.other_type_chance
        others: tuple[Place, ...] = (CounterPlace(action.reads), MemberPlace(action.reads, luck.choice(MEMBERS)))
        return action._replace(reads=luck.choice(others)) if is_other else action
    operations = tuple(_other_operation(operation, style, luck) for operation in action.operations)
    requires, is_named = Requires.NOTHING, luck.random() < style.named_chance
    if isinstance(operations[0], Put | Delete) and luck.random() < style.condition_chance:
        requires = luck.choice((Requires.ABSENT, Requires.UNCHANGED))
    return action._replace(
        operations=operations,
        requires=requires,
        is_named=is_named,
        repeats=luck.choice((0, 0, 1, 2)) if is_named else 0,
        repeats_elsewhere=is_named and luck.random() < 0.3,
    )


def _other_operation(operation: Operation, style: _Style, luck: Random) -> Operation:
    key = operation.key
    if luck.random() < style.other_type_chance:
        chosen = tuple(luck.sample(MEMBERS, luck.randint(1, len(MEMBERS))))
        kinds = (Increment(key, luck.choice((1, 1, -2, 10))), AddMembers(key, chosen), RemoveMembers(key, chosen))
        return luck.choice(kinds)
    if isinstance(operation, Put) and luck.random() < style.ttl_chance:
        return operation._replace(ttl_ms=luck.randint(1, style.ttl_max_ms))
    return operation

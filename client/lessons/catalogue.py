"""All scenarios by name, and how one is played."""

from __future__ import annotations

import threading
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from client import demo
from client.errors import UsageError
from client.interruption import ended_by_any_signal
from client.lessons import conflict, held, moving_reader, partition
from client.lessons.stage import Stage
from client.lessons.text import Teller

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from client.client import Client
    from client.lessons.moments import Moment

FOUNDING = "founding"
FOUNDING_SUMMARY = "three writes at three nodes, the second caused by the first"


class Lesson(NamedTuple):
    """A scenario: what it shows, how many nodes it needs, and its moments."""

    summary: str
    nodes: int
    moments: Callable[[Stage], Generator[Moment, None, None]]


LESSONS = {
    "held": Lesson(held.SUMMARY, held.NODES, held.play),
    "conflict": Lesson(conflict.SUMMARY, conflict.NODES, conflict.play),
    "partition": Lesson(partition.SUMMARY, partition.NODES, partition.play),
    "session": Lesson(moving_reader.SUMMARY, moving_reader.NODES, moving_reader.play),
}
SUMMARIES = {FOUNDING: FOUNDING_SUMMARY} | {name: lesson.summary for name, lesson in LESSONS.items()}


def play(name: str, client: Client, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Play a scenario and hand each line to ``say``; ``warn`` hears what is not part of it.

    However it ends, by a failure or a signal too, the faults that it put in force are ended. Raises UsageError for a
    name that is none, and the other errors of `client.errors`.
    """
    if name == FOUNDING:
        demo.play(client, say)
        return
    if name not in LESSONS:
        raise UsageError(f"no scenario is named {name}: use one of {', '.join(SUMMARIES)}")
    lesson = LESSONS[name]
    teller = Teller()
    with (
        _ended_in_order(),
        Stage(client, least_nodes=lesson.nodes, warn=warn) as stage,
        closing(lesson.moments(stage)) as moments,
    ):
        for moment in moments:
            for line in teller.lines(moment):
                say(line)


def _ended_in_order() -> AbstractContextManager[None]:
    # Only the main thread hears signals.
    return ended_by_any_signal() if threading.current_thread() is threading.main_thread() else nullcontext()

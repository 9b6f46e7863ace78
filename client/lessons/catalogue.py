"""All scenarios by name, and how one is played."""

from __future__ import annotations

import signal
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from client import demo
from client.errors import UsageError
from client.lessons import conflict, held, moving_reader, partition
from client.lessons.stage import ENDING_SIGNALS, Stage
from client.lessons.text import Teller

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import FrameType

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
        _ending_by_signal(),
        Stage(client, least_nodes=lesson.nodes, warn=warn) as stage,
        closing(lesson.moments(stage)) as moments,
    ):
        for moment in moments:
            for line in teller.lines(moment):
                say(line)


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """Let signals that would end the process on the spot end it in order, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _end) for number in ENDING_SIGNALS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt

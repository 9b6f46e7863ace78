"""A question, an answer that comes first, and what the diagram says of it; the fixture is known to all tests here."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.support.causal_history import History

HOLDS = (
    "node3 holds answer (node2~bbbb:1): it happened after question (node1~aaaa:1), which has not arrived there yet. "
    "Until then node3 shows it to nobody."
)


class Story(NamedTuple):
    """A question, its answer, which node3 gets first, and something that node3 writes meanwhile."""

    history: History
    question: str
    answer: str
    aside: str


@pytest.fixture
def story() -> Story:
    """How far it has come: node3 holds the answer."""
    history = History(3)
    question = history.write(0, "question")
    history.pass_time(10)
    history.confirm(question)
    history.arrive(1, question)
    history.pass_time(200)
    answer = history.write(1, "answer")
    history.pass_time(5)
    history.arrive(0, answer)
    history.arrive(2, answer)
    history.pass_time(100)
    aside = history.write(2, "aside")
    return Story(history, question, answer, aside)


def release(story: Story) -> list[dict[str, Any]]:
    """The question reaches node3, 730 ms after the answer; returns what is told of it."""
    before = len(story.history.nodes[2].events)
    story.history.pass_time(630)
    story.history.arrive(2, story.question)
    return story.history.nodes[2].events[before:]

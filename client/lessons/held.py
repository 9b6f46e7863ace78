"""An effect arrives before its cause: the causal buffer holds it, and says what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.lessons.moments import Held, Moment, Note, Step, Title, Why

if TYPE_CHECKING:
    from collections.abc import Generator

    from client.lessons.stage import Stage

NODES = 3
SUMMARY = "the causal buffer holds an effect until its cause arrives, and names what it waits for"


def play(stage: Stage) -> Generator[Moment, None, None]:
    """Yield the lesson's moments."""
    writer, answerer, late = stage.nodes[:3]
    question, answer = stage.key("question"), stage.key("answer")
    session = stage.client.session()
    yield Title(text="held: an effect never shows before its cause", keys=[question, answer])

    yield Step(text=f"{writer} writes the question; {late} gets it late")
    yield stage.delay(late, writer)
    yield stage.put(session, writer, question, "shall we meet?")
    asked = stage.last_dot(session.token, writer)

    yield Step(text=f"{answerer} reads the question and writes the answer")
    yield stage.read(answerer, question, session)
    yield stage.put(session, answerer, answer, "yes, at noon")
    yield Why(
        text=f"the clock of the answer counts the question too: the question happened before it. The write of the "
        f"question is {asked}, which says: write number {asked.rpartition(':')[2]} of {writer}."
    )

    yield Step(text=f"The answer reaches {late}, the question does not")
    held = _wait_for_held(stage, late, answer)
    # What is behind in the clocks below is to be the one that the lesson is about.
    stage.wait_applied(session.token, *(node for node in stage.nodes if node != late))
    yield held
    yield stage.read(late, question)
    yield stage.read(late, answer)
    yield stage.clocks()
    missing = "the question" if held.waits_for == asked else held.waits_for
    yield Why(
        text=f"{late} compares the clock of the answer with its own: the number for {writer} is ahead, so a write that "
        f"happened before is missing: {missing}. It keeps the answer in its causal buffer (/buffer), on its disk, "
        "and shows neither."
    )

    yield Step(text=f"The question reaches {late}")
    yield stage.release(late)
    stage.wait_everywhere(session.token)
    stage.wait_until(lambda: stage.held(late, answer) is None, f"{late} holds the answer no more")
    yield Note(node=late, text="its causal buffer holds nothing of this lesson any more")
    yield stage.read(late, question)
    yield stage.read(late, answer)
    yield stage.clocks()
    yield Why(
        text=f"applying the question let the answer through, in the same moment: whoever reads the answer at {late} "
        "finds the question too, in whatever order the messages came."
    )


def _wait_for_held(stage: Stage, node: str, key: str) -> Held:
    found: list[Held] = []

    def look() -> bool:
        held = stage.held(node, key)
        found.extend([held] if held is not None else [])
        return bool(found)

    stage.wait_until(look, f"{node} holds the write of {key}")
    return found[-1]

"""A node is cut off from the broker: it goes on alone, the others go on without it, and afterwards all are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.lessons.moments import Moment, Note, Step, Title, Why

if TYPE_CHECKING:
    from collections.abc import Generator

    from client.lessons.stage import Stage

NODES = 2
SUMMARY = "a node that is cut off keeps reading and writing, and converges when it is back"


def play(stage: Stage) -> Generator[Moment, None, None]:
    """Yield the lesson's moments."""
    there, *others = stage.nodes[-1], *stage.nodes[:-1]
    inside, outside = stage.key("inside"), stage.key("outside")
    within, without = stage.client.session(), stage.client.session()
    yield Title(text="partition: nobody has to wait for a network", keys=[inside, outside])

    yield Step(text=f"{there} is cut off from the broker")
    stage.inject(there, cut=True)
    yield Note(node=there, text="its connections are broken, and it can make none (/faults)")
    yield _broker(stage, there, "disconnected")

    yield Step(text=f"{there} goes on alone")
    yield stage.put(within, there, inside, "written while cut off")
    yield stage.read(there, inside)
    yield Note(node=there, text=f"outbox {stage.status(there).outbox}: on its disk, to be sent")
    yield Why(
        text="a node answers reads from its own store, and a write is done when it is on its own disk: neither needs "
        "the broker. What it cannot send waits in its outbox."
    )

    yield Step(text="The others go on without it")
    yield stage.put(without, others[0], outside, "written meanwhile")
    stage.wait_applied(without.token, *others)
    for node in others:
        yield stage.read(node, outside)
    yield stage.read(others[0], inside)
    yield stage.read(there, outside)
    yield stage.clocks()
    yield Why(text=f"two sides, each ahead of the other by what it wrote. The broker keeps what it has for {there}.")

    yield Step(text="The network heals")
    stage.inject(there, cut=False)
    yield _broker(stage, there, "connected")
    stage.wait_everywhere(within.token | without.token)
    for node in stage.nodes:
        yield stage.read(node, inside)
        yield stage.read(node, outside)
    yield stage.clocks()
    yield Why(
        text=f"{there} sent its outbox, and took what had waited in its queue. All nodes have applied the same writes, "
        "so they are in the same state; the two writes are concurrent, and neither was lost."
    )


def _broker(stage: Stage, node: str, state: str) -> Note:
    stage.wait_broker(node, state)
    return Note(node=node, text=f"broker: {state}")

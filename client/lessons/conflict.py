"""Two nodes write the same key at the same time: siblings, one winner everywhere, and how it is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.lessons.moments import Moment, Step, Title, Why

if TYPE_CHECKING:
    from collections.abc import Generator

    from client.lessons.stage import Stage

NODES = 2
SUMMARY = "concurrent writes of one key: siblings, the same winner on all nodes, and a write that settles it"


def play(stage: Stage) -> Generator[Moment, None, None]:
    """Yield the lesson's moments."""
    first, second = stage.nodes[:2]
    key = stage.key("color")
    one, other = stage.client.session(), stage.client.session()
    yield Title(text="conflict: what two people write at the same time", keys=[key])

    yield Step(text=f"{first} and {second} hear each other late")
    yield stage.delay(first, second)
    yield stage.delay(second, first)

    yield Step(text=f"Somebody writes {key} at {first}, somebody else at {second}")
    red = stage.put(one, first, key, "red")
    yield red
    blue = stage.put(other, second, key, "blue")
    yield blue
    both = one.token | other.token
    stage.wait_applied(both, *stage.nodes[2:])
    yield stage.read(first, key)
    yield stage.read(second, key)
    yield stage.clocks()
    yield Why(
        text=f"{red.vc} and {blue.vc}: each has a number that is greater than the other's. Neither write has seen the "
        "other, so neither replaces it: they are concurrent."
    )

    yield Step(text="Both writes reach all nodes")
    yield stage.release(first)
    yield stage.release(second)
    stage.wait_everywhere(both)
    for node in stage.nodes:
        yield stage.versions(node, key)
    yield stage.clocks()
    yield Why(
        text="every node keeps both versions as siblings, and a plain read shows the one with the later hybrid "
        "timestamp (if those were equal: with the greater replica id). That needs no vote: the timestamp and the "
        "replica id travel with the write, so all nodes choose alike, whichever write came first."
    )

    yield Step(text=f"Somebody who has seen both writes {key} again, at {first}")
    reader = stage.client.session()
    yield stage.versions(first, key, reader)
    settled = stage.put(reader, first, key, "purple")
    yield settled
    stage.wait_everywhere(reader.token)
    for node in stage.nodes:
        yield stage.versions(node, key)
    yield stage.clocks()
    yield Why(
        text=f"{settled.vc} is at or ahead of both {red.vc} and {blue.vc} in every number: this write has seen them, "
        "and replaces them on every node."
    )

"""A reader moves between nodes: without its token it goes back in time, with it the node makes it wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from client.lessons.moments import Moment, Note, Step, Title, Why

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from concurrent.futures import Future

    from client.lessons.moments import Shown
    from client.lessons.stage import Stage

NODES = 3
SUMMARY = "a reader moves between nodes with its token and never goes back; without it, it does"


def play(stage: Stage) -> Generator[Moment, None, None]:
    """Yield the lesson's moments."""
    writer, near, far = stage.nodes[:3]
    key = stage.key("balance")
    author, reader = stage.client.session(), stage.client.session()
    yield Title(text="session: a reader that moves between nodes never goes back", keys=[key])

    yield Step(text=f"A first value, which all nodes have; then {far} falls behind {writer}")
    yield stage.put(author, writer, key, 100)
    stage.wait_everywhere(author.token)
    yield stage.delay(far, writer)
    yield stage.put(author, writer, key, 250)

    yield Step(text=f"A reader reads at {near}")
    stage.wait_applied(author.token, near)
    yield stage.read(near, key, reader)
    yield Note(node=near, text=f"the answer carries a token for the reader, X-Causal-Context: {reader.token}")
    yield stage.clocks()

    yield Step(text=f"The reader moves to {far}, and leaves its token behind")
    yield stage.read(far, key)
    yield Why(
        text=f"{far} does not know what the reader has seen, and shows what it has. The reader goes back in time. "
        "This is what happens when a client ignores the token."
    )

    yield Step(text=f"The reader asks {far} again, with its token")
    with ThreadPoolExecutor(1) as threads:
        try:
            waiting_before = _waiting(stage, far)
            reading: Future[Shown] = threads.submit(stage.read, far, key, reader)
            stage.wait_until(
                lambda: reading.done() or _waiting(stage, far) > waiting_before, f"{far} lets the read wait"
            )
            yield Note(
                node=far,
                text=f"lets the read wait ({_waiting(stage, far)} waiting): {_lack(stage, far, reader.token.counts)}",
            )
            yield Why(
                text="the token is ahead of the node's clock. An old value would break what the reader relies on."
            )
            yield Step(text=f"The missing write reaches {far}")
        finally:
            # Whatever happens, the read that waits must come to an end before this does.
            released = stage.release(far)
        yield released
        yield reading.result()
    stage.wait_everywhere(author.token)
    yield stage.clocks()
    yield Why(
        text=f"{far} answered as soon as its clock had reached the token. So a session reads its own writes, and never "
        "an older state than before, whichever node it talks to."
    )


def _waiting(stage: Stage, node: str) -> int:
    return int(stage.status(node).answer.get("waiting_requests", 0))


def _lack(stage: Stage, node: str, seen: Mapping[str, int]) -> str:
    applied = stage.status(node).clock
    lacking = [f"{replica}:{count}" for replica, count in seen.items() if applied.get(replica, 0) < count]
    return f"it lacks {', '.join(lacking) or 'nothing'}"

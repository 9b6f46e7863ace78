"""The founding scenario: three writes at three nodes, the second caused by the first, and what each node then shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from client.errors import ClusterError
from client.nodes import URLS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.client import Client
    from client.session import Session

NODES = ("node1", "node2", "node3")
STORED_KEYS = ("message", "vc")
READ_KEYS = ("key", "value", "vc")
# Long enough for a message to come through a broker that just restarted.
TIMEOUT_SECONDS = 40.0


def play(client: Client, say: Callable[[str], None]) -> None:
    """Play the scenario and hand each line of the transcript to ``say``.

    Each step waits for nothing but its causes: the session's token makes every node wait until it has
    what the former steps wrote. Raises the errors of `client.errors`.
    """
    session = _session_after_all_that_was(client)

    def put(step: str, node: str, key: str, value: str) -> None:
        say(step)
        answer = session.put(key, value, node=node).answer
        say(f"{node.capitalize()} put {key}={value}: {_pick(answer, STORED_KEYS)}")
        say("")

    put("Step 1: Node1 writes x=5", "node1", "x", "5")
    put("Step 2: Node2 writes x=10", "node2", "x", "10")
    put("Step 3: Node3 writes y=15 (independent write)", "node3", "y", "15")
    say("Step 4: Read 'x' and 'y' from all nodes")
    for node in NODES:
        say(f"{node} stores:")
        for key in ("x", "y"):
            say(f"  {key}: {_pick(session.get(key, node=node).answer, READ_KEYS)}")


def _session_after_all_that_was(client: Client) -> Session:
    """Open a session that has seen all that any node has, so that a second run goes on from the first."""
    session = client.session()
    replies = client.status_of_all()
    statuses = [reply.answer for reply in replies if reply.answer is not None]
    for status in statuses:
        session.observe(status.token)
    found = {status.node for status in statuses}
    missing = [node for node in NODES if node not in found]
    if missing:
        failures = [str(reply.error) for reply in replies if reply.error is not None]
        why = "; ".join(failures) or f"name its address in {URLS_VARIABLE}, which leads to {', '.join(client.urls)}"
        raise ClusterError(f"the demo needs node1, node2 and node3, and does not find {', '.join(missing)}: {why}")
    return session


def _pick(answer: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Keep what the transcript shows: nodes may add keys to their answers."""
    return {key: answer[key] for key in keys}

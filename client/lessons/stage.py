"""The cluster as a lesson uses it: its nodes, faults that surely end, and waits for conditions instead of sleeps."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Self

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from client.answers import CausalBuffer
from client.causal_token import CausalToken, natural_order
from client.errors import ClusterError, NotFoundError
from client.interruption import uninterrupted
from client.lessons import faults
from client.lessons.moments import Clocks, Held, Note, Shown, Stored, Version, Versions
from client.nodes import URLS_VARIABLE
from client.protocol import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.answers import NodeStatus
    from client.client import Client
    from client.session import Session

# Long enough for a message to come through a broker that just restarted.
WAIT_SECONDS = 40.0
LOOK_AGAIN_SECONDS = 0.02
# Longer than any lesson: what is delayed comes when the lesson lets it.
DELAY_SECONDS = 900.0
BUFFER = Request("GET", "/buffer", CausalBuffer, parameters={"limit": "1000"})


class Stage:
    """The nodes of a cluster, in natural order of their names; a context manager that ends all faults it began.

    ``warn`` hears what a person must know about the cleanup.
    """

    def __init__(self, client: Client, *, least_nodes: int, warn: Callable[[str], None]) -> None:
        """Find the nodes. Raises ClusterError when they are too few."""
        self.client = client
        self._warn = warn
        self._changed: set[str] = set()
        self._run = secrets.token_hex(3)
        replies = client.status_of_all()
        for reply in replies:
            if reply.error is not None:
                warn(f"the lesson goes without a node: {reply.error}")
        self.nodes = sorted((reply.answer.node for reply in replies if reply.answer is not None), key=natural_order)
        if len(self.nodes) < least_nodes:
            raise ClusterError(
                f"this lesson needs {least_nodes} nodes, and finds {', '.join(self.nodes) or 'none'}: "
                f"name their addresses in {URLS_VARIABLE}, which leads to {', '.join(client.urls)}"
            )

    def __enter__(self) -> Self:
        """Make sure that the lesson begins with nodes that are linked, and free of faults. Raises ClusterError."""
        for node in self.nodes:
            if faults.ask(self.client, node).are_any:
                self._warn(f"{node} still had faults in force, of an earlier lesson or test: they are ended")
                faults.inject(self.client, node, clear=True)
        for node in self.nodes:
            self.wait_broker(node, "connected")
        known = CausalToken()
        for status in self._statuses().values():
            known |= status.token
        self.wait_everywhere(known)
        return self

    def __exit__(self, *_: object) -> None:
        # Who presses Ctrl-C twice must not be left with faults: the second one waits until they are over.
        with uninterrupted():
            for node in sorted(self._changed, key=natural_order):
                self._clear(node)

    def _clear(self, node: str) -> None:
        try:
            faults.inject(self.client, node, clear=True)
        except ClusterError as error:
            self._warn(
                f"faults may still be in force at {node} ({error}); end them with a POST of "
                '{"clear": true} to its /faults'
            )

    # ---------------------------------------------------------------------------------- faults

    def inject(self, node: str, **changes: Any) -> None:
        """Put faults in force at a node; they end with the lesson at the latest."""
        self._changed.add(node)
        faults.inject(self.client, node, **changes)

    def delay(self, node: str, origin: str) -> Note:
        """From now on messages of ``origin`` come late to ``node``."""
        self.inject(node, delay={origin: DELAY_SECONDS})
        return Note(node=node, text=f"from now on messages from {origin} come late (/faults)")

    def release(self, node: str) -> Note:
        """End all faults at a node."""
        self.inject(node, clear=True)
        return Note(node=node, text="the fault is over: what was kept from it comes")

    # ---------------------------------------------------------------------------------- writing and reading

    def key(self, name: str) -> str:
        """Return a key that no other run uses."""
        return f"{name}-{self._run}"

    def put(self, session: Session, node: str, key: str, value: Any) -> Stored:
        """Write at a node."""
        return Stored(node=node, key=key, value=value, vc=session.put(key, value, node=node).vc)

    def read(self, node: str, key: str, session: Session | None = None) -> Shown:
        """Read at a node: what ``session`` is shown, or somebody who has seen nothing."""
        try:
            found = (session or self.client.session()).get(key, node=node)
        except NotFoundError:
            return Shown(node=node, key=key)
        return Shown(node=node, key=key, value=found.value, vc=found.vc)

    def versions(self, node: str, key: str, session: Session | None = None) -> Versions:
        """Read all versions of a key that a node has."""
        found = (session or self.client.session()).get(key, siblings=True, node=node).siblings
        return Versions(node=node, key=key, versions=[Version(each.value, each.vc, each.node) for each in found])

    # ---------------------------------------------------------------------------------- looking

    def status(self, node: str) -> NodeStatus:
        """Ask a node how it is."""
        return self.client.status(node)

    def clocks(self) -> Clocks:
        """Look at all clocks, side by side."""
        return Clocks(clocks={node: _by_node(status.clock) for node, status in self._statuses().items()})

    def held(self, node: str, key: str) -> Held | None:
        """Return the held write of a key, if the node holds one."""
        for write in self.client.exchange(BUFFER, node=node).held:
            if key in write.keys and write.waits_for is not None:
                return Held(node=node, dot=write.dot, keys=write.keys, waits_for=write.waits_for)
        return None

    def last_dot(self, token: CausalToken, node: str) -> str:
        """Return the dot of the last write of a node that the token covers."""
        status = self.status(node)
        replica = f"{status.node}~{status.incarnation}"
        return f"{replica}:{token.counts.get(replica, 0)}"

    # ---------------------------------------------------------------------------------- waiting

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition. Raises ClusterError when it does not come true in time."""
        looking = Retrying(
            retry=retry_if_result(lambda is_true: not is_true),
            wait=wait_fixed(LOOK_AGAIN_SECONDS),
            stop=stop_after_delay(WAIT_SECONDS),
        )
        try:
            looking(condition)
        except RetryError:
            raise ClusterError(f"not within {WAIT_SECONDS:g} s: {what}; `client status` says more") from None

    def wait_broker(self, node: str, state: str) -> None:
        """Wait until a node says that about its link to the broker."""
        self.wait_until(lambda: self.status(node).broker == state, f"{node} says that its broker is {state}")

    def wait_applied(self, token: CausalToken, *nodes: str) -> None:
        """Wait until these nodes have applied all that the token covers."""
        for node in nodes:
            self.wait_until(
                lambda node=node: token <= self.status(node).token,  # type: ignore[misc]  # bound at once
                f"{node} has applied {token}",
            )

    def wait_everywhere(self, token: CausalToken) -> None:
        """Wait until all nodes have applied all that the token covers."""
        self.wait_applied(token, *self.nodes)

    def _statuses(self) -> dict[str, NodeStatus]:
        replies = self.client.status_of_all()
        return {reply.answer.node: reply.answer for reply in replies if reply.answer is not None}


def _by_node(clock: dict[str, int]) -> dict[str, int]:
    """Add up the counts of each node's incarnations."""
    counts: dict[str, int] = {}
    for replica, count in clock.items():
        node = replica.partition("~")[0]
        counts[node] = counts.get(node, 0) + count
    return counts

"""One export: looks at the nodes, puts what they tell in order, and remembers up to where it was told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from client.errors import NoNodeCouldError
from client.trace.collecting import Collector, positions_of
from client.trace.ordering import CausalOrder, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from client.client import Client
    from client.node_events import NodeEvent
    from client.trace.collecting import Found, Look

LOOK_AGAIN_SECONDS = 0.5
# What was accepted while the first look went on is in the second.
LOOKS = 2
WANTED_WRITES_MAX = 100_000


class Export:
    """``told`` gives events; ``positions`` says, by node, behind which event another export goes on.

    ``since``: the text of earlier positions, None from the oldest events on. ``warn`` hears what a person must know.
    Raises UsageError when ``since`` is malformed, and ClusterErrors when ``node`` is not found.
    """

    def __init__(self, client: Client, node: str | None, since: str | None, warn: Callable[[str], None]) -> None:
        self.positions: dict[str, str] = {}
        self._warn = warn
        self._silent: set[str] = set()
        self._order = CausalOrder()
        urls = None if node is None else [client.url_of(node)]
        self._collector = Collector(client, urls, self._since_by_url(client, node, since))

    def _since_by_url(self, client: Client, node: str | None, since: str | None) -> dict[str, str]:
        if since is None:
            return {}
        if node is not None and "=" not in since:
            self.positions = {node: since}
            return {client.url_of(node): since}
        self.positions = positions_of(since)
        by_node = {reply.answer.node: reply.url for reply in client.status_of_all() if reply.answer is not None}
        return {by_node[name]: position for name, position in self.positions.items() if name in by_node}

    @property
    def since(self) -> str:
        """The positions as text; empty when nothing was told."""
        return ",".join(f"{node}={position}" for node, position in sorted(self.positions.items()))

    def told(self, *, is_following: bool) -> Iterator[Found | None]:
        """Give event after event in causal order; None: that is all for the moment.

        Raises NoNodeCouldError when no node answers at first; later it is a warning.
        """
        looks = 0
        while True:
            look = self._collector.look()
            looks += 1
            if looks == 1 and not look.found:
                raise NoNodeCouldError(look.errors)
            self._warn_of(look)
            self._order.add(look.found)
            for found in self._order.take():
                self.positions[found.event.node] = found.position
                yield found
            yield None
            if looks == LOOKS and not is_following:
                return
            if looks >= LOOKS:
                time.sleep(LOOK_AGAIN_SECONDS)

    def _warn_of(self, look: Look) -> None:
        for remark in look.remarks:
            self._warn(remark)
        for url, error in look.errors.items():
            if url not in self._silent:
                self._warn(f"without a node that does not answer: {error}")
        for url in self._silent - look.errors.keys():
            self._warn(f"{url} answers again")
        self._silent = set(look.errors)


class Filter:
    """Chooses the events of writes that touch one of some keys; None: all.

    A confirmation may not say its keys: the write's other events tell whose it is.
    """

    def __init__(self, keys: Collection[str] | None) -> None:
        self._keys = frozenset(keys or ())
        self._wanted = Remembered(WANTED_WRITES_MAX)

    def wants(self, event: NodeEvent) -> bool:
        """Tell whether the event is to be shown."""
        if not self._keys:
            return True
        if not event.keys:
            return event.dot in self._wanted
        if self._keys.isdisjoint(event.keys):
            return False
        self._wanted.add(event.dot)
        return True

"""Fetching the events of all nodes, look after look, each behind what the look before brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from client.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import msgspec

    from client.client import Client
    from client.errors import ClusterError
    from client.node_events import EventPage, NodeEvent

PAGE_EVENTS = 2_000
LOOK_EVENTS_MAX = 50_000
"""So many events of a node are taken in at one look at most: all are held in memory until they are in order."""


class Found(NamedTuple):
    """One event as it was found: typed, as the node's own text, and the position that resumes behind it."""

    event: NodeEvent
    text: msgspec.Raw
    position: str


@dataclass(slots=True)
class Look:
    """What came of one look at all nodes.

    ``found``: new events by node, in order; a node that answered has an entry. ``errors``: by address, who did not
    answer. ``remarks``: what a person must know about the events of a node.
    """

    found: dict[str, list[Found]] = field(default_factory=dict)
    errors: dict[str, ClusterError] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


class Collector:
    """Looks at the nodes at ``urls`` of a client's cluster, or at all."""

    def __init__(
        self, client: Client, urls: Iterable[str] | None = None, since: Mapping[str, str] | None = None
    ) -> None:
        """``since``: positions by address, behind which the first look begins."""
        self._client = client
        self._urls = list(client.urls if urls is None else urls)
        self._since = dict(since or {})
        self._runs: dict[str, str] = {}
        """Which address a run was met at: a node may have several, and counts once."""

    def look(self) -> Look:
        """Fetch what is new at each node. Raises no ClusterError: who did not answer stands in ``errors``."""
        look = Look()
        urls = self._urls
        while urls:
            replies = self._client.events_of_all(self._since, limit=PAGE_EVENTS, urls=urls)
            urls = []
            for reply in replies:
                if reply.error is not None:
                    look.errors[reply.url] = reply.error
                elif reply.answer is not None and self._take(reply.url, reply.answer, look):
                    urls.append(reply.url)
        return look

    def _take(self, url: str, page: EventPage, look: Look) -> bool:
        """Note one page; returns whether the next is to be fetched at once."""
        if self._runs.setdefault(page.run, url) != url:
            self._urls.remove(url)
            look.remarks.append(f"{url} is {page.node}, too: it is asked at {self._runs[page.run]} alone")
            return False
        before = self._since.get(url)
        found = look.found.setdefault(page.node, [])
        found += [
            Found(event, text, f"{page.run}-{event.number}")
            for event, text in zip(page.events, page.texts, strict=True)
        ]
        if before is not None and page.dropped is None:
            look.remarks.append(f"{page.node} was started anew: what was not read of its events before is gone")
        elif page.dropped:
            look.remarks.append(f"{page.node} no longer keeps the {page.dropped} events before: they are left out")
        self._since[url] = page.next
        if page.more and len(found) >= LOOK_EVENTS_MAX:
            look.remarks.append(f"{page.node} has more than {LOOK_EVENTS_MAX} events: --since reads on behind these")
        return page.more and page.next != before and len(found) < LOOK_EVENTS_MAX


def positions_of(text: str) -> dict[str, str]:
    """Positions by node, as ``node1=k3f9x2-118,node2=7``. Raises UsageError."""
    positions: dict[str, str] = {}
    for part in text.split(","):
        node, _, position = part.strip().partition("=")
        if not node or not position or node in positions:
            raise UsageError(
                f"--since is {text[:80]!r}: use what an earlier export said at its end, such as "
                "node1=k3f9x2-118,node2=q7w8e9-40; with --node one position alone is enough"
            )
        positions[node] = position
    return positions

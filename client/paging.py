"""Reading page after page, as one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from client import requests
from client.protocol import RawAnswer, read_answer
from client.steps import Deliver

if TYPE_CHECKING:
    from client.cluster import Cluster
    from client.data_answers import ScanPage, SetPage
    from client.session_state import SessionState
    from client.steps import Items, Steps

PAGE_LIMIT = 1000


def scan_pages(
    cluster: Cluster,
    session: SessionState,
    prefix: str,
    *,
    after: str | None = None,
    limit: int | None = None,
    node: str | None = None,
) -> Items[ScanPage]:
    """Deliver the pages of a scan until there are no more, or ``limit`` keys were on them; None: no limit."""
    left = limit
    while left is None or left > 0:
        request = requests.scan(prefix, after=after, limit=PAGE_LIMIT if left is None else min(left, PAGE_LIMIT))
        page = yield from cluster.exchange(request, node=node, session=session)
        yield Deliver(page)
        if page.next is None:
            return
        after = page.next
        left = None if left is None else left - len(page.keys)


def whole_set(cluster: Cluster, session: SessionState, key: str, *, node: str | None) -> Steps[SetPage]:
    """Read all members of a set, joined to one page."""
    request = requests.smembers(key, after=None, limit=PAGE_LIMIT)
    page = yield from cluster.exchange(request, node=node, session=session)
    if page.next is None:
        return page
    members: list[Any] = list(page.stored)
    while page.next is not None:
        request = requests.smembers(key, after=page.next, limit=PAGE_LIMIT)
        page = yield from cluster.exchange(request, node=node, session=session)
        members += page.stored
    joined = msgspec.json.encode({**page.answer, "members": members, "next": None})
    return read_answer(request, RawAnswer("", 200, joined))

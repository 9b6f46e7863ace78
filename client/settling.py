"""Waiting until the nodes of a cluster have what was written to it."""

from __future__ import annotations

import time
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from client.causal_token import CausalToken

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from client.client import Client

POLL_SECONDS = 0.05


def settle(
    client: Client,
    nodes: Collection[str],
    tokens: Iterable[CausalToken],
    timeout_seconds: float,
    waiting: Callable[[int], None] = lambda _behind: None,
) -> list[str]:
    """Wait until each node has applied what ``tokens`` cover and what any node has now; the names of those that do not.

    Not until nothing is on its way: the cluster may have other users. ``waiting`` is told how many are behind.
    """
    deadline = time.monotonic() + timeout_seconds
    target: CausalToken | None = None
    while True:
        answers = [reply.answer for reply in client.status_of_all() if reply.answer is not None]
        if target is None:
            target = reduce(or_, (*tokens, *(answer.token for answer in answers)), CausalToken())
        behind = set(nodes) - {answer.node for answer in answers if target <= answer.token}
        if not behind or time.monotonic() > deadline:
            return sorted(behind)
        waiting(len(behind))
        time.sleep(POLL_SECONDS)

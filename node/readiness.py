"""Whether a node has caught up and serves: its queue's backlog, its peers' state, its membership."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from node.joining import BROKER_GRACE_SECONDS

if TYPE_CHECKING:
    from node.cluster_view import ClusterView
    from node.joining import Joining
    from node.link import Link

# A backlog of which nothing arrives any more has gone (a queue was purged): waiting for it would last for ever.
BACKLOG_GRACE_SECONDS = 10.0


class Readiness:
    """Judges it; from any thread."""

    def __init__(self, link: Link, joining: Joining, cluster: ClusterView) -> None:
        self._link = link
        self._joining = joining
        self._cluster = cluster
        self._started_at = time.monotonic()
        self._backlog_is_in = False

    def backlog_is_in(self) -> None:
        """What had waited in the queue when this node connected is applied or held."""
        self._backlog_is_in = True

    def why_not(self) -> str:
        """Why the node is not ready; empty when it is."""
        if self._cluster.was_removed:
            return "this node was removed from the cluster: stop it; to join again, start it without its data"
        if self._backlog_is_in:
            return self._why_not_joined()
        if self._link.state != "disconnected":
            self._link.forget_lost_backlog(BACKLOG_GRACE_SECONDS)
            return f"catching up: {self._link.backlog_messages} messages of the backlog have not arrived yet"
        if time.monotonic() - self._started_at < BROKER_GRACE_SECONDS:
            return "connecting to the broker"
        return "joining: waiting for the broker" if self._joining.must_not_read else ""

    def _why_not_joined(self) -> str:
        if self._joining.is_over:
            return ""
        left_writes = self._joining.left_writes
        if left_writes is None:
            return "asking the other nodes where they are"
        return f"catching up: {left_writes} writes of the other nodes are missing here"

"""What the replica's thread shows to the other threads of the cluster: its members, and what is missing here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.clocks import steady_ms, wall_ms
from node.members_report import report_members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.replica import Replica
    from node.core.shown_clock import ShownClocks
    from node.decoding import Decoding
    from node.healing import Healing
    from node.joining import Joining
    from node.members_report import MemberReport


class ClusterView:
    """Refreshed a few times a second; each attribute is a value that is replaced, never changed."""

    def __init__(
        self,
        node_id: str,
        url: str,
        *,
        healing: Healing,
        joining: Joining,
        decoding: Decoding,
        shown_clocks: ShownClocks,
        skew_warn_seconds: float,
    ) -> None:
        self._node_id = node_id
        self._url = url
        self._healing = healing
        self._joining = joining
        self._decoding = decoding
        self._shown_clocks = shown_clocks
        self._skew_warn_seconds = skew_warn_seconds
        self._heard: set[str] = set()
        self._known_replicas: frozenset[str] = frozenset()
        self.replica = ""
        self.members: Sequence[MemberReport] = ()
        self.was_removed = False
        self.missing_writes = 0
        self.history_writes = 0
        self.timestamp_ahead_seconds = 0.0
        self._gaps: dict[str, int] = {}
        self._is_name_safe = True

    # ------------------------------------------------------------------ on the replica's thread

    def refresh(self, replica: Replica) -> None:
        """Look at the replica."""
        now_ms = steady_ms()
        upkeep, delivery = replica.anti_entropy, replica.delivery
        self.replica = replica.replica
        self.members = report_members(replica, self._node_id, self._url, now_ms)
        self.was_removed = all(member.node != self._node_id for member in self.members)
        peers = replica.members.peers.values()
        self._known_replicas = frozenset(delivery.buffer.known).union(*((peer.replica, *peer.clock) for peer in peers))
        self.missing_writes = upkeep.catch_up.missing_writes(now_ms)
        self.history_writes = upkeep.trimming.kept_writes(delivery.applied)
        self.timestamp_ahead_seconds = max(0.0, (delivery.timestamp.physical_ms - wall_ms()) / 1000)
        self._gaps = upkeep.catch_up.repairer.gaps
        self._is_name_safe = upkeep.naming.identity.is_sure
        for node in self._heard & replica.members.peers.keys():
            self._joining.heard(node, replica.members.peers[node].clock)
        self._heard.clear()
        self._joining.progress(replica.clock)
        self._look_at_wall_clocks()

    def _look_at_wall_clocks(self) -> None:
        for member in self.members:
            if member.clock_ahead_seconds is None or member.node == self._node_id:
                continue
            if member.alive and abs(member.clock_ahead_seconds) > self._skew_warn_seconds:
                self._healing.clock_skew(member.node, member.clock_ahead_seconds)

    def connected(self, replica: Replica) -> None:
        """The link is there (again): a node that had not heard of a removal may have made the queue again."""
        for node in replica.members.removed:
            if node != self._node_id:
                self._healing.delete_queue(node)

    def peer_told(self, node: str) -> None:
        """A peer told its clock."""
        self._heard.add(node)

    def members_changed(self, nodes: Sequence[str]) -> None:
        """The members are now these."""
        self._shown_clocks.members_are(nodes)
        self._decoding.senders = self._decoding.senders.with_members(nodes)

    # ----------------------------------------------------------------------- from any thread

    def has_heard_of(self, replica: str) -> bool:
        """Whether this replica is known to have written, or to be there."""
        return replica in self._known_replicas or replica == self.replica

    def report(self) -> dict[str, Any]:
        """For ``/status``."""
        return {
            "members": [member._asdict() for member in self.members],
            "missing_writes": self.missing_writes,
            "history_writes": self.history_writes,
            "timestamp_ahead_seconds": round(self.timestamp_ahead_seconds, 3),
            "healing": {
                "asking_for": self._gaps,
                "catching_up_writes": self._joining.left_writes,
                "name_is_safe": self._is_name_safe,
                **self._healing.report(),
            },
        }

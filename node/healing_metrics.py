"""What healing the cluster counts, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class HealingMetrics:
    """What a node does to heal the cluster."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"causalkv_{name}", text, registry=registry)

        self.repairs_asked = counter("repairs_asked", "Requests for missing writes that were sent to peers")
        self.repaired_writes = counter("repaired_writes", "Missing writes that came from peers on request")
        self.given_writes = counter("repair_given_writes", "Writes given to peers that missed them")
        self.snapshot_parts_taken = counter("snapshot_parts_taken", "Parts of snapshots that came from peers")
        self.snapshot_parts_given = counter("snapshot_parts_given", "Parts of snapshots given to peers")
        self.snapshots_adopted = counter("snapshots_adopted", "Snapshots of peers that were merged")
        self.control_dropped = counter("control_dropped", "Control messages dropped as not valid or not asked for")
        self.twins_seen = counter("twins_seen", "Messages of another process under this node's id")
        self.timestamps_ahead = counter("timestamps_ahead", "Writes dated too far in the future, sampled under load")

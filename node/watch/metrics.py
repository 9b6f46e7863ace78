"""What watching counts, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class WatchMetrics:
    """The metrics of a node's watchers, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.watchers = Gauge("causalkv_watchers", "Clients that watch", registry=registry)
        self.events = Counter("causalkv_watch_events", "Events handed to watchers", registry=registry)
        self.cut_off = Counter("causalkv_watchers_cut_off", "Watchers cut off: they read too slowly", registry=registry)
        self.resets = Counter(
            "causalkv_watch_resets", "Watchers told that history does not reach back to them", registry=registry
        )

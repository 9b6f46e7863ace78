"""What recording and streaming events counts, for Prometheus.

How many events of each kind there are, the metrics about writes say already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class EventMetrics:
    """The metrics of a node's events, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.recorded = Counter("causalkv_events_recorded", "Steps of writes recorded for /events", registry=registry)
        self.streams = Gauge("causalkv_event_streams", "Clients that are streamed events", registry=registry)
        self.left_out = Counter(
            "causalkv_events_left_out", "Events that streams were told of by number only", registry=registry
        )
        self.cut_off = Counter(
            "causalkv_event_streams_cut_off", "Streams of events cut off: nobody read them", registry=registry
        )

"""Every alert that a few minutes can bring about, on real nodes with real faults, seen to fire and to end.

Run by hand, about a quarter of an hour: ``python -m tests.drills.alerts``. Prometheus runs with the project's own
configuration and rules as they are; nothing is made faster. Not seen here: commits that are slow, which needs a slow
disk, and history pinned for an hour; ``tests/unit/infra/test_alert_rules.py`` plays them to Prometheus's rule engine.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pika
from rich.console import Console
from rich.table import Table

from tests.integration.node.wire import Wire
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest, NodeUnderTest
from tests.support.observability import alerts
from tests.support.prometheus import PrivatePrometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLUSTER = "drill"
NOBODY_THERE = "amqp://guest:guest@127.0.0.1:1/%2F"
GHOST = "ghost~aaaaaa"
FIRE_SECONDS = 480.0
END_SECONDS = 1_000.0
STORE_BYTES = 16 * 1024 * 1024
# What no drill brings about.
NOT_HERE = {"CausalKVCommitsSlow", "CausalKVHistoryPinned"}


class Watch:
    """Notes when each alert first fires, and when it no longer does."""

    def __init__(self, prometheus: PrivatePrometheus) -> None:
        self._prometheus = prometheus
        self.began: dict[str, float] = {}
        self.fired: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self._asked_to_end: dict[str, float] = {}

    def look(self) -> None:
        """See what fires now."""
        firing, now = self._prometheus.firing(), time.monotonic()
        for name in firing:
            if name not in self.fired:
                self.fired[name] = now - self.began.get(name, now)
                Console().print(f"{name} fires")
            self.ended.pop(name, None)
        for name in self.fired.keys() - firing - self.ended.keys():
            self.ended[name] = now - self._asked_to_end.get(name, now)
            Console().print(f"{name} has ended")

    def until(self, over: Callable[[], bool], timeout_seconds: float) -> None:
        """Go on looking."""
        deadline = time.monotonic() + timeout_seconds
        while not over() and time.monotonic() < deadline:
            self.look()
            time.sleep(1)

    def forget(self, urls: dict[str, str]) -> None:
        """Have Prometheus ask these alone."""
        self._prometheus.list_nodes(urls)

    def begin(self, *names: str) -> None:
        """From now on these are to fire."""
        self.began.update(dict.fromkeys(names, time.monotonic()))

    def end(self, *names: str) -> None:
        """From now on these are to end."""
        self._asked_to_end.update(dict.fromkeys(names, time.monotonic()))


class Drill:
    """The cluster and what is done to it."""

    def __init__(self, directory: Path, broker: PrivateBroker) -> None:
        self._broker = broker
        self._over = threading.Event()
        self.cluster = ClusterUnderTest(
            directory,
            broker.url,
            cluster=CLUSTER,
            CAUSALKV_FAULTS="1",
            CAUSALKV_OUTBOX_MAX_WRITES="200",
            CAUSALKV_LOG_WRITES_PER_SECOND="0",
        )
        self.joining = self.cluster.add("node4")
        self.cluster.take_out("node4")
        common = {name: self.joining.environment[name] for name in ("CAUSALKV_NODES", "CAUSALKV_AMQP_URL")}
        self.alone = NodeUnderTest(
            "alone",
            directory,
            {
                "CAUSALKV_NODES": "alone",
                "CAUSALKV_AMQP_URL": "memory://",
                "CAUSALKV_STORE_MAX_BYTES": str(STORE_BYTES),
                "CAUSALKV_HISTORY_MAX_WRITES": "1000",
            },
        )
        self.twin = NodeUnderTest("node2", directory / "twin", {**common, "CAUSALKV_CLUSTER": CLUSTER})

    @property
    def urls(self) -> dict[str, str]:
        """Whom Prometheus asks."""
        return {node.name: node.url for node in (*self.cluster, self.joining, self.alone)}

    def close(self) -> None:
        """End everything."""
        self._over.set()
        self.cluster.kill()
        for node in (self.joining, self.alone, self.twin):
            node.kill()
            node.http.close()

    # --------------------------------------------------------------------------------- the faults

    def first(self, watch: Watch) -> Iterator[None]:
        """Everything that can go wrong at the same time, until it is to be well again."""
        self._go_wrong(watch)
        yield
        watch.end(*watch.began)
        self._put_right(watch)
        yield

    def _go_wrong(self, watch: Watch) -> None:
        one, two, three = self.cluster
        watch.until(lambda: False, 12)  # a counter must have been seen before it rises
        with Wire(self._broker.url, CLUSTER) as wire:
            watch.begin("CausalKVMembersDiffer", "CausalKVNodeNotReady", "CausalKVHistoryFilling")
            self.alone.start()
            self.joining.start(CAUSALKV_AMQP_URL=NOBODY_THERE)
            self.alone.wait_ready()
            watch.begin("CausalKVMessagesRefused")
            self._refuse(two)
            watch.begin("CausalKVBrokerDisconnected", "CausalKVOutboxFilling", "CausalKVWritesUnconfirmed")
            watch.begin("CausalKVLimitReached")
            fault(one, cut=True)
            for number in range(220):  # the outbox takes 200
                one.put(f"unconfirmed{number}", number)
            watch.begin("CausalKVNodeDown", "CausalKVPeerSilent")
            three.kill()
            watch.begin("CausalKVWritesHeldLong", "CausalKVWritesMissing")
            wire.publish_to("node2", ghost_write(2))
            watch.begin("CausalKVMessagesRejected", "CausalKVControlMessagesDropped")
            wire.publish(b"garbage")
            wire.tell("all", *[b"garbage %d" % number for number in range(100)])
            watch.begin("CausalKVNodeIdUsedTwice")
            self.twin.log_file.parent.mkdir()
            self.twin.start()
            watch.begin("CausalKVRequestsSlow", "CausalKVRequestsFailing")
            for work in (self._wait_for_all, self._ask_for_the_impossible):
                threading.Thread(target=work, args=(two,)).start()
            watch.begin("CausalKVStoreFilling", "CausalKVStoreFull")
            self._fill(self.alone)

    def _put_right(self, watch: Watch) -> None:
        one, two, three = self.cluster
        self._over.set()
        self.twin.kill()
        # Another connection: the first one has not answered the broker for minutes.
        with Wire(self._broker.url, CLUSTER) as wire:
            wire.publish(ghost_write(1))
            wire.publish(ghost_write(2))
        fault(one, clear=True)
        fault(two, clear=True)
        self.joining.kill()
        self.joining.start()
        self.alone.kill()
        self.alone.start(CAUSALKV_STORE_MAX_BYTES=str(64 * STORE_BYTES), CAUSALKV_HISTORY_MAX_WRITES="1000000")
        watch.begin("CausalKVNodeRestarting")
        for _ in range(4):
            three.start()
            three.wait_ready()
            watch.until(lambda: False, 12)  # Prometheus looks every five seconds
            three.terminate()
        three.start()
        three.wait_ready()
        self.cluster.quiesce()

    def second(self, watch: Watch) -> Iterator[None]:
        """What needs a cluster that is well: slow replication, then a broker that takes nothing."""
        one, two, three = self.cluster
        self._over.clear()
        watch.begin("CausalKVClockSkew", "CausalKVReplicationSlow", "CausalKVMessagesLost")
        fault(two, wall_offset=60, drop=["node1"])
        fault(three, delay={"node1": 15})
        threading.Thread(target=self._write, args=(one,)).start()
        yield
        watch.end("CausalKVClockSkew", "CausalKVReplicationSlow")
        self._over.set()
        fault(two, clear=True, wall_offset=0)
        fault(three, clear=True)
        self.cluster.quiesce()
        watch.begin("CausalKVBrokerBlocked")
        with self._broker.alarm("memory"):
            one.put("blocked", 1)
            yield
            watch.end("CausalKVBrokerBlocked")
        watch.forget({name: url for name, url in self.urls.items() if name != "alone"})  # a cluster of its own
        yield

    def _refuse(self, node: NodeUnderTest) -> None:
        """Have the broker refuse a few messages: a queue that takes one is bound for a moment."""
        connection = pika.BlockingConnection(pika.URLParameters(self._broker.url))
        channel = connection.channel()
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", durable=True, arguments=limits)
        channel.queue_bind("full", f"{CLUSTER}.writes")
        for number in range(5):
            node.put(f"refused{number}", number)
            time.sleep(0.2)
        channel.queue_delete("full")
        connection.close()

    def _fill(self, node: NodeUnderTest) -> None:
        """Write until nothing fits any more."""
        for number in range(900):
            node.put(f"small{number}", number)
        value = "v" * 100_000
        while node.put("large", value).status_code != 507:  # disk full
            pass

    def _wait_for_all(self, node: NodeUnderTest) -> None:
        while not self._over.is_set():
            with contextlib.suppress(Exception):
                node.http.post("/put", json={"key": "all", "value": 1, "ack": "all", "ack_timeout": 4})

    def _ask_for_the_impossible(self, node: NodeUnderTest) -> None:
        while not self._over.wait(0.2):
            with contextlib.suppress(Exception):
                node.http.get("/get?key=x", headers={"X-Causal-Context": "nobody~aaaaaa=1", "X-Causal-Wait": "0"})

    def _write(self, node: NodeUnderTest) -> None:
        number = 0
        while not self._over.wait(0.2):
            number += 1
            with contextlib.suppress(Exception):
                node.put(f"slow{number % 10}", number)


def fault(node: NodeUnderTest, **what: object) -> None:
    """POST /faults."""
    node.http.post("/faults", json=what).raise_for_status()


def ghost_write(seq: int) -> bytes:
    """A write of a replica that nobody knows."""
    operations = [{"op": "put", "key": "ghost", "value": seq}]
    write = {"replica": GHOST, "seq": seq, "vector_clock": {GHOST: seq}, "timestamp": [1, seq], "ops": operations}
    return json.dumps({"format": 1, "sender": GHOST, "writes": [write]}).encode()


def main() -> int:
    """Carry all of it out; 1 when an alert that should fire did not, or did not end."""
    with tempfile.TemporaryDirectory() as name, PrivateBroker() as broker:
        drill = Drill(Path(name), broker)
        try:
            drill.cluster.start()
            with PrivatePrometheus(drill.urls) as prometheus:
                return report(carried_out(drill, Watch(prometheus)))
        finally:
            drill.close()


def carried_out(drill: Drill, watch: Watch) -> Watch:
    """All faults, one part after the other."""
    wanted = {alert.name for alert in alerts()} - NOT_HERE
    for part in (drill.first(watch), drill.second(watch)):
        for _ in part:
            watch.until(lambda: watch.began.keys() <= watch.fired.keys(), FIRE_SECONDS)
    watch.end(*(wanted - watch.ended.keys()))
    watch.until(lambda: watch.fired.keys() <= watch.ended.keys(), END_SECONDS)
    return watch


def report(watch: Watch) -> int:
    """Print what was seen."""
    table = Table("alert", "fires after, s", "ends after, s", title="alerts at real faults")
    missed = 0
    for alert in alerts():
        fired, ended = watch.fired.get(alert.name), watch.ended.get(alert.name)
        seen = "not here" if alert.name in NOT_HERE else "NEVER"
        missed += alert.name not in NOT_HERE and (fired is None or ended is None)
        table.add_row(alert.name, seen if fired is None else f"{fired:.0f}", "" if ended is None else f"{ended:.0f}")
    Console(width=100).print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Faults by force on a cluster of processes over one broker, chosen by a seed, one round after the other."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from tests.integration.force.sessions import ForceLoad
from tests.support.cluster import READY_TIMEOUT_SECONDS, ClusterUnderTest, wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from client.consistency.history import History
    from tests.support.broker import PrivateBroker
    from tests.support.cluster import NodeUnderTest

HEARTBEAT_SECONDS = 5
# A peer of a silent connection gives it up after two heartbeats without a sign of life.
SILENCE_SECONDS = 2 * HEARTBEAT_SECONDS + 2
CUT_SECONDS = 3.0
REQUESTS_BETWEEN_FAULTS = (30, 150)
REQUESTS_WHILE_BROKEN = 60
# One broker alone keeps causal order: without late messages no causal buffer would ever hold anything.
DELAY_SECONDS = (0.05, 0.4)
DELAYED_LINKS = 2
CHANCE_OF_A_SECOND_BLOW = 0.5
QUIET_TIMEOUT_SECONDS = 60.0


class Fault(NamedTuple):
    """What was done, and when by the clock of the history."""

    start_seconds: float
    end_seconds: float
    what: str

    def __str__(self) -> str:
        return f"{self.start_seconds:7.2f} to {self.end_seconds:7.2f} s: {self.what}"


class Chaos:
    """A cluster with a network of its own to the broker for each node, under load and under fire."""

    def __init__(
        self, directory: Path, broker: PrivateBroker, *, seed: int, sends_token: bool = True, cluster: str
    ) -> None:
        self.seed = seed
        self.faults: list[Fault] = []
        self._random = random.Random(seed)
        self._broker = broker
        self._resources = ExitStack()
        address = urlsplit(broker.url)
        assert address.hostname is not None
        self._networks = {}
        self.cluster = ClusterUnderTest(
            directory,
            broker.url,
            cluster=cluster,
            CAUSALKV_FAULTS="1",
            CAUSALKV_BROKER_HEARTBEAT_SECONDS=str(HEARTBEAT_SECONDS),
        )
        for node in self.cluster:
            network = self._resources.enter_context(TcpProxy(address.hostname, broker.amqp_port))
            self._networks[node.name] = network
            through = broker.url.replace(f":{broker.amqp_port}/", f":{network.port}/")
            node.environment["CAUSALKV_AMQP_URL"] = through
        self.load = ForceLoad({node.name: node.url for node in self.cluster}, seed=seed, sends_token=sends_token)
        self._resources.callback(self.load.close)

    def __enter__(self) -> Self:
        try:
            self._resources.enter_context(self.cluster)
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def blows(self) -> list[Callable[[], None]]:
        """Every kind of fault there is."""
        return [
            self.kill_node,
            self.kill_broker,
            self.stop_node,
            self.cut_network,
            self.swallow_requests,
            self.swallow_answers,
            self.forget_connections,
        ]

    def play(self, rounds: int) -> None:
        """So many faults under load: every kind once, in an order of the seed's, before any comes again."""
        order: list[Callable[[], None]] = []
        while len(order) < rounds:
            order += self._random.sample(self.blows, len(self.blows))
        with self.load.running():
            for blow in order[:rounds]:
                self._delay_some_messages()
                self.load.wait_for_requests(self._random.randint(*REQUESTS_BETWEEN_FAULTS))
                blow()
                self.heal()
            self.load.wait_for_requests(REQUESTS_WHILE_BROKEN)

    def play_without_faults(self, requests: int) -> None:
        """Only late messages, on every link."""
        for node in self.cluster:
            delays = {
                origin.name: self._random.uniform(*DELAY_SECONDS) for origin in self.cluster if origin is not node
            }
            node.http.post("/faults", json={"delay": delays}).raise_for_status()
        with self.load.running():
            self.load.wait_for_requests(requests)

    def heal(self) -> None:
        """Wait until every node serves and is connected again."""
        for node in self.cluster:
            node.wait_ready()
        self.cluster.wait_connected()

    def rest(self) -> History:
        """End the delays, wait until nothing is on its way, and record what every node shows of every key."""
        for node in self.cluster:
            node.http.post("/faults", json={"clear": True}).raise_for_status()
        self.cluster.quiesce((), QUIET_TIMEOUT_SECONDS)
        self.load.record_finals()
        return self.load.history

    def statistics(self) -> str:
        """One line on what the run was like."""
        operations = self.load.history.operations
        outcomes = {outcome: sum(o.outcome == outcome for o in operations) for outcome in ("ok", "failed", "unknown")}
        return (
            f"seed {self.seed}: {len(operations)} operations {outcomes}, {len(self.faults)} faults, "
            f"{self.load.siblings_seen()} reads with siblings, {self.load.moves} moves between nodes"
        )

    def report(self) -> str:
        """What a failure needs to be understood: the seed, the faults with their times, and the ends of the logs."""
        logs = "\n".join(node.log_tail() for node in self.cluster)
        return "\n".join([self.statistics(), *map(str, self.faults), logs])

    # ---------------------------------------------------------------------------------- blows

    def kill_node(self) -> None:
        """``kill -9`` of a node, and a restart."""
        node = self._choose()
        with self._fault(f"kill -9 of {node.name}"):
            node.kill()
            self.load.wait_for_requests(REQUESTS_WHILE_BROKEN)
            node.start()
            node.wait_ready()

    def kill_broker(self) -> None:
        """``kill -9`` of the broker, and a restart; the nodes go on alone."""
        with self._fault("kill -9 of the broker"):
            self._broker.kill()
            self._second_blow()
            self.load.wait_for_requests(REQUESTS_WHILE_BROKEN)
            self._broker.start()

    def stop_node(self) -> None:
        """SIGSTOP for longer than the broker waits for a heartbeat; then the node goes on, as if nothing had been."""
        node = self._choose()
        with self._fault(f"SIGSTOP of {node.name}"):
            os.kill(node.pid, signal.SIGSTOP)
            try:
                self._last(SILENCE_SECONDS, spared=node)
            finally:
                os.kill(node.pid, signal.SIGCONT)

    def cut_network(self) -> None:
        """A node's connections to the broker break, and no new ones come about."""
        node = self._choose()
        with self._fault(f"network between {node.name} and the broker cut"):
            self._networks[node.name].cut()
            self._last(CUT_SECONDS)
            self._networks[node.name].restore()

    def swallow_requests(self) -> None:
        """What a node sends to the broker vanishes, while it still gets what the broker sends."""
        node = self._choose()
        with self._fault(f"what {node.name} sends to the broker vanishes"):
            self._networks[node.name].swallow(requests=True)
            self._last(SILENCE_SECONDS)
            self._networks[node.name].restore()

    def swallow_answers(self) -> None:
        """What the broker sends to a node vanishes, while it still gets what the node sends."""
        node = self._choose()
        with self._fault(f"what the broker sends to {node.name} vanishes"):
            self._networks[node.name].swallow(answers=True)
            self._last(SILENCE_SECONDS)
            self._networks[node.name].restore()

    def forget_connections(self) -> None:
        """A node's connections go dead without a word, while new ones work: the broker still feeds the old ones."""
        node = self._choose()
        with self._fault(f"the connections of {node.name} to the broker go dead"):
            self._networks[node.name].forget()
            self._last(SILENCE_SECONDS)
            self._networks[node.name].restore()

    # ---------------------------------------------------------------------------------- helpers

    @contextmanager
    def _fault(self, what: str) -> Iterator[None]:
        start_seconds = self.load.seconds()
        try:
            yield
        finally:
            self.faults.append(Fault(start_seconds, self.load.seconds(), what))

    def _last(self, seconds: float, *, spared: NodeUnderTest | None = None) -> None:
        """Let a fault last so long: it is about what silence does. Now and then a node is killed meanwhile."""
        end = time.monotonic() + seconds
        self._second_blow(spared)
        wait_until(lambda: time.monotonic() >= end, "time passes", seconds + READY_TIMEOUT_SECONDS)

    def _second_blow(self, spared: NodeUnderTest | None = None) -> None:
        if self._random.random() < CHANCE_OF_A_SECOND_BLOW:
            node = self._random.choice([node for node in self.cluster if node is not spared])
            with self._fault(f"meanwhile kill -9 of {node.name}"):
                node.kill()
                node.start()

    def _choose(self) -> NodeUnderTest:
        return self._random.choice(list(self.cluster))

    def _delay_some_messages(self) -> None:
        """What comes from one node reaches another late, and in any order with the rest."""
        for _ in range(DELAYED_LINKS):
            node, origin = self._random.sample(list(self.cluster), 2)
            delay_seconds = self._random.uniform(*DELAY_SECONDS)
            node.http.post("/faults", json={"delay": {origin.name: delay_seconds}}).raise_for_status()

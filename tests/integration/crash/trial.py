"""One cluster, one broker, one load and one judge, over many rounds of blows."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from prometheus_client.parser import text_string_to_metric_families

from node.crash_points import VARIABLE
from node.store import Store
from tests.integration.crash.audit import Audit, node_of
from tests.integration.crash.stored import decode_history, decode_versions, read_tables
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.load import COUNTER, Load, Outcome, counter_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.core.state import SavedReplica
    from tests.integration.crash.stored import Tables
    from tests.support.broker import PrivateBroker
    from tests.support.cluster import NodeUnderTest
    from tests.support.load import Clock

CLUSTER = "crash"
STORE_MAX_BYTES = 2**30
CRASH_TIMEOUT_SECONDS = 60.0
COUNTED_TIMEOUT_SECONDS = 5.0

Counters = dict[str, int]
# How many writes are acknowledged before a blow, and how often a node comes by an armed place before it dies there.
WRITES_BEFORE_BLOW = (5, 100)
WRITES_AFTER_BLOW = 30
PASSES = (1, 40)
# One broker alone keeps causal order: without late messages nothing would ever have to wait.
DELAY_SECONDS = (0.05, 0.3)


@dataclass
class Round:
    """What is known of one round; shown when a test fails."""

    number: int
    blow: str = ""
    victim: str = ""
    acknowledged: int = 0
    unknown: int = 0
    unknown_took_effect: int = 0
    unconfirmed_at_death: int = 0
    """Writes that the dead node's store held, and of which it did not know that the broker had them."""
    held_at_death: int = 0
    """Writes that waited in the dead node's causal buffer."""
    held_back: dict[str, int] = field(default_factory=dict)
    """Received writes that had to wait at each node, in this round or since its last start."""
    duplicates: dict[str, int] = field(default_factory=dict)
    """Received writes that each node had already and dropped, likewise."""


class Trial:
    """Plays rounds: load, a blow, everything up again, load, silence, judgement."""

    def __init__(self, directory: Path, broker: PrivateBroker, *, seed: int) -> None:
        self.seed = seed
        self.rounds: list[Round] = []
        self._random = random.Random(seed)
        self._broker = broker
        self.cluster = ClusterUnderTest(
            directory,
            broker.url,
            cluster=CLUSTER,
            CAUSALKV_FAULTS="1",
            CAUSALKV_HISTORY_KEEP_WRITES="1000000",  # the audit reads all of it
        )
        self.load = Load({node.name: node.url for node in self.cluster}, seed=seed, counts=True)
        self._audit = Audit()
        # What each node had applied when its process started: its counters count from there.
        self._applied_at_start: dict[str, Clock] = {node.name: {} for node in self.cluster}
        self._counted_before: dict[str, Counters] = {node.name: {} for node in self.cluster}
        self._round = Round(0)

    def __enter__(self) -> Self:
        self.cluster.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.__exit__()
        self.load.close()

    def play(self, blow: Callable[[], None]) -> Round:
        """One round, at whose end nothing acknowledged may be lost; returns what was seen."""
        self._round = Round(len(self.rounds) + 1)
        self.rounds.append(self._round)
        try:
            self._delay_some_messages()
            with self.load.running():
                self.load.wait_for_writes(self._random.randint(*WRITES_BEFORE_BLOW))
                blow()
                # Whoever died comes back while clients are at work.
                for node in self.cluster:
                    node.wait_ready()
                self.cluster.wait_connected()
                self.load.wait_for_writes(WRITES_AFTER_BLOW)
            self._end_delays()
            self.settle()
        finally:
            # pytest shows it with a failure
            print(f"seed {self.seed}, {self._round}")  # noqa: T201
        return self._round

    def _delay_some_messages(self) -> None:
        """What comes from one node reaches another late, and in any order with the rest."""
        node, origin = self._random.sample(list(self.cluster), 2)
        delay_seconds = self._random.uniform(*DELAY_SECONDS)
        node.http.post("/faults", json={"delay": {origin.name: delay_seconds}}).raise_for_status()

    def _end_delays(self) -> None:
        for node in self.cluster:
            node.http.post("/faults", json={"clear": True}).raise_for_status()

    # ----------------------------------------------------------------------------------- blows

    def kill_node(self) -> None:
        """``kill -9`` of a node, at any moment."""
        victim = self._choose_victim()
        self._round.blow = f"kill -9 of {victim.name}"
        victim.kill()
        self._restart(victim)

    def crash_in(self, place: str) -> None:
        """A node dies by itself, as by ``kill -9``, when it comes by a place for the n-th time."""
        victim, passes = self._choose_victim(), self._random.randint(*PASSES)
        self._round.blow = f"{victim.name} dies at {place}@{passes}"
        victim.kill()
        self._restart(victim, **{VARIABLE: f"{place}@{passes}"})
        wait_until(lambda: not victim.runs, self._round.blow, CRASH_TIMEOUT_SECONDS, victim.log_tail)
        assert victim.exit_code == -signal.SIGKILL, victim.log_tail()
        self._restart(victim)

    def kill_broker(self) -> None:
        """``kill -9`` of the broker while all nodes go on."""
        self._round.blow = "kill -9 of the broker"
        self._broker.kill()
        self.load.wait_for_writes(WRITES_AFTER_BLOW)
        self._broker.start()

    def kill_broker_and_node(self) -> None:
        """``kill -9`` of the broker, and then of a node that has writes which nobody else has."""
        victim = self._choose_victim()
        self._round.blow = f"kill -9 of the broker and {victim.name}"
        self._broker.kill()
        wait_until(lambda: victim.status()["outbox"] > 0, "the victim has writes of its own", CRASH_TIMEOUT_SECONDS)
        victim.kill()
        self._restart(victim)
        self._broker.start()

    def _choose(self) -> NodeUnderTest:
        return self._random.choice(list(self.cluster))

    def _choose_victim(self) -> NodeUnderTest:
        victim = self._choose()
        self._round.victim = victim.name
        return victim

    def _restart(self, node: NodeUnderTest, **environment: str) -> None:
        """Note what the store of a node that died holds, and start it."""
        saved = open_store(node)
        self._round.unconfirmed_at_death = saved.clock[saved.replica] - saved.confirmed_seq
        self._round.held_at_death = len(saved.held)
        self._applied_at_start[node.name] = saved.clock.as_dict()
        self._counted_before[node.name] = {}
        node.start(**environment)

    # -------------------------------------------------------------------------------- judgement

    def settle(self) -> None:
        """Wait for silence; then everything acknowledged must be everywhere, once, and all nodes alike."""
        for node in self.cluster:
            node.wait_ready()
        self.cluster.quiesce(self.load.keys)
        tables = self._read_equal_tables()
        records = self.load.take()
        self._audit.add(decode_history(tables.history))
        self._audit.judge(records)
        assert not self.load.surprises, self.load.surprises
        self._round.acknowledged = sum(r.outcome is Outcome.ACKNOWLEDGED for r in records.writes)
        self._round.unknown, self._round.unknown_took_effect = self._audit.unknown_and_stored(records)
        self._check_state(tables)
        for node in self.cluster:
            self._check_counters(node)

    def _read_equal_tables(self) -> Tables:
        """What the stores hold now, which must be the same bytes in all of them."""
        tables = {node.name: read_tables(node.data_dir, self._audit.clock) for node in self.cluster}
        first, *others = tables.values()
        for name, other in zip(list(tables)[1:], others, strict=True):
            assert other.versions == first.versions, f"{name} has other versions: {_differences(first, other)}"
            assert other.history == first.history, f"{name} has another history: {_differences(first, other)}"
        return first

    def _check_state(self, tables: Tables) -> None:
        """What is stored and what is served must be what the history comes to."""
        clock = self._audit.clock
        for status in self.cluster.statuses():
            assert status["clock"] == clock, status
        expected = {key: self._audit.siblings(key, clock) for key in self.load.keys}
        stored = decode_versions(tables.versions)
        for key, siblings in expected.items():
            assert stored.get(key, []) == [(w.replica, w.seq, w.value) for w in siblings], key
            answer = self._choose().get(key, siblings="true").json()
            served = [(shown["node"], shown["value"]) for shown in answer.get("siblings", [])]
            assert served == [(node_of(w.replica), w.value) for w in siblings], key
            assert answer.get("value") == (siblings[0].value if siblings else None), key
        # Each increment is in the history once; so it must be in the counter.
        shares = stored.get(counter_key(COUNTER), [])
        assert sum(share for _, _, share in shares) == self._audit.count(counter_key(COUNTER))
        for node in self.cluster:
            counter = node.http.get("/counter/get", params={"key": COUNTER}).json()
            assert counter["value"] == self._audit.count(counter_key(COUNTER)), counter

    def _check_counters(self, node: NodeUnderTest) -> None:
        """What a node counted since its start must be exactly what its clock advanced by."""
        at_start = _by_node(self._applied_at_start[node.name])
        expected = _by_node(self._audit.clock)

        def counted() -> Clock:
            counters = read_counters(node)
            total = {name: at_start.get(name, 0) + counters.get(f"writes_applied {name}", 0) for name in expected}
            total[node.name] = total.get(node.name, 0) + counters.get("writes_accepted", 0)
            return total

        # A clock is shown an instant before its writes are counted.
        wait_until(
            lambda: counted() == expected,
            f"{node.name} counted each write once",
            COUNTED_TIMEOUT_SECONDS,
            lambda: f"{counted()} {expected}",
        )
        now, before = read_counters(node), self._counted_before[node.name]
        self._round.held_back[node.name] = now["writes_held_back"] - before.get("writes_held_back", 0)
        self._round.duplicates[node.name] = now["duplicates_dropped"] - before.get("duplicates_dropped", 0)
        self._counted_before[node.name] = now


def _by_node(clock: Clock) -> Clock:
    """The writes of all incarnations of each node together, as its counters have them."""
    total: Clock = {}
    for replica, count in clock.items():
        total[node_of(replica)] = total.get(node_of(replica), 0) + count
    return total


def open_store(node: NodeUnderTest) -> SavedReplica:
    """What the store of a node that does not run holds of the replica's position; it must open."""
    store = Store(node.data_dir, cluster=CLUSTER, node=node.name, max_bytes=STORE_MAX_BYTES)
    try:
        return store.load()
    finally:
        store.close()


def read_counters(node: NodeUnderTest) -> Counters:
    """A node's own counters, by name and (where there is one) origin, such as ``writes_applied node2``."""
    text = node.http.get("/metrics").raise_for_status().text
    return {
        " ".join([sample.name.removeprefix("causalkv_").removesuffix("_total"), *sample.labels.values()]): int(
            sample.value
        )
        for family in text_string_to_metric_families(text)
        if family.type == "counter"
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def _differences(one: Tables, other: Tables) -> list[bytes]:
    """Where two nodes' tables differ."""
    return [
        key
        for mine, theirs in zip(one, other, strict=True)
        for key in mine.keys() | theirs.keys()
        if mine.get(key) != theirs.get(key)
    ]

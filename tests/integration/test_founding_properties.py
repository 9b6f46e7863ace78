"""The founding properties, seen from outside: what must wait waits, what need not does not, and nobody needs a broker.

Messages are held back between a node's queue and its causal buffer (``/faults``), which is the only way to see a
causal buffer at work over one broker: the broker itself keeps the order.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from infra.ports import NO_TLS
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import NodeUnderTest

pytestmark = pytest.mark.broker

CONTEXT = "X-Causal-Context"
# Longer than any test: what is held back comes when the test lets it.
LONG_SECONDS = 600
WAIT_SECONDS = 20.0
# What "at once" means on a slow machine that does other things too; a wait for a context or a broker takes longer.
AT_ONCE_SECONDS = 2.0


class Scene(NamedTuple):
    """node1 wrote ``cause``; node2 saw it and wrote ``effect``; node3 got the effect and not the cause."""

    cause_dot: str
    effect_dot: str
    effect_token: str


@pytest.fixture
def cluster(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """Three nodes over the shared broker, whose messages can be held back."""
    with ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name, CAUSALKV_FAULTS="1") as started:
        yield started


# ------------------------------------------------------------------------------------- the tests


def test_an_effect_is_held_until_its_cause_arrives(cluster: ClusterUnderTest) -> None:
    """node3 names the write that it waits for, shows neither write before, and both after."""
    scene = play_scene(cluster)
    node3 = cluster["node3"]

    (held,) = held_at(node3)
    assert (held["dot"], held["waits_for"], held["missing"]) == (scene.effect_dot, scene.cause_dot, [scene.cause_dot])
    assert (held["keys"], held["vc"]) == (["effect"], [1, 1, 0])
    assert shows(node3, "effect") is None
    assert shows(node3, "cause") is None
    assert node3.status()["vc"] == [0, 0, 0]

    clear_faults(node3)
    wait_until(lambda: shows(node3, "effect") == "of the cause", "the effect shows", WAIT_SECONDS, node3.log_tail)
    assert shows(node3, "cause") == "first"
    assert held_at(node3) == []
    cluster.quiesce(["cause", "effect"])


def test_repair_does_not_bring_early_what_is_delayed_on_purpose(cluster: ClusterUnderTest) -> None:
    """node3 asks for the cause, gets it, and still does not have it: a lesson's delay holds for every way."""
    scene = play_scene(cluster)
    node3 = cluster["node3"]
    givers = ("node1", "node2")
    wait_until(
        lambda: any("giving a peer what it misses" in cluster[name].log_file.read_text() for name in givers),
        "node3 asked and was answered",
        WAIT_SECONDS,
        node3.log_tail,
    )
    (held,) = held_at(node3)
    assert held["waits_for"] == scene.cause_dot
    clear_faults(node3)
    cluster.quiesce(["cause", "effect"])


def test_no_reader_ever_sees_the_effect_without_the_cause(cluster: ClusterUnderTest) -> None:
    """Readers that look at the effect first, and then at the cause, never find the one without the other."""
    node3 = cluster["node3"]
    stopping = threading.Event()
    pairs = range(4)
    with ThreadPoolExecutor(len(pairs)) as readers:
        try:
            looking = [readers.submit(look_until, stopping, node3.url, number) for number in pairs]
            for number in pairs:
                delay(node3, "node1", LONG_SECONDS)
                cause = cluster["node1"].put(f"cause{number}", number).raise_for_status()
                effect = cluster["node2"].put(f"effect{number}", number, cause.headers[CONTEXT]).raise_for_status()
                wait_until(lambda: len(held_at(node3)) == 1, "the effect is held", WAIT_SECONDS, node3.log_tail)
                clear_faults(node3)
                node3.get(f"effect{number}", effect.headers[CONTEXT]).raise_for_status()
            for looked in looking:
                looked.result(WAIT_SECONDS)
        finally:
            stopping.set()
    cluster.quiesce([f"{kind}{number}" for kind in ("cause", "effect") for number in pairs])


def test_an_independent_write_passes_by_one_that_is_held_up(cluster: ClusterUnderTest) -> None:
    """What does not depend on the missing write goes through: from a node that has not seen it, and from here."""
    node1, node2, node3 = cluster
    delay(node2, "node1", LONG_SECONDS)
    delay(node3, "node1", LONG_SECONDS)
    token = node1.put("cause", "first").raise_for_status().headers[CONTEXT]

    # node2 does not know the cause yet, so that this write does not depend on it.
    assert node2.put("independent", "passes").json()["vc"] == [0, 1, 0]
    wait_until(lambda: shows(node3, "independent") == "passes", "the independent write shows", WAIT_SECONDS)

    clear_faults(node2)
    effect = node2.put("effect", "of the cause", token).raise_for_status()
    assert effect.json()["vc"] == [1, 2, 0]
    wait_until(lambda: len(held_at(node3)) == 1, "the effect is held", WAIT_SECONDS, node3.log_tail)

    # With an effect held, node3 itself still takes writes, shows them at once, and the others get them.
    assert node3.put("local", "passes too").json()["vc"] == [0, 1, 1]
    assert shows(node3, "local") == "passes too"
    for node in (node1, node2):
        wait_until(lambda node=node: shows(node, "local") == "passes too", "the local write shows", WAIT_SECONDS)  # type: ignore[misc]  # bound at once
    assert shows(node3, "cause") is None
    assert shows(node3, "effect") is None

    clear_faults(node3)
    cluster.quiesce(["cause", "effect", "independent", "local"])
    assert node3.status()["vc"] == [1, 2, 1]


def test_a_client_who_has_seen_the_effect_waits_for_it_elsewhere(cluster: ClusterUnderTest) -> None:
    """A read with the effect's token is answered when the cause has come; one that may not wait says what lacks."""
    scene = play_scene(cluster)
    node3 = cluster["node3"]

    refusal = node3.http.get(
        "/get", params={"key": "effect"}, headers={CONTEXT: scene.effect_token, "X-Causal-Wait": "0"}
    )
    assert refusal.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert refusal.headers["Retry-After"]
    one = {"first": 1, "last": 1}
    assert refusal.json()["missing"] == {dot.rpartition(":")[0]: one for dot in (scene.cause_dot, scene.effect_dot)}

    with ThreadPoolExecutor(1) as client:
        reading = client.submit(
            httpx.get,
            f"{node3.url}/get",
            params={"key": "effect"},
            headers={CONTEXT: scene.effect_token, "X-Causal-Wait": "30"},
            timeout=60.0,
            trust_env=False,
        )
        wait_until(lambda: node3.status()["waiting_requests"] == 1, "the client waits", WAIT_SECONDS)
        assert not reading.done()
        clear_faults(node3)
        assert reading.result().json()["value"] == "of the cause"
    cluster.quiesce(["cause", "effect"])


def test_the_log_tells_what_happened_to_a_held_write(cluster: ClusterUnderTest) -> None:
    """One line for each step: delivered, held and for what, and both writes applied, the cause first."""
    scene = play_scene(cluster)
    node3 = cluster["node3"]
    clear_faults(node3)
    cluster.quiesce(["cause", "effect"])

    told = [(line["event"], line["dot"]) for line in log_lines(node3) if "dot" in line]
    assert told == [
        ("delivered", scene.effect_dot),
        ("held", scene.effect_dot),
        ("delivered", scene.cause_dot),
        ("applied", scene.cause_dot),
        ("applied", scene.effect_dot),
    ]
    (held,) = [line for line in log_lines(node3) if line["event"] == "held"]
    assert held["waits_for"] == scene.cause_dot
    (released,) = [line for line in log_lines(node3) if "held_seconds" in line]
    assert released["dot"] == scene.effect_dot


def test_a_held_write_survives_the_death_of_its_node(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> None:
    """It is on the disk of the node that holds it, and nowhere else: the queue has been told to forget it."""
    cluster = ClusterUnderTest(tmp_path, broker.url, cluster=cluster_name, CAUSALKV_FAULTS="1")
    node3 = cluster["node3"]
    address = urlsplit(broker.url)
    assert address.hostname is not None
    with TcpProxy(address.hostname, broker.amqp_port) as network:
        node3.environment["CAUSALKV_AMQP_URL"] = broker.url.replace(f":{address.port}", f":{network.port}")
        with cluster:
            scene = play_scene(cluster)
            wait_until(
                lambda: queue_lengths(broker)[f"{cluster_name}.node3"] == 1, "one is unacknowledged", WAIT_SECONDS
            )
            node3.kill()
            network.cut()  # the cause must not come before we have looked
            node3.start()
            wait_until(lambda: node3.answers("/healthz"), "node3 serves", WAIT_SECONDS, node3.log_tail)

            assert [held["dot"] for held in held_at(node3)] == [scene.effect_dot]
            assert held_at(node3)[0]["missing"] == [scene.cause_dot]
            assert shows(node3, "effect") is None
            assert queue_lengths(broker)[f"{cluster_name}.node3"] == 1

            network.restore()
            node3.get("effect", scene.effect_token).raise_for_status()
            assert shows(node3, "cause") == "first"
            cluster.quiesce(["cause", "effect"])


@pytest.mark.slow
def test_reads_and_writes_go_on_without_a_broker(tmp_path: Path, own_broker: PrivateBroker, cluster_name: str) -> None:
    """A node answers at once and says how it is; what it took reaches the others when the broker is back."""
    with ClusterUnderTest(tmp_path, own_broker.url, cluster=cluster_name) as cluster:
        cluster["node1"].put("before", "the loss").raise_for_status()
        cluster.quiesce(["before"])
        own_broker.kill()
        for node in cluster:
            wait_until(lambda node=node: node.status()["broker"] == "disconnected", "the loss is noticed", WAIT_SECONDS)  # type: ignore[misc]  # bound at once

        writes = 20
        for node in cluster:
            for number in range(writes):
                began = time.monotonic()
                token = node.put(f"{node.name}-{number}", number).raise_for_status().headers[CONTEXT]
                assert node.get(f"{node.name}-{number}", token).json()["value"] == number
                assert time.monotonic() - began < AT_ONCE_SECONDS
            assert node.put("contended", node.name).is_success
            assert shows(node, "before") == "the loss"
            assert node.status()["outbox"] == writes + 1
            assert node.answers("/readyz")

        own_broker.start()
        cluster.quiesce([f"{node.name}-{number}" for node in cluster for number in range(writes)])
        siblings = cluster["node1"].get("contended", siblings="true").json()["siblings"]
        assert sorted(sibling["value"] for sibling in siblings) == ["node1", "node2", "node3"]
        cluster.quiesce(["before", "contended"])


# ------------------------------------------------------------------------------------- the means


def play_scene(cluster: ClusterUnderTest) -> Scene:
    """Let node3 have an effect whose cause does not reach it until its faults are cleared."""
    node1, node2, node3 = cluster
    delay(node3, "node1", LONG_SECONDS)
    cause = node1.put("cause", "first").raise_for_status()
    effect = node2.put("effect", "of the cause", cause.headers[CONTEXT]).raise_for_status()
    wait_until(lambda: len(held_at(node3)) == 1, "node3 holds the effect", WAIT_SECONDS, node3.log_tail)
    cause_dot, effect_dot = (f"{node.status()['replica']}:1" for node in (node1, node2))
    return Scene(cause_dot, effect_dot, effect.headers[CONTEXT])


def look_until(stopping: threading.Event, url: str, number: int) -> None:
    """Look at an effect and then at its cause, over and over, until the effect was seen; never one alone."""
    with httpx.Client(base_url=url, timeout=WAIT_SECONDS, trust_env=False, verify=NO_TLS) as http:
        while not stopping.is_set():
            effect = http.get("/get", params={"key": f"effect{number}"}).status_code == HTTPStatus.OK
            cause = http.get("/get", params={"key": f"cause{number}"}).status_code == HTTPStatus.OK
            assert cause or not effect, f"effect {number} without its cause"
            if effect:
                return


def delay(node: NodeUnderTest, origin: str, seconds: float) -> None:
    """Hold back what comes from one node to another."""
    node.http.post("/faults", json={"delay": {origin: seconds}}).raise_for_status()


def clear_faults(node: NodeUnderTest) -> None:
    """Let everything through."""
    node.http.post("/faults", json={"clear": True}).raise_for_status()


def held_at(node: NodeUnderTest) -> list[dict[str, Any]]:
    """What waits in a node's causal buffer."""
    body = node.http.get("/buffer").raise_for_status().json()
    held: list[dict[str, Any]] = body["held"]
    assert body["count"] == len(held)
    return held


def shows(node: NodeUnderTest, key: str) -> Any:
    """The value that a client who has seen nothing reads, None when there is none; it never has to wait for it."""
    began = time.monotonic()
    answer = node.get(key)
    assert time.monotonic() - began < AT_ONCE_SECONDS
    return None if answer.status_code == HTTPStatus.NOT_FOUND else answer.raise_for_status().json()["value"]


def log_lines(node: NodeUnderTest) -> list[dict[str, Any]]:
    """A node's log."""
    return [json.loads(line) for line in node.log_file.read_text(encoding="utf-8").splitlines()]


def queue_lengths(broker: PrivateBroker) -> dict[str, int]:
    """Messages in each queue, delivered and not acknowledged ones included."""
    lines = broker.ctl("list_queues", "--silent", "--no-table-headers", "name", "messages").splitlines()
    return {name: int(count) for name, _, count in (line.partition("\t") for line in lines)}

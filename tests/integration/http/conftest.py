"""Real nodes in this process, over the in-process fanout, served on free ports."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.ports import LOOPBACK, NO_TLS, free_port
from node.core.vector_clock import VectorClock
from node.http.causal_context import parse_context
from node.node import Node
from node.settings import Settings
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TIMEOUT_SECONDS = 15.0
NAMES = ("node1", "node2", "node3")


class ServedNode:
    """A running node, and a client of it."""

    def __init__(self, directory: Path, cluster: str, name: str = "node1", **settings: Any) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.node = Node(
            Settings(
                node_id=name,
                nodes=NAMES,
                amqp_url="memory://",
                cluster=cluster,
                http_port=self.port,
                data_dir=directory / name,
                log_writes_per_second=0,
                **settings,
            )
        )
        self.http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS)

    def put(self, key: str, value: Any, token: str = "", **headers: str) -> httpx.Response:
        """POST /put."""
        return self.http.post("/put", json={"key": key, "value": value}, headers={"X-Causal-Context": token, **headers})

    def get(self, key: str, token: str = "", wait: str = "5", **parameters: str) -> httpx.Response:
        """GET /get."""
        headers = {"X-Causal-Context": token, "X-Causal-Wait": wait}
        return self.http.get("/get", params={"key": key, **parameters}, headers=headers)

    def delete(self, key: str, token: str = "") -> httpx.Response:
        """POST /delete."""
        return self.http.post("/delete", json={"key": key}, headers={"X-Causal-Context": token})

    def post(self, path: str, token: str = "", wait: str = "5", **body: Any) -> httpx.Response:
        """POST these members of a body."""
        return self.http.post(path, json=body, headers={"X-Causal-Context": token, "X-Causal-Wait": wait})

    def read(self, path: str, token: str = "", wait: str = "5", **parameters: Any) -> httpx.Response:
        """GET with these parameters."""
        return self.http.get(path, params=parameters, headers={"X-Causal-Context": token, "X-Causal-Wait": wait})

    def scan(self, token: str = "", **parameters: Any) -> dict[str, Any]:
        """One page of GET /scan."""
        page: dict[str, Any] = self.read("/scan", token, **parameters).raise_for_status().json()
        return page

    def count(self, key: str, token: str = "") -> int:
        """What a counter stands at."""
        return int(self.read("/counter/get", token, key=key).raise_for_status().json()["value"])

    def members(self, key: str, token: str = "") -> list[Any]:
        """The members of a set."""
        members: list[Any] = self.read("/set/get", token, key=key).raise_for_status().json()["members"]
        return members

    def delay(self, **seconds: float) -> None:
        """Hold back what comes from these nodes."""
        self.http.post("/faults", json={"delay": seconds}).raise_for_status()

    def clear_faults(self) -> None:
        """Let everything through."""
        self.http.post("/faults", json={"clear": True}).raise_for_status()


def token_of(*answers: httpx.Response) -> str:
    """The token that covers these answers."""
    clock = VectorClock()
    for answer in answers:
        clock = clock.merge(parse_context(answer.headers["X-Causal-Context"]))
    return str(clock)


def become_quiet(nodes: Sequence[ServedNode]) -> None:
    """Let everything through and wait until nothing is on its way any more."""
    for node in nodes:
        node.clear_faults()

    def is_quiet() -> bool:
        services = [node.node.service for node in nodes]
        clocks = {service.clock for service in services}
        return len(clocks) == 1 and not any(service.held_count or service.outbox_count for service in services)

    wait_until(is_quiet, "nothing is on its way", TIMEOUT_SECONDS)


@contextmanager
def serving(directory: Path, cluster: str | None = None, name: str = "node1", **settings: Any) -> Iterator[ServedNode]:
    """A node that is ready, until the end of the block."""
    served = ServedNode(directory, cluster or f"test-{secrets.token_hex(4)}", name, **settings)
    served.node.start()
    try:
        wait_until(lambda: served.http.get("/readyz").is_success, f"{name} is ready", TIMEOUT_SECONDS)
        yield served
    finally:
        served.node.stop()
        served.http.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    """One node for a whole module: its tests use keys of their own."""
    with serving(tmp_path_factory.mktemp("node")) as served:
        yield served


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[ServedNode]]:
    """A fresh cluster of three, with faults on."""
    cluster = f"test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        yield [stack.enter_context(serving(tmp_path, cluster, name, faults=True)) for name in NAMES]

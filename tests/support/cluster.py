"""A cluster of real node processes for tests, and the end that every run against one must come to.

Every run ends with ``quiesce``: outboxes and causal buffers at 0, equal clocks, equal reads on all nodes.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any, ClassVar, Self

import httpx

from infra.local_cluster import end_of_log
from infra.ports import LOOPBACK, NO_TLS, free_port
from tests.support.node_processes import started_by_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.support.node_processes import RunningNode

READY_TIMEOUT_SECONDS = 30.0
QUIESCE_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.02


class NodeUnderTest:
    """One node process, started and ended at will; its data stays."""

    begin: ClassVar[Callable[[Mapping[str, str], Path], RunningNode]] = staticmethod(started_by_command)
    """Starts a node with an environment and a log file; a run of tests forks them."""

    def __init__(self, name: str, directory: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.data_dir = directory / name
        self.log_file = directory / f"{name}.log"
        self.environment = {
            **os.environ,
            "CAUSALKV_NODE_ID": name,
            "CAUSALKV_HTTP_PORT": str(self.port),
            "CAUSALKV_DATA_DIR": str(self.data_dir),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.http = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False, verify=NO_TLS)
        self._process: RunningNode | None = None

    def start(self, **more: str) -> None:
        """Start the process; ``more`` are further environment variables for this run."""
        self._process = type(self).begin({**self.environment, **more}, self.log_file)

    @property
    def runs(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as ``kill -9`` does, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self, timeout_seconds: float = 15.0) -> int:
        """SIGTERM, and wait for the end; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout_seconds)

    def forget_data(self) -> None:
        """Lose the disk of a stopped node."""
        assert not self.runs, "stop the node first"
        shutil.rmtree(self.data_dir)

    def wait_ready(self, timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
        """Wait until the node is caught up and serves."""
        wait_until(lambda: self.answers("/readyz"), f"{self.name} is ready", timeout_seconds, self.log_tail)

    def answers(self, path: str) -> bool:
        """Whether a GET of this path is answered with 200 now."""
        try:
            return self.http.get(path).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def log_tail(self) -> str:
        """The end of the node's log."""
        return f"--- {self.name}\n{end_of_log(self.log_file)}" if self._process is not None else ""

    # ------------------------------------------------------------------------------- requests

    def put(self, key: str, value: Any, token: str = "", **headers: str) -> httpx.Response:
        """POST /put with a causal token."""
        return self.http.post("/put", json={"key": key, "value": value}, headers={"X-Causal-Context": token, **headers})

    def get(self, key: str, token: str = "", **params: str) -> httpx.Response:
        """GET /get with a causal token."""
        return self.http.get("/get", params={"key": key, **params}, headers={"X-Causal-Context": token})

    def status(self) -> dict[str, Any]:
        """GET /status."""
        answer: dict[str, Any] = self.http.get("/status").raise_for_status().json()
        return answer


class ClusterUnderTest:
    """Some nodes over one broker, at one address or at one for each node; use as a context manager."""

    def __init__(
        self,
        directory: Path,
        amqp_url: str | Callable[[str], str],
        *,
        cluster: str = "causalkv",
        size: int = 3,
        **environment: str,
    ) -> None:
        names = [f"node{n + 1}" for n in range(size)]
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._amqp_url = amqp_url
        self._common = {"CAUSALKV_NODES": ",".join(names), "CAUSALKV_CLUSTER": cluster, **environment}
        self.nodes = {name: self._node(name) for name in names}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def __getitem__(self, name: str) -> NodeUnderTest:
        return self.nodes[name]

    def __iter__(self) -> Iterator[NodeUnderTest]:
        return iter(self.nodes.values())

    @property
    def urls(self) -> str:
        """As CAUSALKV_URLS wants them."""
        return ",".join(node.url for node in self)

    def start(self, **more: str) -> None:
        """Start all nodes and wait until they are ready and connected; ``more`` are further environment variables."""
        for node in self:
            node.start(**more)
        for node in self:
            node.wait_ready()
        self.wait_connected()

    def add(self, name: str) -> NodeUnderTest:
        """One more node, not started; its founding members are those of the others, so that it must join."""
        self.nodes[name] = self._node(name)
        return self.nodes[name]

    def _node(self, name: str) -> NodeUnderTest:
        url = self._amqp_url if isinstance(self._amqp_url, str) else self._amqp_url(name)
        return NodeUnderTest(name, self._directory, {"CAUSALKV_AMQP_URL": url, **self._common})

    def take_out(self, name: str) -> NodeUnderTest:
        """A node that is none of the cluster any more."""
        return self.nodes.pop(name)

    def wait_connected(self) -> None:
        """Wait until every node has its link to the broker."""
        for node in self:
            wait_until(
                lambda node=node: node.status()["broker"] == "connected",  # type: ignore[misc]  # bound at once
                f"{node.name} is connected",
                READY_TIMEOUT_SECONDS,
                node.log_tail,
            )

    def kill(self) -> None:
        """End everything at once."""
        for node in self:
            node.kill()
            node.http.close()

    def statuses(self) -> list[dict[str, Any]]:
        """/status of all nodes."""
        return [node.status() for node in self]

    def is_quiet(self) -> bool:
        """Whether nothing is on its way any more and all clocks are equal."""
        try:
            statuses = self.statuses()
        except httpx.HTTPError:
            return False
        return all(
            s["outbox"] == 0 and s["held"] == 0 and s["broker"] == "connected" and s["clock"] == statuses[0]["clock"]
            for s in statuses
        )

    def quiesce(self, keys: Iterable[str] = (), timeout_seconds: float = QUIESCE_TIMEOUT_SECONDS) -> None:
        """Wait until nothing is on its way; then all nodes must read the same, siblings included."""
        wait_until(self.is_quiet, "the cluster is quiet", timeout_seconds, self._explain)
        for key in keys:
            answers = {node.name: node.get(key, siblings="true") for node in self}
            shown = {name: (answer.status_code, answer.json()) for name, answer in answers.items()}
            assert len({str(value) for value in shown.values()}) == 1, (key, shown)

    def _explain(self) -> str:
        lines = []
        for node in self:
            try:
                status = node.status()
                lines.append(f"{node.name}: { {k: status[k] for k in ('clock', 'held', 'outbox', 'broker')} }")
            except httpx.HTTPError as error:
                lines.append(f"{node.name}: {error!r}")
            lines.append(node.log_tail())
        return "\n".join(lines)


def wait_until(
    condition: Callable[[], bool],
    what: str,
    timeout_seconds: float,
    explain: Callable[[], str] = str,
) -> None:
    """Wait for a condition with a deadline; fails with what was awaited and why it may not have come."""
    deadline = time.monotonic() + timeout_seconds
    # A look may take long on a busy machine: the last one begins behind the deadline.
    while not (is_last := time.monotonic() > deadline) and not condition():
        time.sleep(POLL_SECONDS)
    if is_last and not condition():
        raise AssertionError(f"not within {timeout_seconds:g} s: {what}\n{explain()}")

"""One bench of a cluster: fill it, measure one case after the other, clean up."""

from __future__ import annotations

import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from client.bench.cases import CASES, MANY, Case, Setting, get, shares
from client.bench.jobs import Closed, Job, Measured, joined
from client.bench.workers import Process
from client.errors import ClusterError, NoNodeCouldError, UsageError
from client.operations import DeleteOp, PutOp
from client.protocol import Request
from client.settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from client.client import Client
    from client.session import Session

CONNECTIONS_MAX = 1_000
SIZE_MAX_BYTES = 1024 * 1024
KEYS = 1_000
PROCESSES_MAX = 4
FILL_THREADS = 8
SETTLE_TIMEOUT_SECONDS = 30.0
CEILING_SECONDS = 1.0
# A worker that has not answered so long after its time is taken for dead.
GRACE_SECONDS = 30.0
POLL_SECONDS = 0.1
# From this part of its own ceiling on, the generator has its share in what is measured.
NEAR_PART = 0.5


class BenchPlan(NamedTuple):
    """How long each case takes, over how many connections in all, with values of how many bytes, and which cases."""

    seconds: float
    connections: int
    size_bytes: int
    only: Sequence[str]


class Row(NamedTuple):
    """A case and what was measured; ``skipped`` says why nothing was."""

    case: Case
    measured: Measured | None = None
    skipped: str = ""


class Report(NamedTuple):
    """All that was measured; ``ceiling`` is what the generator reaches by itself, in requests a second."""

    nodes: list[str]
    processes: int
    ceiling: float
    rows: list[Row]

    def is_near(self, row: Row) -> bool:
        """Whether the generator may have been what was measured."""
        return row.measured is not None and row.measured.per_second > NEAR_PART * self.ceiling


class BenchRun:
    """A bench under way, on keys under a random prefix that are deleted at the end."""

    def __init__(self, client: Client, plan: BenchPlan, show: Callable[[str, float], None]) -> None:
        self._client = client
        self._plan = plan
        self._show = show
        self._processes = min(PROCESSES_MAX, os.cpu_count() or 1, plan.connections)
        self._nodes: dict[str, str] = {}
        self.left_behind = ""

    def play(self) -> Report:
        """Do all of it. Raises NoNodeCouldError when no node answers, UsageError for addresses that it cannot take."""
        served = self._meet()
        prefix = f"bench-{secrets.token_hex(4)}/"
        setting = Setting(
            [_address(url) for url in self._nodes.values()],
            self._plan.connections,
            self._plan.seconds,
            "x" * max(1, self._plan.size_bytes - 2),  # with its quotes it has the size that was asked for
            prefix,
            [f"{prefix}{n:04}" for n in range(KEYS)],
            1,
        )
        chosen = [CASES[name] for name in self._plan.only]
        rows = []
        with ExitStack() as stack:
            workers = [stack.enter_context(Process("client.bench.worker")) for _ in range(self._processes)]
            ceiling = self._ceiling(workers)
            stack.enter_context(self._filled(setting, has_batch="/batch" in served))
            for place, case in enumerate(chosen):
                if case.route not in served:
                    rows.append(Row(case, skipped=f"no {case.route} at these nodes"))
                    continue
                self._rest()
                part = place / len(chosen)
                measured = self._measure(workers, case.jobs(setting, len(workers)), case.what, part, 1 / len(chosen))
                rows.append(Row(case, measured))
        return Report(list(self._nodes), len(workers), ceiling, rows)

    # -------------------------------------------------------------------------------- the parts

    def _meet(self) -> set[str]:
        replies = self._client.status_of_all()
        self._nodes = {reply.answer.node: reply.url for reply in replies if reply.answer is not None}
        if not self._nodes:
            raise NoNodeCouldError({reply.url: reply.error for reply in replies if reply.error is not None})
        for url in self._nodes.values():
            _address(url)
        return set(self._client.exchange(Request("GET", "/openapi.json", _Served)).paths)

    def _ceiling(self, workers: list[Process]) -> float:
        with Process("client.bench.trivial") as server:
            address = ("127.0.0.1", int(server.read_line()))
            jobs: list[Job] = [
                Closed([address], share, [get("/get", key="x")], CEILING_SECONDS, 1)
                for share in shares(self._plan.connections, len(workers))
            ]
            return self._measure(workers, jobs, "the generator itself", 0.0, 0.0).per_second

    def _measure(self, workers: list[Process], jobs: list[Job], what: str, part: float, share: float) -> Measured:
        """Give each worker its job, and wait for what it measured."""
        started = time.monotonic()
        with ThreadPoolExecutor(len(jobs)) as threads:
            futures = [threads.submit(worker.ask, job) for worker, job in zip(workers, jobs, strict=False)]
            try:
                while not all(future.done() for future in futures):
                    self._show(what, part + share * self._passed_part(started, what))
                    time.sleep(POLL_SECONDS)
            except BaseException:
                for worker in workers:
                    worker.kill()  # else this would wait until they are done
                raise
            return joined([future.result() for future in futures])

    def _passed_part(self, started: float, what: str) -> float:
        """The part of a case's time that is over; raises ClusterError when it ought to have ended long ago."""
        passed_seconds = time.monotonic() - started
        if passed_seconds > self._plan.seconds + GRACE_SECONDS:
            raise ClusterError(f"a process of the bench did not end ({what}): run it again, with less load here")
        return min(1.0, passed_seconds / self._plan.seconds)

    def _rest(self) -> None:
        """Let the nodes finish what the last case left: the next one is not to pay for it."""
        settle(self._client, self._nodes, (), SETTLE_TIMEOUT_SECONDS)

    @contextmanager
    def _filled(self, setting: Setting, *, has_batch: bool) -> Iterator[None]:
        """Keys to read; whatever happens, they are deleted."""
        session = self._client.session()
        try:
            self._write(session, setting, "put", has_batch=has_batch)
            yield
        finally:
            try:
                self._rest()
                for reply in self._client.status_of_all():
                    if reply.answer is not None:
                        session.observe(reply.answer.token)
                self._write(session, setting, "delete", has_batch=has_batch)
                session.delete(f"{setting.prefix}watched")
            except ClusterError as error:
                self.left_behind = f"keys under {setting.prefix} are left behind: {error}"

    def _write(self, session: Session, setting: Setting, op: str, *, has_batch: bool) -> None:
        """Put or delete all keys."""
        what = "filling" if op == "put" else "cleaning up"
        self._show(what, 0.0 if op == "put" else 1.0)
        if has_batch and len(setting.value) * MANY < SIZE_MAX_BYTES:
            for start in range(0, len(setting.keys), MANY):
                keys = setting.keys[start : start + MANY]
                session.batch([PutOp(key, setting.value) if op == "put" else DeleteOp(key) for key in keys])
            return
        with ThreadPoolExecutor(FILL_THREADS) as threads:
            if op == "put":
                list(threads.map(lambda key: session.put(key, setting.value), setting.keys))
            else:
                list(threads.map(session.delete, setting.keys))


class _Served(msgspec.Struct, frozen=True, kw_only=True):
    """The routes of a node."""

    paths: dict[str, Any]


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.path.strip("/") or parts.hostname is None:
        raise UsageError(f"{url}: bench takes addresses such as http://127.0.0.1:8001, without TLS and without a path")
    return parts.hostname, parts.port or 80

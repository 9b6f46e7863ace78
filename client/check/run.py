"""One check of a cluster, from the first request to the verdict."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

from client.causal_token import CausalToken
from client.check.findings import Findings
from client.check.late_messages import LateMessages
from client.check.load import Load, LoadPlan, shown
from client.consistency.checker import judge
from client.consistency.history import FinalRead
from client.errors import ClusterError, NoNodeCouldError, NotFoundError
from client.settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from client.client import Client

SESSIONS_MAX = 64
KEYS_MAX = 1_000
SECONDS_MAX = 3_600.0
# What is remembered of a run, and what is judged in seconds: some 100 MB at most.
OPERATIONS_MAX = 30_000
SETTLE_TIMEOUT_SECONDS = 60.0
# Nodes that agree a moment later did converge: a write whose answer was lost may still come.
AGREE_TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.05
DRAW_EVERY_SECONDS = 1.0


class CheckPlan(NamedTuple):
    """How long, by how many sessions, on how many keys, from which seed, and whether messages may be made late."""

    seconds: float
    sessions: int
    keys: int
    seed: int
    makes_late: bool = True


class Progress(NamedTuple):
    """Where a check is: what is going on, and the part of it that is done, from 0 to 1."""

    what: str
    part: float


class CheckRun:
    """A check under way, on keys under a random prefix that are deleted at the end."""

    def __init__(self, client: Client, plan: CheckPlan, show: Callable[[Progress], None]) -> None:
        self._client = client
        self._plan = plan
        self._show = show
        self.prefix = f"check-{secrets.token_hex(4)}/"
        self.findings = Findings(self.prefix, plan.seed)

    def play(self) -> Findings:
        """Do all of it. Raises NoNodeCouldError when no node answers, and whatever error ended a session."""
        findings = self.findings
        nodes = self._meet()
        keys = [f"{self.prefix}{n}" for n in range(self._plan.keys)]
        load = Load(self._client, nodes, LoadPlan(keys, self._plan.sessions, self._plan.seed, OPERATIONS_MAX))
        with self._deleting(load):
            self._work(load, nodes)
            if load.failure is not None:
                raise load.failure
            findings.note_load(load)
            findings.unsettled = self._settle(load, nodes)
            if not findings.unsettled:
                try:
                    self._read_finals(load, nodes)
                except ClusterError as error:
                    findings.unsettled = str(error)
            self._show(Progress("judging what the sessions saw", 0.0))
            findings.verdict = judge(load.history)
        return findings

    # -------------------------------------------------------------------------------- the parts

    def _meet(self) -> list[str]:
        replies = self._client.status_of_all()
        errors = {reply.url: reply.error for reply in replies if reply.error is not None}
        if len(errors) == len(replies):
            raise NoNodeCouldError(errors)
        answers = {reply.answer.node: reply.answer for reply in replies if reply.answer is not None}
        self.findings.nodes = list(answers)
        self.findings.silent = list(errors)
        told = {name: answer.answer.get("unsafe") for name, answer in answers.items()}
        self.findings.unsafe = {name: ", ".join(map(str, what)) for name, what in told.items() if what}
        return list(answers)

    def _work(self, load: Load, nodes: list[str]) -> None:
        late = LateMessages(self._client, nodes, self._plan.seed)
        if self._plan.makes_late:
            late.find()
        started, drawn_at = time.monotonic(), float("-inf")
        try:
            load.start()
            while (worked := time.monotonic() - started) < self._plan.seconds:
                if load.failure is not None or load.is_full:
                    break
                if time.monotonic() - drawn_at >= DRAW_EVERY_SECONDS:
                    late.draw()
                    self._look_at_held()
                    drawn_at = time.monotonic()
                part = worked / self._plan.seconds
                self._show(Progress(f"{len(load.history.operations)} operations, {load.moves} moves", part))
                time.sleep(POLL_SECONDS)
        finally:
            load.stop()
            self.findings.stuck_delays = late.end()
        self.findings.seconds = time.monotonic() - started
        self.findings.has_late_messages = late.is_any

    def _look_at_held(self) -> None:
        held = [reply.answer.held for reply in self._client.status_of_all() if reply.answer is not None]
        self.findings.held_max = max([self.findings.held_max, *held])

    def _settle(self, load: Load, nodes: list[str]) -> str:
        """Wait until all nodes have everything; says why that is not so, if it is not."""

        def waiting(behind: int) -> None:
            self._show(Progress("waiting until all nodes have everything", 1 - behind / len(nodes)))

        behind = settle(self._client, nodes, load.tokens, SETTLE_TIMEOUT_SECONDS, waiting)
        return f"{', '.join(behind)} did not come to rest within {SETTLE_TIMEOUT_SECONDS:g} s" if behind else ""

    def _read_finals(self, load: Load, nodes: list[str]) -> None:
        deadline = time.monotonic() + AGREE_TIMEOUT_SECONDS
        for place, key in enumerate(load.plan.keys):
            self._show(Progress("comparing the nodes", place / len(load.plan.keys)))
            while True:
                reads = [FinalRead(node, key, self._values(key, node)) for node in nodes]
                if len({read.values for read in reads}) == 1 or time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)
            for read in reads:
                load.history.record_final(read)

    def _values(self, key: str, node: str) -> tuple[str, ...]:
        try:
            # A session of its own, that has seen nothing: the node is to say what it has by itself.
            return shown(self._client.session().get(key, siblings=True, node=node))
        except NotFoundError:
            return ()

    @contextmanager
    def _deleting(self, load: Load) -> Iterator[None]:
        """Whatever happens, delete the keys behind it; what cannot be deleted is named in the findings."""
        try:
            yield
        finally:
            session = self._client.session(reduce(or_, load.tokens, CausalToken()))
            try:
                for reply in self._client.status_of_all():
                    if reply.answer is not None:
                        session.observe(reply.answer.token)
                for place, key in enumerate(load.plan.keys):
                    self._show(Progress("deleting the keys of the check", place / len(load.plan.keys)))
                    session.delete(key)
            except ClusterError as error:
                self.findings.left_behind = str(error)

"""Client sessions that read and write through all nodes of a cluster, and a record of every request.

The record says what a client knows: what it asked for, with which causal token, and whether it was answered. What
a node did with a request that was not answered is for the test to find out.
"""

from __future__ import annotations

import contextlib
import enum
import json
import random
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from infra.ports import NO_TLS
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Clock = dict[str, int]

# Longer than any healthy answer takes on a slow machine: reaching it is worth a look.
REQUEST_TIMEOUT_SECONDS = 20.0
# Sessions move on soon, so that a dead peer does not hold up the load on the living.
CONTEXT_WAIT_SECONDS = "0.2"
PROGRESS_TIMEOUT_SECONDS = 60.0

CHANCE_TO_MOVE = 0.3
CHANCE_TO_READ = 0.4
CHANCE_TO_DELETE = 0.15
CHANCE_TO_FORGET = 0.02
CHANCE_TO_COUNT = 0.1
COUNTER = "hits"
# A node that was killed is back long before.
REPEAT_EVERY_SECONDS = 0.1
REPEATS_MAX = 300


def counter_key(counter: str) -> str:
    """What stands for a counter where keys are meant: no key of the load is named so."""
    return f"counter {counter}"


class Outcome(enum.Enum):
    """What the client knows of its write."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """It never reached the node, or the node said that nothing was done."""
    UNKNOWN = "unknown"
    """The connection broke: it may have taken effect or not."""


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """One write that a client asked for; ``value`` is None for a delete, else unique in the whole run."""

    node: str
    key: str
    value: str | None
    context: Clock
    outcome: Outcome
    clock: Clock = field(default_factory=dict)
    """The answer's token: the write's own clock."""


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """One answered read; ``value`` is None for a miss, ``clock`` is the answer's token."""

    node: str
    key: str
    value: str | None
    context: Clock
    clock: Clock


@dataclass(frozen=True, slots=True)
class Records:
    """What the sessions did since it was last asked."""

    writes: list[WriteRecord]
    reads: list[ReadRecord]


def parse_token(text: str) -> Clock:
    """A causal token as a dict; written here again, so that a test shares no mistake with the node."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {replica: int(count) for replica, _, count in pairs}


class Load:
    """Sessions, one thread each, over ``urls`` (by node); the choices of each follow from ``seed``."""

    def __init__(
        self, urls: Mapping[str, str], *, seed: int, sessions: int = 4, keys: int = 24, counts: bool = False
    ) -> None:
        """``counts``: sessions increment a counter as well, under names, and ask again when an answer is lost."""
        self.counts = counts
        self.keys = [f"key{n:02}" for n in range(keys)]
        self.surprises: list[str] = []
        """Answers that no client should ever get."""
        self._sessions = [_Session(f"{seed}-{n}", urls, self) for n in range(sessions)]
        self._writes: list[WriteRecord] = []
        self._reads: list[ReadRecord] = []
        self._stopping = threading.Event()
        self._acknowledged = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The sessions are at work inside of the block; after it every request is answered or given up."""
        self._stopping.clear()
        threads = [threading.Thread(target=session.run, args=(self._stopping,)) for session in self._sessions]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def wait_for_writes(self, count: int) -> None:
        """Return when so many more writes are acknowledged."""
        target = self._acknowledged + count
        wait_until(lambda: self._acknowledged >= target, f"{count} more writes", PROGRESS_TIMEOUT_SECONDS)

    def take(self) -> Records:
        """What was done since the last call; only while no session runs."""
        records = Records(self._writes, self._reads)
        self._writes, self._reads = [], []
        return records

    def close(self) -> None:
        """Close all connections."""
        for session in self._sessions:
            session.http.close()

    def note_write(self, record: WriteRecord) -> None:
        """From any session; appending to a list needs no lock."""
        self._writes.append(record)
        # Two sessions may count as one now and then: this is for progress, the records are for truth.
        self._acknowledged += record.outcome is Outcome.ACKNOWLEDGED

    def note_read(self, record: ReadRecord) -> None:
        """From any session."""
        self._reads.append(record)


class _Session:
    """One client: a token that grows with every answer, and a node that it mostly stays with."""

    def __init__(self, seed: str, urls: Mapping[str, str], load: Load) -> None:
        self.http = httpx.Client(timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS)
        self._random = random.Random(seed)
        self._name = seed
        self._urls = dict(urls)
        self._load = load
        self._node = self._random.choice(list(urls))
        self._token = ""
        self._count = 0

    def run(self, stopping: threading.Event) -> None:
        """One request after the other."""
        while not stopping.is_set():
            try:
                self._one_request()
            except Exception as error:  # noqa: BLE001  # a thread's error must reach the test
                self._load.surprises.append(f"session {self._name}: {error!r}")
                return

    def _one_request(self) -> None:
        chance = self._random.random
        if chance() < CHANCE_TO_MOVE:
            self._node = self._random.choice(list(self._urls))
        if chance() < CHANCE_TO_FORGET:
            self._token = ""  # a new client, who has seen nothing: its writes are concurrent with many
        if self._load.counts and chance() < CHANCE_TO_COUNT:
            self._count += 1
            self._increment(f"{self._name}-{self._count}")
            return
        key = self._random.choice(self._load.keys)
        if chance() < CHANCE_TO_READ:
            self._read(key)
        elif chance() < CHANCE_TO_DELETE:
            self._write(key, None)
        else:
            self._count += 1
            self._write(key, f"{self._name}-{self._count}")

    def _read(self, key: str) -> None:
        context = parse_token(self._token)
        with contextlib.suppress(httpx.TransportError):
            answer = self._send("GET", f"/get?key={key}")
            if answer.status_code == HTTPStatus.OK:
                self._load.note_read(ReadRecord(self._node, key, answer.json()["value"], context, self._learn(answer)))
            elif answer.status_code == HTTPStatus.NOT_FOUND:
                self._load.note_read(ReadRecord(self._node, key, None, context, self._learn(answer)))
            else:
                self._expect_refusal(answer)

    def _write(self, key: str, value: str | None) -> None:
        path, body = ("/delete", {"key": key}) if value is None else ("/put", {"key": key, "value": value})
        context = parse_token(self._token)
        outcome, clock = Outcome.UNKNOWN, {}
        try:
            answer = self._send("POST", path, json.dumps(body))
            if answer.status_code == HTTPStatus.OK:
                outcome, clock = Outcome.ACKNOWLEDGED, self._learn(answer)
            else:
                outcome = Outcome.REFUSED
                self._expect_refusal(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            outcome = Outcome.REFUSED
        except httpx.TransportError:
            pass  # unknown
        self._load.note_write(WriteRecord(self._node, key, value, context, outcome, clock))

    def _increment(self, request_id: str) -> None:
        """Ask until it is answered, always the same node: it was done once then, whatever happened on the way."""
        body = json.dumps({"key": COUNTER, "request_id": request_id})
        context = parse_token(self._token)
        outcome, clock = Outcome.REFUSED, {}
        for _ in range(REPEATS_MAX):
            try:
                answer = self._send("POST", "/counter/incr", body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                pass  # that it was not done now says nothing of the time before
            except httpx.TransportError:
                outcome = Outcome.UNKNOWN
            else:
                if answer.status_code == HTTPStatus.OK:
                    outcome, clock = Outcome.ACKNOWLEDGED, self._learn(answer)
                    break
                self._expect_refusal(answer)
            if outcome is Outcome.REFUSED:
                break
            time.sleep(REPEAT_EVERY_SECONDS)
        self._load.note_write(WriteRecord(self._node, counter_key(COUNTER), request_id, context, outcome, clock))

    def _send(self, method: str, path: str, body: str | None = None) -> httpx.Response:
        headers = {"X-Causal-Context": self._token, "X-Causal-Wait": CONTEXT_WAIT_SECONDS}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self.http.request(method, self._urls[self._node] + path, content=body, headers=headers)
        except httpx.ReadTimeout:
            # A node that died breaks the connection; one that lives must answer.
            self._load.surprises.append(f"{method} {path} at {self._node}: no answer in {REQUEST_TIMEOUT_SECONDS} s")
            raise

    def _learn(self, answer: httpx.Response) -> Clock:
        self._token = answer.headers["X-Causal-Context"]
        return parse_token(self._token)

    def _expect_refusal(self, answer: httpx.Response) -> None:
        """The one refusal that this load may meet is a context that the node has not reached."""
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or "missing" not in answer.json():
            self._load.surprises.append(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")

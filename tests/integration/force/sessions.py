"""Client sessions that record all that they do and see, of two kinds.

Travellers move between nodes and carry their causal token. Residents stay with one node and send no token: what a
token waits for would hide from them whether the node itself keeps causal order, which is what they are there to see.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from client.consistency.history import FinalRead, History, Kind, Operation, Outcome
from infra.ports import NO_TLS
from tests.support.cluster import wait_until
from tests.support.load import parse_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.load import Clock

CONTEXT = "X-Causal-Context"
# A node that is stopped keeps its connections open: a session gives it up, and goes on elsewhere.
REQUEST_TIMEOUT_SECONDS = 2.0
CONTEXT_WAIT_SECONDS = "0.3"
PROGRESS_TIMEOUT_SECONDS = 60.0
# People think. Without it the load alone would fill a small machine, and hide what the faults do to the nodes.
THINKING_SECONDS = (0.0, 0.01)

CHANCE_TO_MOVE = 0.3
CHANCE_TO_READ = 0.5
CHANCE_TO_LIST_SIBLINGS = 0.6
CHANCE_TO_DELETE = 0.15
CHANCE_TO_END = 0.01


class ForceLoad:
    """Sessions, one thread each, over ``urls`` (by node); their choices follow from ``seed``, their timing does not.

    With ``sends_token=False`` travellers keep what they learn to themselves: they move, and ask for no guarantee.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        seed: int,
        travellers: int = 6,
        residents: int = 5,
        keys: int = 6,
        sends_token: bool = True,
    ) -> None:
        self.history = History()
        self.keys = [f"key{n}" for n in range(keys)]
        self.surprises: list[str] = []
        """Answers that no client should ever get."""
        self.moves = 0
        self.sends_token = sends_token
        self._clients = [_Client(f"{seed}.t{n}", urls, self, is_resident=False) for n in range(travellers)]
        self._clients += [_Client(f"{seed}.r{n}", urls, self, is_resident=True) for n in range(residents)]
        self._urls = dict(urls)
        self._stopping = threading.Event()
        self._began = time.monotonic()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The sessions are at work inside of the block; after it every request is answered or given up."""
        self._stopping.clear()
        threads = [threading.Thread(target=client.run, args=(self._stopping,)) for client in self._clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.http.close()

    def seconds(self) -> float:
        """The time on the clock of this history."""
        return time.monotonic() - self._began

    def wait_for_requests(self, count: int) -> None:
        """Return when so many more requests are over."""
        operations = self.history.operations
        target = len(operations) + count
        wait_until(lambda: len(operations) >= target, f"{count} more requests", PROGRESS_TIMEOUT_SECONDS)

    def record_finals(self) -> None:
        """Record what every node shows of every key; for a cluster at rest, and while no session runs."""
        with httpx.Client(timeout=PROGRESS_TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS) as http:
            for node, url in self._urls.items():
                for key in self.keys:
                    answer = http.get(f"{url}/get", params={"key": key, "siblings": "true"})
                    self.history.record_final(FinalRead(node, key, _values(answer, lists_siblings=True)))

    def siblings_seen(self) -> int:
        """Reads that showed more than one value."""
        return sum(len(operation.values) > 1 for operation in self.history.operations)


class _Client:
    """A thread that plays one session after the other."""

    def __init__(self, name: str, urls: Mapping[str, str], load: ForceLoad, *, is_resident: bool) -> None:
        self.http = httpx.Client(timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False, verify=NO_TLS)
        self._name = name
        self._urls = dict(urls)
        self._load = load
        self._is_resident = is_resident
        self._sends_token = load.sends_token and not is_resident
        self._random = random.Random(name)
        self._node = self._random.choice(list(urls))
        self._sessions = self._index = 0
        self._clock: Clock = {}
        """The session's token: all that its answers gave, merged."""

    def run(self, stopping: threading.Event) -> None:
        """One request after the other."""
        while not stopping.wait(self._random.uniform(*THINKING_SECONDS)):
            try:
                self._one_request()
            except Exception as error:  # noqa: BLE001  # a thread's error must reach the test
                self._load.surprises.append(f"session {self._name}: {error!r}")
                return

    def _one_request(self) -> None:
        chance = self._random.random
        if chance() < CHANCE_TO_END:
            self._become_somebody_else()
        if not self._is_resident and chance() < CHANCE_TO_MOVE:
            self._move()
        key = self._random.choice(self._load.keys)
        self._index += 1
        if chance() < CHANCE_TO_READ:
            lists_siblings = chance() < CHANCE_TO_LIST_SIBLINGS
            self._request(Kind.GET, key, lists_siblings=lists_siblings)
        elif chance() < CHANCE_TO_DELETE:
            self._request(Kind.DELETE, key)
        else:
            self._request(Kind.PUT, key, value=f"{self._name}.{self._sessions}-{self._index}")

    def _become_somebody_else(self) -> None:
        """End the session; the next one has seen nothing."""
        self._sessions += 1
        self._index, self._clock = 0, {}

    def _move(self) -> None:
        """Go to another node; a traveller takes its token along."""
        self._node = self._random.choice([node for node in self._urls if node != self._node])
        if self._is_resident:
            self._become_somebody_else()
        else:
            self._load.moves += 1

    def _request(self, kind: Kind, key: str, *, value: str | None = None, lists_siblings: bool = False) -> None:
        node, started = self._node, self._load.seconds()
        outcome, ended, answer = Outcome.OK, math.inf, None
        try:
            answer = self._send(kind, key, value, lists_siblings=lists_siblings)
            outcome, ended = _outcome(answer), self._load.seconds()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            outcome, ended = Outcome.FAILED, self._load.seconds()
        except httpx.TimeoutException:
            outcome = Outcome.UNKNOWN  # a node that was stopped may carry it out when it goes on
        except httpx.TransportError:
            outcome, ended = Outcome.UNKNOWN, self._load.seconds()  # a node that is dead does nothing more
        is_answered = answer is not None and outcome is Outcome.OK
        made = Operation(
            f"{self._name}.{self._sessions}",
            self._index,
            node,
            kind,
            key,
            started,
            ended,
            outcome=outcome,
            value=value,
            values=_values(answer, lists_siblings=lists_siblings) if answer is not None and is_answered else (),
            lists_siblings=lists_siblings,
            clock=self._learn(answer, kind) if answer is not None and is_answered else None,
        )
        self._load.history.record(made)
        if answer is not None and not is_answered:
            self._expect_refusal(answer)
        if outcome is not Outcome.OK:
            self._move()

    def _send(self, kind: Kind, key: str, value: str | None, *, lists_siblings: bool) -> httpx.Response:
        token = ",".join(f"{replica}={count}" for replica, count in self._clock.items())
        headers = {CONTEXT: token if self._sends_token else "", "X-Causal-Wait": CONTEXT_WAIT_SECONDS}
        url = self._urls[self._node]
        if kind is Kind.GET:
            params = {"key": key, **({"siblings": "true"} if lists_siblings else {})}
            return self.http.get(f"{url}/get", params=params, headers=headers)
        body = {"key": key} if kind is Kind.DELETE else {"key": key, "value": value}
        headers["Content-Type"] = "application/json"
        return self.http.post(f"{url}/{kind}", content=json.dumps(body), headers=headers)

    def _learn(self, answer: httpx.Response, kind: Kind) -> Clock | None:
        """What the answer's token says; None where it says nothing of the session, as it was not told of it."""
        given = parse_token(answer.headers[CONTEXT])
        for replica, count in given.items():
            self._clock[replica] = max(count, self._clock.get(replica, 0))
        return None if self._is_resident and kind is Kind.GET else given

    def _expect_refusal(self, answer: httpx.Response) -> None:
        """A node may say that it cannot do it now, in one of these ways."""
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            self._load.surprises.append(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")


def _outcome(answer: httpx.Response) -> Outcome:
    is_miss = answer.status_code == HTTPStatus.NOT_FOUND and answer.request.method == "GET"
    if answer.status_code == HTTPStatus.OK or is_miss:
        return Outcome.OK
    # Retry-After says that nothing was done; a refusal without it leaves open what became of a write.
    is_safe_to_repeat = answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or "Retry-After" in answer.headers
    return Outcome.FAILED if is_safe_to_repeat else Outcome.UNKNOWN


def _values(answer: httpx.Response, *, lists_siblings: bool) -> tuple[str, ...]:
    if answer.request.method != "GET" or answer.status_code == HTTPStatus.NOT_FOUND:
        return ()
    body = answer.json()
    return tuple(shown["value"] for shown in body["siblings"]) if lists_siblings else (body["value"],)

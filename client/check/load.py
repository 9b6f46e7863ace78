"""Sessions at work on a cluster, who record all that they do and see, of two kinds.

Travellers move between nodes and carry their causal token. Residents stay with one node and send no token: what a
token waits for would hide from them whether the node itself keeps causal order, which is what they are there to see.
"""

from __future__ import annotations

import math
import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from client.consistency.history import History, Kind, Operation, Outcome
from client.errors import ClusterError, NotFoundError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from client.answers import Value
    from client.causal_token import CausalToken
    from client.client import Client
    from client.session import Session

# People think. Without it the load alone would fill a small machine, and every message would come late.
THINKING_SECONDS = (0.0, 0.01)
# A node that refuses is not asked again at once.
AFTER_FAILURE_SECONDS = 0.1

CHANCE_TO_MOVE = 0.3
CHANCE_TO_READ = 0.5
CHANCE_TO_LIST_SIBLINGS = 0.6
CHANCE_TO_DELETE = 0.15
CHANCE_TO_LOOK_AROUND = 0.3
CHANCE_TO_END = 0.01
LOOKED_AT_KEYS_MAX = 8


class LoadPlan(NamedTuple):
    """What the sessions do: how many there are, on which keys, and when they have done enough.

    The choices of each session follow from ``seed``, their timing does not.
    """

    keys: Sequence[str]
    sessions: int
    seed: int
    operations_max: int


class Load:
    """The sessions, one thread each, at the named nodes."""

    def __init__(self, client: Client, nodes: Sequence[str], plan: LoadPlan) -> None:
        self.history = History()
        self.plan = plan
        self.moves = 0
        self.failure: Exception | None = None
        """Why a session gave up: something that no cluster should answer."""
        self._stopping = threading.Event()
        self._began = time.monotonic()
        self._actors = [_Actor(f"s{n + 1}", client, nodes, self, is_resident=n % 2 == 1) for n in range(plan.sessions)]
        self._threads = [threading.Thread(target=actor.run, args=(self._stopping,)) for actor in self._actors]

    def start(self) -> None:
        """Set all sessions to work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; when this returns every request is answered or given up."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def is_full(self) -> bool:
        """Whether as much is recorded as may be."""
        return len(self.history.operations) >= self.plan.operations_max

    @property
    def tokens(self) -> Iterable[CausalToken]:
        """What the sessions have seen."""
        return [actor.seen for actor in self._actors]

    def seconds(self) -> float:
        """The time on the clock of the history."""
        return time.monotonic() - self._began


class _Actor:
    """A thread that plays one session after the other."""

    def __init__(self, name: str, client: Client, nodes: Sequence[str], load: Load, *, is_resident: bool) -> None:
        self._name = name
        self._client = client
        self._nodes = nodes
        self._load = load
        self._is_resident = is_resident
        self._random = random.Random(f"{load.plan.seed}.{name}")  # noqa: S311  # a schedule, no secret
        self._node = self._random.choice(nodes)
        self._sessions = self._index = 0
        self._session = client.session()
        self.seen = self._session.token

    def run(self, stopping: threading.Event) -> None:
        """One request after the other."""
        while not stopping.wait(self._random.uniform(*THINKING_SECONDS)) and not self._load.is_full:
            try:
                is_done = self._one_request()
            except Exception as error:  # noqa: BLE001  # whoever started the load raises it
                self._load.failure = error
                return
            if not is_done:
                stopping.wait(AFTER_FAILURE_SECONDS)

    def _one_request(self) -> bool:
        chance = self._random.random
        if chance() < CHANCE_TO_END:
            self._become_somebody_else()
        if not self._is_resident and chance() < CHANCE_TO_MOVE:
            self._move()
        if self._is_resident and chance() < CHANCE_TO_LOOK_AROUND:
            return self._look_around()
        key = self._random.choice(self._load.plan.keys)
        if chance() < CHANCE_TO_READ:
            return self._request(Kind.GET, key, lists_siblings=chance() < CHANCE_TO_LIST_SIBLINGS)
        if chance() < CHANCE_TO_DELETE:
            return self._request(Kind.DELETE, key)
        return self._request(Kind.PUT, key, value=f"{self._name}.{self._sessions}-{self._index + 1}")

    def _look_around(self) -> bool:
        """Read several keys at once: an effect is ahead of a late cause for a moment only."""
        keys = self._load.plan.keys
        chosen = self._random.sample(keys, min(len(keys), LOOKED_AT_KEYS_MAX))
        return all(self._request(Kind.GET, key, lists_siblings=True) for key in chosen)

    def _become_somebody_else(self) -> None:
        """End the session; the next one has seen nothing."""
        self._sessions += 1
        self._index = 0
        self._session = self._client.session()

    def _move(self) -> None:
        """Go to another node, if there is one; a traveller takes its token along."""
        others = [node for node in self._nodes if node != self._node]
        if not others:
            return
        self._node = self._random.choice(others)
        if self._is_resident:
            self._become_somebody_else()
        else:
            self._load.moves += 1

    def _request(self, kind: Kind, key: str, *, value: str | None = None, lists_siblings: bool = False) -> bool:
        """Make one request and record it; tell whether it was answered."""
        self._index += 1
        session = self._client.session() if self._is_resident else self._session
        node, started = self._node, self._load.seconds()
        outcome = Outcome.OK
        values: tuple[str, ...] = ()
        try:
            values = _carry_out(session, kind, key, value, node, lists_siblings=lists_siblings)
        except NotFoundError:
            pass
        except OutcomeUnknownError:
            outcome = Outcome.UNKNOWN
        except ClusterError:
            outcome = Outcome.FAILED
        self.seen = self.seen | session.token
        is_done = outcome is Outcome.OK
        # A resident's read was told of nothing that the session had seen, so that its token says nothing of it.
        tells = is_done and not (self._is_resident and kind is Kind.GET)
        self._load.history.record(
            Operation(
                f"{self._name}.{self._sessions}",
                self._index,
                node,
                kind,
                key,
                started,
                math.inf if outcome is Outcome.UNKNOWN else self._load.seconds(),
                outcome=outcome,
                value=value,
                values=values,
                lists_siblings=lists_siblings,
                clock=session.token.counts if tells else None,
            )
        )
        if not is_done:
            self._move()
        return is_done


def _carry_out(
    session: Session, kind: Kind, key: str, value: str | None, node: str, *, lists_siblings: bool
) -> tuple[str, ...]:
    """Make the request; what a read showed."""
    if kind is Kind.GET:
        return shown(session.get(key, siblings=lists_siblings, node=node))
    if kind is Kind.DELETE:
        session.delete(key, node=node)
    else:
        session.put(key, value, node=node)
    return ()


def shown(value: Value) -> tuple[str, ...]:
    """The values that an answer shows, winner first; those of somebody else too, in some form."""
    values = [sibling.value for sibling in value.siblings] or [value.value]
    return tuple(each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in values)

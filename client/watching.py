"""A watch as a call: opened at any node, opened again where it broke off, told as typed events. No I/O.

The position is the token behind what was delivered. Changes wait until the event that carries the next position has
come, so that a connection which breaks off within a batch makes nobody see a part of it, or a change twice. Parts of
the initial state have no position: when the connection breaks off among them, the state begins anew, behind a `Reset`.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from client import failover, requests
from client.causal_token import CausalToken
from client.changes import Change, InitialStateEnd, Reset, WatchEvent
from client.errors import AnswerLostError, InvalidTokenError, UnexpectedAnswerError
from client.event_stream import DEFAULT_KIND, EVENT_MAX_BYTES, EventStreamParser, ServerSentEvent
from client.failover import Budget
from client.steps import Deliver, Pause, ReadStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.cluster import Cluster
    from client.session_state import SessionState
    from client.steps import Items, Steps

# Nodes say something about every 15 s: three times nothing, and the connection is dead.
SILENCE_SECONDS = 45.0
RECONNECT_SECONDS = 60.0
# A stream that lived so long was a good one.
STEADY_SECONDS = 5.0
DOUBLINGS_MAX = 10
END_OF_INITIAL_STATE, RESET = "end-of-initial-state", "reset"
STATE_BEGINS_ANEW = "the connection broke off within the initial state: it begins anew"

EventT = TypeVar("EventT", Change, InitialStateEnd, Reset)


class Watching:
    """One watch, from its beginning until it is closed.

    ``since``: go on behind this token; None: from now on. ``node``: watch at the node of this name only.
    ``reconnect_seconds``: how long nodes are tried once the connection is lost, before an error is raised; infinity
    never gives up.
    """

    def __init__(
        self,
        cluster: Cluster,
        session: SessionState,
        prefix: str,
        *,
        initial: bool,
        since: CausalToken | str | None,
        node: str | None,
        silence_seconds: float,
        reconnect_seconds: float,
    ) -> None:
        self.token = CausalToken.parse(since) if isinstance(since, str) else since
        """The position: what a later watch goes on from. None while there is none yet."""
        self.url = ""
        self._cluster = cluster
        self._session = session
        self._prefix = prefix
        self._initial = initial
        self._node = node
        self._silence_seconds = silence_seconds
        self._reconnect_seconds = reconnect_seconds
        self._waiting: list[Change] = []
        self._waiting_bytes = 0
        self._is_in_state = False
        self._has_begun = False

    def steps(self) -> Items[WatchEvent | None]:
        """Tell events until it is closed; first of all None, once it has begun: no later change is missed.

        Raises the errors of `client.errors` when no node serves it.
        """
        budget, rounds_max = Budget(self._cluster.timeout_seconds), float(failover.ROUNDS_MAX)
        short_lived = 0
        while True:
            self.url = yield from self._open(budget, rounds_max)
            began = time.monotonic()
            with suppress(AnswerLostError, UnexpectedAnswerError):  # it goes on elsewhere, from the last position
                yield from self._read_stream()
            if self._has_begun:
                budget, rounds_max = Budget(self._reconnect_seconds), math.inf
            elif not budget.remaining_seconds():
                raise AnswerLostError(f"{self.url} ended the stream before it began")
            self._waiting, self._waiting_bytes = [], 0
            if self._is_in_state:
                self._is_in_state = False
                yield Deliver(Reset(error=STATE_BEGINS_ANEW, token=self._session.token, answer={}, text=b"{}"))
            # A node that hangs up again and again is not asked again at once.
            short_lived = short_lived + 1 if time.monotonic() - began < STEADY_SECONDS else 0
            pause_seconds = failover.FIRST_PAUSE_SECONDS * 2.0 ** min(short_lived, DOUBLINGS_MAX)
            yield Pause(min(pause_seconds, failover.LONGEST_PAUSE_SECONDS))

    def _read_stream(self) -> Items[WatchEvent | None]:
        parser = EventStreamParser()
        yield from self._tell_that_it_has_begun()
        while piece := (yield ReadStream()):
            for received in parser.feed(piece):
                for event in self._take(received):
                    yield Deliver(event)
                yield from self._tell_that_it_has_begun()

    def _tell_that_it_has_begun(self) -> Items[WatchEvent | None]:
        if not self._has_begun and (self._initial or self.token is not None):
            self._has_begun = True
            yield Deliver(None)

    def _open(self, budget: Budget, rounds_max: float) -> Steps[str]:
        request = requests.watch(
            self._prefix, initial=self._initial, last_event_id=None if self.token is None else str(self.token)
        )
        return (
            yield from self._cluster.open_stream(
                request,
                self._silence_seconds,
                budget=budget,
                rounds_max=rounds_max,
                node=self._node,
                last=self.url,
                session=self._session,
            )
        )

    def _take(self, received: ServerSentEvent) -> Iterator[WatchEvent]:
        """What an event of the stream means for the one who watches."""
        position = None if received.id is None else self._position(received.id)
        if received.kind == RESET:
            yield self._reset(received, position)
        elif received.kind == END_OF_INITIAL_STATE:
            self._is_in_state = False
            self._move(position)
            yield _read(received, InitialStateEnd, self._known())
        elif received.kind == DEFAULT_KIND and received.data:
            yield from self._take_change(received, position)
        else:  # the position alone, or of a kind that came later than this client
            self._move(position)

    def _take_change(self, received: ServerSentEvent, position: CausalToken | None) -> Iterator[Change]:
        change = _read(received, Change, self._known())
        if change.initial:
            self._is_in_state = True
            yield change
            return
        self._waiting.append(change)
        self._waiting_bytes += len(received.data)
        if self._waiting_bytes > EVENT_MAX_BYTES:
            raise UnexpectedAnswerError(f"a batch of the stream has more than {EVENT_MAX_BYTES} bytes")
        if position is None:
            return
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        yield from batch[:-1]
        self._move(position)
        yield msgspec.structs.replace(batch[-1], token=position)

    def _reset(self, received: ServerSentEvent, position: CausalToken | None) -> Reset:
        self._waiting, self._waiting_bytes = [], 0
        seen = position or self._known()
        self._session.observe(seen)
        # The state that follows has to be told to its end before there is a position again.
        self.token = None if self._initial else seen
        self._is_in_state = self._initial
        return _read(received, Reset, seen)

    def _move(self, position: CausalToken | None) -> None:
        if position is not None:
            self.token = position
            self._session.observe(position)

    def _known(self) -> CausalToken:
        return CausalToken() if self.token is None else self.token

    def _position(self, text: str) -> CausalToken:
        try:
            return CausalToken.parse(text)
        except InvalidTokenError as error:
            raise UnexpectedAnswerError(f"{self.url} sent a malformed id: {error}") from None


def _read(received: ServerSentEvent, kind: type[EventT], token: CausalToken) -> EventT:
    try:
        content: dict[str, Any] = msgspec.json.decode(received.data, type=dict[str, Any])
        told = {**content, "answer": content, "text": received.data, "token": token}
        return msgspec.convert(told, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnexpectedAnswerError(f"an event of the stream is not a causalkv node's: {error}") from None

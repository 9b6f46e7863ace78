"""Watching changes: ``/watch``. The head of the answer is made here; the rest is written by the watch hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import InvalidRequestError
from node.http.answers import ContextNotReached, Failure, Reply
from node.http.causal_context import parse_context
from node.http.connections import HANDOVER_ENVIRON_KEY
from node.http.requests import parse_query
from node.http.routes import LIMIT_REACHED, MALFORMED, Documented, QueryParameter, Route
from node.operation_codec import KEY_MAX_BYTES
from node.watch.events import CONTENT_TYPE
from node.watch.watcher import Wish

if TYPE_CHECKING:
    from node.core.vector_clock import VectorClock
    from node.http.routes import Exchange
    from node.service import ReplicaService
    from node.watch.hub import WatchHub

WATCH_PATH = "/watch"
LAST_EVENT_ID = "Last-Event-ID"
LAST_EVENT_ID_ENVIRON_KEY = "HTTP_LAST_EVENT_ID"
# Proxies that collect answers before they pass them on would hold back events.
UNBUFFERED = (("X-Accel-Buffering", "no"),)
_SHOWN_CHARACTERS_MAX = 80


class WatchView:
    """The view that lets clients watch."""

    def __init__(self, service: ReplicaService, hub: WatchHub) -> None:
        self._service = service
        self._hub = hub

    def route(self) -> Route:
        """The route served here."""
        resume = QueryParameter(
            LAST_EVENT_ID,
            "resume behind this token, the id of the last event; what is missing is sent first",
            {"type": "string"},
        )
        return Route(
            WATCH_PATH,
            "GET",
            self.watch,
            "Every change from now on, in causal order, as server-sent events",
            (
                Documented(
                    200,
                    "changes, each with JSON as its data; the id covers all that was sent. reset: some are left out. "
                    "end-of-initial-state: what follows are changes",
                    (),
                    CONTENT_TYPE,
                ),
                MALFORMED,
                LIMIT_REACHED,
                Documented(
                    503,
                    "cannot now: the context or the last event is not reached (missing says what lacks), too many "
                    "watch already, or the node starts, stops, or failed",
                    (ContextNotReached, Failure),
                    retry_after=True,
                ),
            ),
            query=(
                QueryParameter("prefix", "only keys that begin so", {"type": "string"}),
                QueryParameter("initial", "true: send the whole state first", {"enum": ["true", "false"]}),
                QueryParameter("last_event_id", f"as {LAST_EVENT_ID}, which goes before", {"type": "string"}),
            ),
            headers=(resume,),
            waits=True,
        )

    def watch(self, exchange: Exchange) -> Reply:
        """GET /watch."""
        environ = exchange.environ
        parameters = parse_query(environ["QUERY_STRING"], WATCH_PATH, ("prefix", "initial", "last_event_id"))
        prefix = _checked_prefix(parameters.get("prefix", ""))
        initial = parameters.get("initial", "false")
        if initial not in ("true", "false"):
            raise InvalidRequestError(f"initial is {initial[:_SHOWN_CHARACTERS_MAX]!r}: use true or false")
        wants_state = initial == "true"
        last = _last_event(environ.get(LAST_EVENT_ID_ENVIRON_KEY), parameters.get("last_event_id"))
        context = exchange.context if last is None else exchange.context.merge(last)
        with self._service.reading.cut(context, exchange.wait_seconds) as cut:
            present = cut.clock()
        position = last if last is not None else None if wants_state else present
        seen = present if position is None else position
        if environ["REQUEST_METHOD"] == "HEAD":
            return Reply(200, b"", seen, UNBUFFERED, CONTENT_TYPE)
        environ[HANDOVER_ENVIRON_KEY] = self._hub.admit(Wish(prefix, position, wants_state))
        return Reply(200, b"", seen, UNBUFFERED, CONTENT_TYPE, is_endless=True)


def _checked_prefix(prefix: str) -> str:
    if len(prefix.encode()) > KEY_MAX_BYTES:
        raise InvalidRequestError(f"the prefix is longer than a key may be: at most {KEY_MAX_BYTES} bytes of UTF-8")
    return prefix


def _last_event(header: str | None, parameter: str | None) -> VectorClock | None:
    """Where the client stopped; a browser goes on sending the query of its first request, so the header counts."""
    if header is not None:
        return parse_context(header, LAST_EVENT_ID)
    return None if parameter is None else parse_context(parameter, "last_event_id")

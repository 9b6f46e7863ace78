"""What happens to writes at this node: ``/events``, a page of it, or a stream that the event hub goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.event_log.telling import POSITION_PATTERN, Events, beginning_at, parse_position
from node.http.answers import Reply
from node.http.causal_context import EMPTY
from node.http.connections import HANDOVER_ENVIRON_KEY
from node.http.requests import parse_limit, parse_query
from node.http.routes import MALFORMED, Documented, QueryParameter, Route
from node.http.watching import LAST_EVENT_ID, LAST_EVENT_ID_ENVIRON_KEY, UNBUFFERED
from node.watch.events import CONTENT_TYPE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from node.event_log.streams import EventHub
    from node.event_log.telling import Position, Teller
    from node.http.routes import Exchange
    from node.service import ReplicaService

EVENTS_PATH = "/events"
LIMIT_DEFAULT = 1_000
LIMIT_MAX = 10_000


class EventViews:
    """The view that shows events."""

    def __init__(self, service: ReplicaService, teller: Teller, hub: EventHub) -> None:
        self._service = service
        self._teller = teller
        self._hub = hub

    def route(self) -> Route:
        """The route served here."""
        limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
        position = {"type": "string", "pattern": POSITION_PATTERN}
        return Route(
            EVENTS_PATH,
            "GET",
            self.events,
            "What happened to writes at this node: accepted, confirmed, delivered, held, released, applied",
            (
                Documented(200, "a page of events, the oldest that are kept first", (Events,)),
                Documented(
                    200,
                    "to a request with Accept: text/event-stream: what is kept, then every event from now on. hello: "
                    "whose stream it is. gap: events are left out here",
                    (),
                    CONTENT_TYPE,
                ),
                MALFORMED,
                Documented(503, "too many are streamed events, or the node stops or failed", retry_after=True),
            ),
            query=(
                QueryParameter("since", "only what comes behind this position: next of an earlier answer", position),
                QueryParameter("limit", "how many events a page has at most; streams have no limit", limit),
            ),
            headers=(QueryParameter(LAST_EVENT_ID, "as since, and goes before it", position),),
        )

    def events(self, exchange: Exchange) -> Reply:
        """GET /events."""
        environ = exchange.environ
        parameters = parse_query(environ["QUERY_STRING"], EVENTS_PATH, ("since", "limit"))
        limit = parse_limit(parameters.get("limit"), LIMIT_DEFAULT, LIMIT_MAX)
        position = _position(environ.get(LAST_EVENT_ID_ENVIRON_KEY), parameters.get("since"))
        if not _wants_stream(environ):
            return Reply(200, self._teller.page(position, limit))
        self._service.wait_for(EMPTY, 0)  # a node that stops takes no more clients
        if environ["REQUEST_METHOD"] != "HEAD":
            environ[HANDOVER_ENVIRON_KEY] = self._hub.admit(beginning_at(self._teller.log, position))
            return Reply(200, b"", None, UNBUFFERED, CONTENT_TYPE, is_endless=True)
        return Reply(200, b"", None, UNBUFFERED, CONTENT_TYPE)


def _position(header: str | None, parameter: str | None) -> Position | None:
    """Where the client stopped; a browser goes on sending the query of its first request, so the header counts."""
    since = None if parameter is None else parse_position(parameter, "since")
    return since if header is None else parse_position(header, LAST_EVENT_ID)


def _wants_stream(environ: WSGIEnvironment) -> bool:
    accepted = environ.get("HTTP_ACCEPT", "").split(",")
    return any(part.partition(";")[0].strip().lower() == CONTENT_TYPE for part in accepted)

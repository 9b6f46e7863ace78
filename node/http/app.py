"""The Flask application: which route answers a request.

No view uses Flask's request context, and making one costs more than most views: so a request whose method and path are
exactly those of a route goes straight to its endpoint, and Flask answers all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter

from node.errors import InvalidRequestError
from node.http.answers import Answer, Failure, Reply, encode
from node.http.batches import BatchViews
from node.http.causal_context import CONTEXT_ENVIRON_KEY, EMPTY, context_of
from node.http.conflicts import ConflictView
from node.http.counters_and_sets import CounterAndSetViews
from node.http.dashboard import DashboardView
from node.http.deferring import DEFERRED_ENVIRON_KEY, MAY_DEFER_ENVIRON_KEY
from node.http.endpoint import Deferred, Endpoint
from node.http.errors import OWN_FAULT, reply_to
from node.http.events import EventViews
from node.http.keys import KeyViews
from node.http.membership import MembershipViews
from node.http.openapi import describe
from node.http.operations import OperationViews
from node.http.origins import REQUESTED_METHOD_ENVIRON_KEY, preflight_headers
from node.http.routes import FAULT, MALFORMED, Documented, Exchange, Route
from node.http.watching import WatchView
from node.logs import REPORT_IT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Request, Response

    from node.event_log.streams import EventHub
    from node.event_log.telling import Teller
    from node.faults import Faults
    from node.http.origins import MemberOrigins
    from node.metrics import NodeMetrics
    from node.service import ReplicaService
    from node.watch.hub import WatchHub

log = structlog.get_logger("causalkv.http")

NO_ROUTE = "none"
TEXT = "text/plain"
_SHOWN_CHARACTERS_MAX = 200


def create_app(
    service: ReplicaService,
    *,
    metrics: NodeMetrics,
    value_max_bytes: int,
    watch_hub: WatchHub,
    origins: MemberOrigins,
    teller: Teller,
    event_hub: EventHub,
    faults: Faults | None = None,
    ignores_tokens: bool = False,
) -> Flask:
    """The application for one node.

    ``origins``: whom the dashboard may talk to. ``faults`` turns on ``/faults``; ``ignores_tokens``: see
    ``node/unsafe.py``.
    """
    routes = [
        *KeyViews(service, value_max_bytes).routes(),
        WatchView(service, watch_hub).route(),
        EventViews(service, teller, event_hub).route(),
        *BatchViews(service, value_max_bytes).routes(),
        *CounterAndSetViews(service).routes(),
        ConflictView(service).route(),
        *OperationViews(service, metrics, faults).routes(),
        *MembershipViews(service).routes(),
        *DashboardView(service.node_id, origins).routes(),
    ]
    routes.append(_openapi_route([route for route in routes if route.is_described]))
    app = _NodeApp(__name__)
    for route in routes:
        app.serve(route, Endpoint(route, metrics, ignores_tokens=ignores_tokens))
    app.register_error_handler(HTTPException, _unrouted(metrics))
    return app


class _NodeApp(Flask):
    """Flask without what this application has no use for, and with nothing that can end in a 500."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None, template_folder=None)
        self.url_map.merge_slashes = False  # a path is right or 404: never a redirect
        self._endpoints: dict[tuple[str, str], Endpoint] = {}

    def serve(self, route: Route, endpoint: Endpoint) -> None:
        """Answer a route's requests with ``endpoint``."""
        self._endpoints[route.method, route.path] = endpoint
        self.add_url_rule(
            route.path,
            endpoint=f"{route.method} {route.path}",
            view_func=lambda **_in_path: endpoint.answer(request.environ).as_response(),
            methods=[route.method],
            provide_automatic_options=False,
        )

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Routes depend on path and method alone, so a Host header costs nothing and cannot be wrong."""
        if request is None:
            return None
        environ = request.environ
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        return MapAdapter(self.url_map, "node", "/", "", "http", path, environ["REQUEST_METHOD"])

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Flask's, past it where it has nothing to decide; what goes wrong outside of every view is an answer too."""
        try:
            return self._begin_or_finish(environ, start_response)
        except Exception:  # no request may end in a traceback or a 500
            log.exception("a request failed", route=NO_ROUTE, what_to_do=REPORT_IT)
            return Answer(Reply(503, encode(Failure(OWN_FAULT))), EMPTY).send(start_response)

    def _begin_or_finish(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        deferred: Deferred | None = environ.get(DEFERRED_ENVIRON_KEY)
        if deferred is not None:
            return deferred.finish().send(start_response)
        # As Flask does, which takes any number of leading slashes for one: past it in any case, so that no write
        # has to wait inside of it.
        path = environ["PATH_INFO"]
        if not path.startswith("/") or path.startswith("//"):
            path = "/" + path.lstrip("/")
        endpoint = self._endpoints.get((environ["REQUEST_METHOD"], path))
        if endpoint is None:
            return super().wsgi_app(environ, start_response)
        begun = endpoint.begin(environ)
        if isinstance(begun, Deferred):
            if MAY_DEFER_ENVIRON_KEY in environ:
                environ[DEFERRED_ENVIRON_KEY] = begun
                return ()
            begun = begun.wait()
        return begun.send(start_response)


def _unrouted(metrics: NodeMetrics) -> Callable[[HTTPException], Response]:
    """Flask's handler for requests that match no route: unknown path, wrong method."""

    def handle(error: HTTPException) -> Response:
        environ = request.environ
        shown = environ["PATH_INFO"][:_SHOWN_CHARACTERS_MAX]
        if isinstance(error, NotFound):
            reply = Reply(404, encode(Failure(f"there is nothing at {shown}: GET /openapi.json lists what there is")))
        elif isinstance(error, MethodNotAllowed):
            reply = _not_taken(environ, shown, ", ".join(sorted(error.valid_methods or ())))
        else:
            reply = reply_to(InvalidRequestError(error.description or "the request is malformed"), NO_ROUTE)
        metrics.http_request(NO_ROUTE, environ["REQUEST_METHOD"], reply.status, 0.0)
        return Answer(reply, context_of(environ, CONTEXT_ENVIRON_KEY)).as_response()

    return handle


def _not_taken(environ: WSGIEnvironment, path: str, allowed: str) -> Reply:
    """The answer to a method that a path does not take; ``OPTIONS`` is how a browser asks before a page may ask."""
    if environ["REQUEST_METHOD"] == "OPTIONS" and REQUESTED_METHOD_ENVIRON_KEY in environ:
        return Reply(200, b"", headers=preflight_headers(allowed), content_type=TEXT)
    method = environ["REQUEST_METHOD"][:_SHOWN_CHARACTERS_MAX]
    body = encode(Failure(f"{path} does not take {method}: use {allowed}"))
    return Reply(405, body, headers=(("Allow", allowed),))


def _openapi_route(others: list[Route]) -> Route:
    """The route that describes all routes, itself included."""
    document: list[bytes] = []

    def openapi(_exchange: Exchange) -> Reply:
        return Reply(200, document[0])

    route = Route(
        "/openapi.json",
        "GET",
        openapi,
        "This description",
        (Documented(200, "OpenAPI 3.1", ()), MALFORMED, FAULT),
    )
    description: dict[str, Any] = describe([*others, route])
    document.append(encode(description))
    return route

"""The Flask application: from a WSGI request to a view and back, with one wrapper around every view.

The wrapper reads the causal token, maps errors to answers, puts the token and the constant headers on the
answer and observes the metrics: once and in one place, because each of Flask's before- and after-request hooks
costs more than a read of the store.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter

from node.errors import InvalidRequestError
from node.http.answers import STATUS_LINES, Answer, Failure, Reply, constant_headers, encode
from node.http.batches import BatchViews
from node.http.causal_context import (
    CONTEXT_ENVIRON_KEY,
    CONTEXT_HEADER,
    EMPTY,
    WAIT_ENVIRON_KEY,
    context_of,
    parse_context,
    parse_wait,
)
from node.http.counters_and_sets import CounterAndSetViews
from node.http.errors import OWN_FAULT, reply_to
from node.http.keys import KeyViews
from node.http.membership import MembershipViews
from node.http.openapi import describe
from node.http.operations import OperationViews
from node.http.requests import parse_query
from node.http.routes import FAULT, MALFORMED, Documented, Exchange, Route
from node.http.watching import WatchView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Request, Response

    from node.faults import Faults
    from node.metrics import NodeMetrics
    from node.service import ReplicaService
    from node.watch.hub import WatchHub

log = structlog.get_logger("causalkv.http")

NO_ROUTE = "none"
_SHOWN_CHARACTERS_MAX = 200


def create_app(
    service: ReplicaService,
    *,
    metrics: NodeMetrics,
    value_max_bytes: int,
    watch_hub: WatchHub,
    faults: Faults | None = None,
    ignores_tokens: bool = False,
) -> Flask:
    """The application for one node; ``faults`` turns on ``/faults``; ``ignores_tokens``: see ``node/unsafe.py``."""
    metrics.watch(service)
    routes = [
        *KeyViews(service, metrics, value_max_bytes).routes(),
        WatchView(service, watch_hub).route(),
        *BatchViews(service, value_max_bytes).routes(),
        *CounterAndSetViews(service).routes(),
        *OperationViews(service, metrics, faults).routes(),
        *MembershipViews(service).routes(),
    ]
    routes.append(_openapi_route(routes))
    app = _NodeApp(__name__, static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False  # a path is right or 404: never a redirect
    for route in routes:
        app.add_url_rule(
            route.path,
            endpoint=f"{route.method} {route.path}",
            view_func=_endpoint(route, metrics, ignores_tokens=ignores_tokens),
            methods=[route.method],
            provide_automatic_options=False,
        )
    app.register_error_handler(HTTPException, _unrouted(metrics))
    return app


class _NodeApp(Flask):
    """Flask without what this application has no use for, and with nothing that can end in a 500."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Routes depend on path and method alone, so a Host header costs nothing and cannot be wrong."""
        if request is None:
            return None
        environ = request.environ
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        return MapAdapter(self.url_map, "node", "/", "", "http", path, environ["REQUEST_METHOD"])

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Flask's, but what goes wrong outside of every view is an answer too."""
        try:
            return super().wsgi_app(environ, start_response)
        except Exception:  # no request may end in a traceback or a 500
            log.exception("request failed by a fault of this program", route=NO_ROUTE)
            reply = Reply(503, encode(Failure(OWN_FAULT)))
            headers = [*constant_headers(reply.content_type), (CONTEXT_HEADER, ""), *reply.headers]
            start_response(STATUS_LINES[reply.status], headers)
            return [reply.body]


def _endpoint(route: Route, metrics: NodeMetrics, *, ignores_tokens: bool) -> Callable[[], Response]:
    """The view function that Flask calls for a route."""
    path, view, waits = route.path, route.view, route.waits
    takes_no_query = route.query == ()

    def endpoint() -> Response:
        started = perf_counter()
        environ = request.environ
        context = EMPTY
        try:
            token = environ.get(CONTEXT_ENVIRON_KEY)
            if token and not ignores_tokens:
                context = parse_context(token)
            wait_seconds = parse_wait(environ.get(WAIT_ENVIRON_KEY)) if waits else 0.0
            if takes_no_query and environ["QUERY_STRING"]:
                parse_query(environ["QUERY_STRING"], path, ())
            reply = view(Exchange(environ, context, wait_seconds))
        except Exception as error:  # noqa: BLE001  # the table decides; what is not in it is logged there
            reply = reply_to(error, path)
        done = Answer(reply, context)
        metrics.http_request(path, environ["REQUEST_METHOD"], reply.status, perf_counter() - started)
        return done

    return endpoint


def _unrouted(metrics: NodeMetrics) -> Callable[[HTTPException], Answer]:
    """Flask's handler for requests that match no route: unknown path, wrong method."""

    def handle(error: HTTPException) -> Answer:
        environ = request.environ
        shown = environ["PATH_INFO"][:_SHOWN_CHARACTERS_MAX]
        if isinstance(error, NotFound):
            reply = Reply(404, encode(Failure(f"there is nothing at {shown}: GET /openapi.json lists what there is")))
        elif isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(error.valid_methods or ()))
            method = environ["REQUEST_METHOD"][:_SHOWN_CHARACTERS_MAX]
            body = encode(Failure(f"{shown} does not take {method}: use {allowed}"))
            reply = Reply(405, body, headers=(("Allow", allowed),))
        else:
            reply = reply_to(InvalidRequestError(error.description or "the request is malformed"), NO_ROUTE)
        metrics.http_request(NO_ROUTE, environ["REQUEST_METHOD"], reply.status, 0.0)
        return Answer(reply, context_of(environ, CONTEXT_ENVIRON_KEY))

    return handle


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

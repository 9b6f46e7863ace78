"""Reading and writing keys: ``/put``, ``/get``, ``/delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Raw

from node.checks import check_key, put_of
from node.clocks import wall_ms
from node.core.dot import node_id_of
from node.core.write import Delete
from node.http.answers import Reply, encode
from node.http.data_answers import Found, NotFound, Sibling, WriteDone
from node.http.requests import KEY_SCHEMA, JsonBody, parse_get_query
from node.http.routes import CANNOT_NOW, LIMIT_REACHED, MALFORMED, Documented, QueryParameter, Route
from node.http.write_requests import DeleteRequest, PutRequest, ttl_seconds
from node.http.writing import CONFLICT, WRITE_ERRORS, write_and_say
from node.operation_codec import exactly

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.core.vector_clock import VectorClock
    from node.core.versions import Version, Versions
    from node.http.routes import Committing, Exchange
    from node.service import ReplicaService

GET_PATH = "/get"
PUT_MESSAGE = "Value stored with causal consistency"
DELETE_MESSAGE = "Key deleted with causal consistency"


class KeyViews:
    """The views on keys, over one node's service."""

    def __init__(self, service: ReplicaService, value_max_bytes: int) -> None:
        self._service = service
        self._value_max_bytes = value_max_bytes
        self._put_body = JsonBody(PutRequest, '{"key": "x", "value": <any JSON>}')
        self._delete_body = JsonBody(DeleteRequest, '{"key": "x"}')

    def routes(self) -> list[Route]:
        """The routes served here."""
        wants_siblings = QueryParameter("siblings", "true: list all concurrent values", {"enum": ["true", "false"]})
        key = QueryParameter("key", "the key to read", KEY_SCHEMA, required=True)
        return [
            Route(
                "/put",
                "POST",
                self.put,
                "Give a key a value",
                (Documented(200, "durable at this node", (WriteDone,)), CONFLICT, *WRITE_ERRORS),
                body=PutRequest,
                waits=True,
            ),
            Route(
                GET_PATH,
                "GET",
                self.get,
                "Read a key",
                (
                    Documented(200, "the winning value; with siblings=true all concurrent ones", (Found,)),
                    MALFORMED,
                    Documented(404, "the key has no value here", (NotFound,)),
                    LIMIT_REACHED,
                    CANNOT_NOW,
                ),
                query=(key, wants_siblings),
                waits=True,
            ),
            Route(
                "/delete",
                "POST",
                self.delete,
                "Remove a key's value",
                (
                    Documented(200, "durable at this node; also when there was no value", (WriteDone,)),
                    CONFLICT,
                    *WRITE_ERRORS,
                ),
                body=DeleteRequest,
                waits=True,
            ),
        ]

    def put(self, exchange: Exchange) -> Committing[Reply]:
        """POST /put."""
        request = self._put_body.read(exchange.environ)
        operation = put_of(request.key, request.value, ttl_seconds(request.ttl), self._value_max_bytes)
        condition = request.condition(request.key, self._service.shown)
        return write_and_say(self._service, exchange, (operation,), request, PUT_MESSAGE, condition=condition)

    def delete(self, exchange: Exchange) -> Committing[Reply]:
        """POST /delete."""
        request = self._delete_body.read(exchange.environ)
        operation = Delete(check_key(request.key))
        condition = request.condition(request.key, self._service.shown)
        return write_and_say(self._service, exchange, (operation,), request, DELETE_MESSAGE, condition=condition)

    def get(self, exchange: Exchange) -> Reply:
        """GET /get."""
        key, wants_siblings = parse_get_query(exchange.environ["QUERY_STRING"], GET_PATH)
        versions, clock = self._service.reading.read(key, exchange.context, exchange.wait_seconds)
        if not versions:
            return Reply(404, encode(NotFound("the key has no value here", key)), clock)
        winner = versions[0]
        found = Found(key, Raw(winner.value), self._service.shown(winner.clock))
        if winner.expires_ms:
            found.ttl = max(0, winner.expires_ms - wall_ms()) / 1000
        if wants_siblings:
            found.siblings = siblings_of(versions, self._service.shown)
            clock = _merged(clock, versions)
        return Reply(200, encode(found), clock)


def siblings_of(versions: Versions, shown: Callable[[VectorClock], list[int]]) -> list[Sibling]:
    """Each value once: that two nodes wrote the same at the same time is no conflict to anybody."""
    different: dict[str, Version] = {}
    for each in versions:
        different.setdefault(exactly(each.value), each)
    return [Sibling(Raw(each.value), shown(each.clock), node_id_of(each.dot.replica)) for each in different.values()]


def _merged(clock: VectorClock, versions: Versions) -> VectorClock:
    """The clock that covers all the versions that an answer shows."""
    for version in versions:
        clock = clock.merge(version.clock)
    return clock

"""Reading and writing keys: ``/put``, ``/get``, ``/delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, Raw

from node.ack_room import AckLevel
from node.core.dot import node_id_of
from node.core.write import Delete, Put
from node.http.answers import Found, NotFound, Reply, Sibling, WriteDone, encode
from node.http.requests import DeleteRequest, JsonBody, PutRequest, check_key, check_value, parse_get_query
from node.http.routes import BODY_ERRORS, CANNOT_NOW, LIMIT_REACHED, MALFORMED, Documented, QueryParameter, Route

if TYPE_CHECKING:
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions
    from node.core.write import Operation
    from node.http.routes import Exchange
    from node.metrics import NodeMetrics
    from node.service import ReplicaService

GET_PATH = "/get"
PUT_MESSAGE = "Value stored with causal consistency"
DELETE_MESSAGE = "Key deleted with causal consistency"

_WRITE_ERRORS = (
    MALFORMED,
    *BODY_ERRORS,
    LIMIT_REACHED,
    CANNOT_NOW,
    Documented(507, "the disk or the store's size limit is full; nothing was written"),
)


class KeyViews:
    """The views on keys, over one node's service."""

    def __init__(self, service: ReplicaService, metrics: NodeMetrics, value_max_bytes: int) -> None:
        self._service = service
        self._metrics = metrics
        self._value_max_bytes = value_max_bytes
        self._put_body = JsonBody(PutRequest, '{"key": "x", "value": <any JSON>}')
        self._delete_body = JsonBody(DeleteRequest, '{"key": "x"}')

    def routes(self) -> list[Route]:
        """The routes served here."""
        wants_siblings = QueryParameter("siblings", "true: list all concurrent values", {"enum": ["true", "false"]})
        key = QueryParameter("key", "the key to read", {"type": "string", "minLength": 1}, required=True)
        return [
            Route(
                "/put",
                "POST",
                self.put,
                "Give a key a value",
                (Documented(200, "durable at this node", (WriteDone,)), *_WRITE_ERRORS),
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
                (Documented(200, "durable at this node; also when there was no value", (WriteDone,)), *_WRITE_ERRORS),
                body=DeleteRequest,
                waits=True,
            ),
        ]

    def put(self, exchange: Exchange) -> Reply:
        """POST /put."""
        request = self._put_body.read(exchange.environ)
        operation = Put(check_key(request.key), check_value(request.value, self._value_max_bytes))
        return self._write(operation, exchange, PUT_MESSAGE, request)

    def delete(self, exchange: Exchange) -> Reply:
        """POST /delete."""
        request = self._delete_body.read(exchange.environ)
        return self._write(Delete(check_key(request.key)), exchange, DELETE_MESSAGE, request)

    def _write(
        self, operation: Operation, exchange: Exchange, message: str, request: PutRequest | DeleteRequest
    ) -> Reply:
        level = AckLevel.LOCAL if request.ack is UNSET else AckLevel[request.ack.upper()]
        write, acked = self._service.write(
            (operation,), exchange.context, exchange.wait_seconds, level, request.ack_timeout
        )
        done = WriteDone(message, self._service.shown(write.clock))
        if request.ack is not UNSET:
            done.acked = acked.word
        return Reply(200, encode(done), write.clock)

    def get(self, exchange: Exchange) -> Reply:
        """GET /get."""
        key, wants_siblings = parse_get_query(exchange.environ["QUERY_STRING"], GET_PATH)
        versions, clock = self._service.read(key, exchange.context, exchange.wait_seconds)
        self._metrics.read(hit=bool(versions))
        if not versions:
            return Reply(404, encode(NotFound("the key has no value here", key)), clock)
        winner = versions[0]
        found = Found(key, Raw(winner.value), self._service.shown(winner.clock))
        if wants_siblings:
            found.siblings = self._siblings(versions)
            clock = _merged(clock, versions)
        return Reply(200, encode(found), clock)

    def _siblings(self, versions: Versions) -> list[Sibling]:
        shown = self._service.shown
        return [Sibling(Raw(each.value), shown(each.clock), node_id_of(each.dot.replica)) for each in versions]


def _merged(clock: VectorClock, versions: Versions) -> VectorClock:
    """The clock that covers all the versions that an answer shows."""
    for version in versions:
        clock = clock.merge(version.clock)
    return clock

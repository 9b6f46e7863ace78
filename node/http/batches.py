"""Several keys at the same moment: ``/batch``, ``/mget``, ``/scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Raw

from node.checks import check_cursor, check_key
from node.http.answers import Reply, encode
from node.http.data_answers import Entry, KeyValue, Scanned, Values, WriteDone
from node.http.requests import CURSOR_SCHEMA, JsonBody, MultipleGetRequest, parse_limit, parse_query
from node.http.routes import BODY_ERRORS, CANNOT_NOW, LIMIT_REACHED, MALFORMED, Documented, QueryParameter, Route
from node.http.write_requests import BatchRequest, operation_of
from node.http.writing import WRITE_ERRORS, write_and_say

if TYPE_CHECKING:
    from node.http.routes import Committing, Exchange
    from node.service import ReplicaService

BATCH_MESSAGE = "Batch stored with causal consistency"
SCAN_PATH = "/scan"
SCAN_LIMIT_DEFAULT = 100
SCAN_LIMIT_MAX = 1000


class BatchViews:
    """The views on several keys, over one node's service."""

    def __init__(self, service: ReplicaService, value_max_bytes: int) -> None:
        self._service = service
        self._value_max_bytes = value_max_bytes
        self._batch_body = JsonBody(
            BatchRequest,
            '{"ops": [{"op": "put", "key": "x", "value": <any JSON>}, {"op": "delete", "key": "y"}]}; '
            "op is put, delete, incr, sadd or srem",
            parts="ops",
        )
        self._mget_body = JsonBody(MultipleGetRequest, '{"keys": ["x", "y"]}')

    def routes(self) -> list[Route]:
        """The routes served here."""
        limit = {"type": "integer", "minimum": 1, "maximum": SCAN_LIMIT_MAX, "default": SCAN_LIMIT_DEFAULT}
        return [
            Route(
                "/batch",
                "POST",
                self.batch,
                "Change several keys at the same moment, all or nothing, on every node",
                (Documented(200, "durable at this node", (WriteDone,)), *WRITE_ERRORS),
                body=BatchRequest,
                waits=True,
            ),
            Route(
                "/mget",
                "POST",
                self.mget,
                "Read several keys at the same moment",
                (
                    Documented(200, "a value, or that there is none, for each key", (Values,)),
                    MALFORMED,
                    *BODY_ERRORS,
                    LIMIT_REACHED,
                    CANNOT_NOW,
                ),
                body=MultipleGetRequest,
                waits=True,
            ),
            Route(
                SCAN_PATH,
                "GET",
                self.scan,
                "List keys in byte order, page by page",
                (Documented(200, "one page", (Scanned,)), MALFORMED, LIMIT_REACHED, CANNOT_NOW),
                query=(
                    QueryParameter("prefix", "only keys that begin so", CURSOR_SCHEMA),
                    QueryParameter("after", "only keys behind this one: the `next` of the page before", CURSOR_SCHEMA),
                    QueryParameter("limit", "how many keys to list; fewer when their values are large", limit),
                ),
                waits=True,
            ),
        ]

    def batch(self, exchange: Exchange) -> Committing[Reply]:
        """POST /batch."""
        request = self._batch_body.read(exchange.environ)
        operations = tuple(operation_of(wanted, self._value_max_bytes) for wanted in request.ops)
        return write_and_say(self._service, exchange, operations, request, BATCH_MESSAGE)

    def mget(self, exchange: Exchange) -> Reply:
        """POST /mget."""
        keys = [check_key(key) for key in self._mget_body.read(exchange.environ).keys]
        found, clock = self._service.reading.read_many(keys, exchange.context, exchange.wait_seconds)
        values = [
            Entry(key, Raw(versions[0].value), self._service.shown(versions[0].clock))
            if versions
            else Entry(key, missing=True)
            for key, versions in zip(keys, found, strict=True)
        ]
        return Reply(200, encode(Values(values, self._service.shown(clock))), clock)

    def scan(self, exchange: Exchange) -> Reply:
        """GET /scan."""
        parameters = parse_query(exchange.environ["QUERY_STRING"], SCAN_PATH, ("prefix", "after", "limit"))
        prefix, after = (check_cursor(parameters.get(name, ""), name) for name in ("prefix", "after"))
        limit = parse_limit(parameters.get("limit"), SCAN_LIMIT_DEFAULT, SCAN_LIMIT_MAX)
        page = self._service.reading.scan(prefix, after, limit, exchange.context, exchange.wait_seconds)
        keys = [key for key, _ in page.entries]
        values = [
            KeyValue(key, Raw(versions[0].value), self._service.shown(versions[0].clock))
            for key, versions in page.entries
        ]
        following = keys[-1] if page.has_more else None
        return Reply(200, encode(Scanned(keys, values, following, self._service.shown(page.clock))), page.clock)

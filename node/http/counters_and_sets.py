"""Counters and add-wins sets, each type with keys of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, Raw

from node.checks import check_cursor, check_key, members_of
from node.core.write import AddMembers, Increment, RemoveMembers
from node.http.answers import Reply, encode
from node.http.data_answers import Counter, Incremented, SetMembers, WriteDone
from node.http.requests import CURSOR_SCHEMA, KEY_SCHEMA, JsonBody, parse_limit, parse_query, required_key
from node.http.routes import CANNOT_NOW, LIMIT_REACHED, MALFORMED, Documented, QueryParameter, Route
from node.http.write_requests import IncrementRequest, MembersRequest
from node.http.writing import WRITE_ERRORS, write, write_and_say

if TYPE_CHECKING:
    from node.http.routes import Committing, Exchange
    from node.service import ReplicaService

INCREMENT_MESSAGE = "Counter incremented with causal consistency"
ADD_MESSAGE = "Members added with causal consistency"
REMOVE_MESSAGE = "Members removed with causal consistency"
COUNTER_PATH = "/counter/get"
SET_PATH = "/set/get"
MEMBERS_SHOWN_MAX = 100_000

_READ_ERRORS = (MALFORMED, LIMIT_REACHED, CANNOT_NOW)


class CounterAndSetViews:
    """The views on counters and sets, over one node's service."""

    def __init__(self, service: ReplicaService) -> None:
        self._service = service
        self._increment_body = JsonBody(IncrementRequest, '{"key": "x"} or {"key": "x", "by": 5}')
        self._members_body = JsonBody(MembersRequest, '{"key": "x", "members": ["a", "b"]}')

    def routes(self) -> list[Route]:
        """The routes served here."""
        done = Documented(200, "durable at this node", (WriteDone,))
        key = QueryParameter("key", "the key to read", KEY_SCHEMA, required=True)
        limit = {"type": "integer", "minimum": 1, "maximum": MEMBERS_SHOWN_MAX, "default": MEMBERS_SHOWN_MAX}
        return [
            Route(
                "/counter/incr",
                "POST",
                self.increment,
                "Add to a counter; no concurrent increment is lost",
                (Documented(200, "durable at this node", (Incremented,)), *WRITE_ERRORS),
                body=IncrementRequest,
                waits=True,
            ),
            Route(
                COUNTER_PATH,
                "GET",
                self.counter,
                "Read a counter",
                (Documented(200, "what it stands at here", (Counter,)), *_READ_ERRORS),
                query=(key,),
                waits=True,
            ),
            Route(
                "/set/add",
                "POST",
                self.add,
                "Add members to a set; an addition survives a removal that has not seen it",
                (done, *WRITE_ERRORS),
                body=MembersRequest,
                waits=True,
            ),
            Route(
                "/set/remove",
                "POST",
                self.remove,
                "Remove members from a set",
                (done, *WRITE_ERRORS),
                body=MembersRequest,
                waits=True,
            ),
            Route(
                SET_PATH,
                "GET",
                self.members,
                "List the members of a set",
                (Documented(200, "its members here; none when it is empty", (SetMembers,)), *_READ_ERRORS),
                query=(
                    key,
                    QueryParameter(
                        "after", "only members behind this one: the `next` of the page before", CURSOR_SCHEMA
                    ),
                    QueryParameter("limit", "how many members to list; fewer when they are large", limit),
                ),
                waits=True,
            ),
        ]

    def increment(self, exchange: Exchange) -> Committing[Reply]:
        """POST /counter/incr."""
        request = self._increment_body.read(exchange.environ)
        key = check_key(request.key)
        result = yield from write(self._service, exchange, (Increment(key, request.by),), request)
        counted = self._service.reading.counter_after_writing(key)
        clock = result.write.clock.merge(counted.clock)
        done = Incremented(INCREMENT_MESSAGE, counted.value, self._service.shown(result.write.clock))
        if request.ack is not UNSET:
            done.acked = result.acked.word
        return Reply(200, encode(done), clock)

    def counter(self, exchange: Exchange) -> Reply:
        """GET /counter/get."""
        key = required_key(parse_query(exchange.environ["QUERY_STRING"], COUNTER_PATH, ("key",)), COUNTER_PATH)
        value, clock = self._service.reading.counter(key, exchange.context, exchange.wait_seconds)
        return Reply(200, encode(Counter(key, value, self._service.shown(clock))), clock)

    def add(self, exchange: Exchange) -> Committing[Reply]:
        """POST /set/add."""
        request = self._members_body.read(exchange.environ)
        operation = AddMembers(check_key(request.key), members_of(request.members))
        return write_and_say(self._service, exchange, (operation,), request, ADD_MESSAGE)

    def remove(self, exchange: Exchange) -> Committing[Reply]:
        """POST /set/remove."""
        request = self._members_body.read(exchange.environ)
        operation = RemoveMembers(check_key(request.key), members_of(request.members))
        return write_and_say(self._service, exchange, (operation,), request, REMOVE_MESSAGE)

    def members(self, exchange: Exchange) -> Reply:
        """GET /set/get."""
        parameters = parse_query(exchange.environ["QUERY_STRING"], SET_PATH, ("key", "after", "limit"))
        key, after = required_key(parameters, SET_PATH), check_cursor(parameters.get("after", ""), "after")
        limit = parse_limit(parameters.get("limit"), MEMBERS_SHOWN_MAX, MEMBERS_SHOWN_MAX)
        page = self._service.reading.members(key, after, limit, exchange.context, exchange.wait_seconds)
        members = [member for member, _ in page.entries]
        following = members[-1] if page.has_more else None
        shown = [Raw(member.encode()) for member in members]
        return Reply(200, encode(SetMembers(key, shown, following, self._service.shown(page.clock))), page.clock)

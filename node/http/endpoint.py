"""From a WSGI request to a view and back: what stands around every view.

It reads the causal token, maps errors to answers, puts the token and the constant headers on the answer and observes
the metrics: once and in one place, because each of Flask's before- and after-request hooks costs more than a read of
the store.

A view that writes stands still until its commit (``Committing``), and its request holds no thread meanwhile
(``Deferred``): the server goes on with others, and calls again when the replica has answered a whole commit.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from node.http.answers import Answer, Reply
from node.http.causal_context import CONTEXT_ENVIRON_KEY, EMPTY, WAIT_ENVIRON_KEY, parse_context, parse_wait
from node.http.errors import reply_to
from node.http.requests import parse_query
from node.http.routes import Exchange
from node.service import COMMIT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from node.core.vector_clock import VectorClock
    from node.http.routes import Committing, Route
    from node.metrics import NodeMetrics
    from node.submission import Submission


class _Request(NamedTuple):
    method: str
    context: VectorClock
    started: float


class Endpoint:
    """What answers the requests of one route."""

    def __init__(self, route: Route, metrics: NodeMetrics, *, ignores_tokens: bool) -> None:
        self.path = route.path
        self._view = route.view
        self._waits = route.waits
        self._takes_no_query = route.query == ()
        self._metrics = metrics
        self._ignores_tokens = ignores_tokens

    def answer(self, environ: WSGIEnvironment) -> Answer:
        """The answer, waited for."""
        begun = self.begin(environ)
        return begun if isinstance(begun, Answer) else begun.wait()

    def begin(self, environ: WSGIEnvironment) -> Answer | Deferred:
        """The answer, or what it waits for."""
        started = perf_counter()
        context = EMPTY
        try:
            token = environ.get(CONTEXT_ENVIRON_KEY)
            if token and not self._ignores_tokens:
                context = parse_context(token)
            wait_seconds = parse_wait(environ.get(WAIT_ENVIRON_KEY)) if self._waits else 0.0
            if self._takes_no_query and environ["QUERY_STRING"]:
                parse_query(environ["QUERY_STRING"], self.path, ())
            found = self._view(Exchange(environ, context, wait_seconds))
            if isinstance(found, Reply):
                reply = found
            else:
                request = _Request(environ["REQUEST_METHOD"], context, started)
                return Deferred(self, request, next(found), found)
        except StopIteration as end:
            reply = end.value
        except Exception as error:  # noqa: BLE001  # the table decides; what is not in it is logged there
            reply = reply_to(error, self.path)
        return self.end(_Request(environ["REQUEST_METHOD"], context, started), reply)

    def end(self, request: _Request, reply: Reply) -> Answer:
        """The answer of a request that came to ``reply``."""
        answer = Answer(reply, request.context)
        self._metrics.http_request(self.path, request.method, reply.status, perf_counter() - request.started)
        return answer


class Deferred:
    """A request that was begun, and goes on when its submission is answered; see ``Deferral``."""

    __slots__ = ("_endpoint", "_request", "_rest", "_submission", "then")

    def __init__(self, endpoint: Endpoint, request: _Request, submission: Submission, rest: Committing[Reply]) -> None:
        self._submission = submission
        self.then = submission.then
        self._endpoint = endpoint
        self._request = request
        self._rest = rest

    @property
    def is_ready(self) -> bool:
        """Whether ``finish`` can be called."""
        return self._submission.is_answered

    def finish(self) -> Answer:
        """The answer; to be called once, when the submission is answered."""
        try:
            next(self._rest)
        except StopIteration as end:
            return self._endpoint.end(self._request, end.value)
        except Exception as error:  # noqa: BLE001  # the table decides; what is not in it is logged there
            return self._endpoint.end(self._request, reply_to(error, self._endpoint.path))
        raise RuntimeError(f"the view of {self._endpoint.path} waits for a second write")

    def wait(self) -> Answer:
        """The answer, waited for."""
        self._submission.wait(COMMIT_TIMEOUT_SECONDS)
        return self.finish()

    def give_up_if_late(self) -> None:
        """Wait no longer than a commit may take."""
        if perf_counter() - self._request.started > COMMIT_TIMEOUT_SECONDS:
            self._submission.time_out(COMMIT_TIMEOUT_SECONDS)

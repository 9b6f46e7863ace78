"""HTTP to nodes: one request, one answer, one node; whether to try again is decided elsewhere.

Proxies named in the environment are not used: nodes stand on loopback or a private network, where a
proxy meant for the web would swallow the requests. Who does reach a cluster through a proxy names it in
``CAUSALKV_PROXY``. Certificates of https nodes are checked against the system's store (``SSL_CERT_FILE``).
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

import httpx

from client.errors import AnswerLostError, ConfigurationError, UnexpectedAnswerError, UnreachableError
from client.protocol import CONTEXT_HEADER, WAIT_HEADER, RawAnswer

if TYPE_CHECKING:
    from client.causal_token import CausalToken
    from client.protocol import Request

CONNECT_TIMEOUT_SECONDS = 2.0
CONNECTIONS_MAX = 100
# Room for every sibling of a key, or a long list of held writes; beyond it the answer is none of a node's.
ANSWER_MAX_BYTES = 256 * 1024 * 1024

# With these the request certainly never reached a node.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class Link:
    """Pooled connections to the nodes; safe to use from several threads."""

    def __init__(self, *, proxy: str | None = None) -> None:
        try:
            self._http = httpx.Client(
                trust_env=False,
                proxy=proxy,
                verify=ssl.create_default_context(),
                limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
                headers={"Accept": "application/json", "User-Agent": "causalkv-client"},
            )
        except (ValueError, ImportError, httpx.InvalidURL):
            raise ConfigurationError("CAUSALKV_PROXY: use an address such as http://proxy.example:3128") from None

    def send(
        self, url: str, request: Request, *, token: CausalToken, wait_seconds: float, timeout_seconds: float
    ) -> RawAnswer:
        """Send one request to the node at ``url`` and read its whole answer.

        Raises UnreachableError when it certainly was not sent, AnswerLostError when no complete answer came
        within ``timeout_seconds``, and UnexpectedAnswerError for one that is larger than any node's.
        """
        deadline = time.monotonic() + timeout_seconds
        headers = {WAIT_HEADER: f"{wait_seconds:.3f}"}
        if token:
            headers[CONTEXT_HEADER] = str(token)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            with self._http.stream(
                request.method,
                url + request.path,
                params=dict(request.parameters) or None,
                content=request.body,
                headers=headers,
                timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)),
            ) as response:
                return RawAnswer(
                    url=url,
                    status_code=response.status_code,
                    body=_read_body(response, url, deadline),
                    context_header=response.headers.get(CONTEXT_HEADER),
                    retry_after_header=response.headers.get("Retry-After"),
                )
        except NOT_SENT as error:
            raise UnreachableError(f"{url} cannot be reached: {_reason(error)}") from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise AnswerLostError(f"{url} took the request and gave no answer: {_reason(error)}") from None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


def _read_body(response: httpx.Response, url: str, deadline: float) -> bytes:
    """Read piece by piece: httpx bounds the time of each piece only, not of the whole, nor its size."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > ANSWER_MAX_BYTES:
            raise UnexpectedAnswerError(f"{url} answered with more than {ANSWER_MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end in time")
    return bytes(body)


def _reason(error: Exception) -> str:
    """Put the cause in a person's words; httpx's own texts are often empty."""
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    text = str(error)
    if "refused" in text:
        return "connection refused"
    return text or type(error).__name__

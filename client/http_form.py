"""What one request is in terms of httpx, and what httpx's errors mean; shared by both links.

Proxies named in the environment are not used: nodes stand on loopback or a private network, where a
proxy meant for the web would swallow the requests. Who does reach a cluster through a proxy names it in
``CAUSALKV_PROXY``. Certificates of https nodes are checked against the system's store (``SSL_CERT_FILE``).
"""

from __future__ import annotations

import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx

from client.errors import AnswerLostError, ConfigurationError, UnexpectedAnswerError, UnreachableError
from client.protocol import CONTEXT_HEADER, WAIT_HEADER, RawAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from client.steps import Send

CONNECT_TIMEOUT_SECONDS = 2.0
CONNECTIONS_MAX = 100
NODES_ASKED_AT_ONCE_MAX = 16
# Room for every sibling of a key, or a long list of held writes; beyond it the answer is none of a node's.
ANSWER_MAX_BYTES = 256 * 1024 * 1024

# With these the request certainly never reached a node.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class HttpSettings:
    """How connections are made; ``calls`` are pooled, each of ``streams`` has one of its own for as long as it lives.

    Raises ConfigurationError for a malformed ``proxy``.
    """

    def __init__(self, urls: Iterable[str], proxy: str | None) -> None:
        try:
            common: dict[str, Any] = {
                "trust_env": False,
                "proxy": None if proxy is None else httpx.Proxy(proxy),
                "verify": _authorities(urls),
                "headers": {"Accept": "application/json", "User-Agent": "causalkv-client"},
            }
            pool = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
            self.calls = {**common, "limits": pool}
            self.streams = {**common, "limits": httpx.Limits(max_connections=None, max_keepalive_connections=0)}
        except (ValueError, ImportError, httpx.InvalidURL):
            raise ConfigurationError("CAUSALKV_PROXY: use an address such as http://proxy.example:3128") from None


def _authorities(urls: Iterable[str]) -> ssl.SSLContext:
    """Who may vouch for nodes: the system's authorities, or nobody where no address asks for TLS.

    To load them takes a tenth of the time that a command takes.
    """
    uses_tls = any(urlsplit(url).scheme == "https" for url in urls)
    return ssl.create_default_context() if uses_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def arguments(send: Send) -> dict[str, Any]:
    """What httpx is called with to send this request."""
    request = send.request
    headers = {WAIT_HEADER: f"{send.wait_seconds:.3f}", **request.headers}
    if send.token:
        headers[CONTEXT_HEADER] = str(send.token)
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    connect_seconds = min(CONNECT_TIMEOUT_SECONDS, send.timeout_seconds)
    return {
        "method": request.method,
        "url": send.url + request.path,
        "params": dict(request.parameters) or None,
        "content": request.body,
        "headers": headers,
        "timeout": httpx.Timeout(send.timeout_seconds, connect=connect_seconds),
    }


def raw_answer(send: Send, response: httpx.Response, body: bytes) -> RawAnswer:
    """The answer as it came."""
    return RawAnswer(
        url=send.url,
        status_code=response.status_code,
        body=body,
        context_header=response.headers.get(CONTEXT_HEADER),
        retry_after_header=response.headers.get("Retry-After"),
        content_type=response.headers.get("Content-Type", ""),
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Raise UnreachableError when a request certainly was not sent, AnswerLostError when no complete answer came."""
    try:
        yield
    except NOT_SENT as error:
        raise UnreachableError(f"{url} cannot be reached: {_reason(error)}") from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise AnswerLostError(f"{url} took the request and gave no answer: {_reason(error)}") from None


class Body:
    """Gathers an answer piece by piece: httpx bounds the time of each piece only, not of the whole, nor its size."""

    def __init__(self, send: Send, began: float) -> None:
        self._url = send.url
        self._deadline = began + send.timeout_seconds
        self._bytes = bytearray()

    @classmethod
    def of(cls, send: Send) -> Self:
        """The body of the answer to a request that is sent now."""
        return cls(send, time.monotonic())

    def take(self, piece: bytes) -> None:
        """Add a piece. Raises UnexpectedAnswerError for more than any node sends, httpx.ReadTimeout when it is late."""
        self._bytes += piece
        if len(self._bytes) > ANSWER_MAX_BYTES:
            raise UnexpectedAnswerError(f"{self._url} answered with more than {ANSWER_MAX_BYTES} bytes")
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("the answer did not end in time")

    def whole(self) -> bytes:
        """All of it."""
        return bytes(self._bytes)


def listen_for(response: httpx.Response, silence_seconds: float) -> None:
    """From the head of the answer on, allow so long between two pieces: httpx has one limit for both."""
    response.request.extensions["timeout"]["read"] = silence_seconds


def _reason(error: Exception) -> str:
    """Put the cause in a person's words; httpx's own texts are often empty."""
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    text = str(error)
    if "refused" in text:
        return "connection refused"
    return text or type(error).__name__

"""Which web pages may talk to this node: those that come from members of its cluster.

A browser asks every node directly, so a page that came from one member reads answers of the others. It may when its
origin is a member's advertised URL; nobody else's page may, whatever it asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from node.http.causal_context import CONTEXT_HEADER, WAIT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from node.members_report import MemberReport

REQUESTED_METHOD_ENVIRON_KEY = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
PREFLIGHT_LASTS_SECONDS = 600

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What stands in a URL of a peer goes into headers: nothing but a host can.
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\]")

_ALLOWED_ORIGIN = "Access-Control-Allow-Origin"
_VARIES = ("Vary", "Origin")
_READABLE = ("Access-Control-Expose-Headers", f"{CONTEXT_HEADER}, Retry-After")
_PREFLIGHT = (
    ("Access-Control-Allow-Headers", f"Content-Type, Last-Event-ID, {CONTEXT_HEADER}, {WAIT_HEADER}"),
    ("Access-Control-Max-Age", str(PREFLIGHT_LASTS_SECONDS)),
)


def origin_of(url: str) -> str | None:
    """The origin of a URL as a browser writes it; None for what is no address of HTTP."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        return None
    is_default = port is None or port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{port}"


class _Known(NamedTuple):
    members: Sequence[MemberReport] | None
    listed: tuple[str, ...]
    allowed: frozenset[str]


class MemberOrigins:
    """The origins of the members' advertised URLs, as they are known now; from any thread."""

    def __init__(self, own_url: str, members: Callable[[], Sequence[MemberReport]]) -> None:
        self._own_url = own_url
        self._members = members
        self._known = _Known(None, (), frozenset())

    @property
    def listed(self) -> tuple[str, ...]:
        """Each origin once, the own one first."""
        return self._look().listed

    def allows(self, origin: str) -> bool:
        """Whether a page from there may read answers. The names of this machine for itself count as one."""
        return origin in self._look().allowed

    def headers(self, origin: str) -> list[tuple[str, str]]:
        """What an answer to a page from there says beyond what it says to others."""
        if not self.allows(origin):
            return [_VARIES]
        return [(_ALLOWED_ORIGIN, origin), _READABLE, _VARIES]

    def _look(self) -> _Known:
        members, known = self._members(), self._known
        # The sequence is replaced when something changes, and never changed itself.
        if members is not known.members:
            urls = (self._own_url, *(member.url for member in members if member.url is not None))
            listed = tuple(dict.fromkeys(filter(None, map(origin_of, urls))))
            self._known = known = _Known(members, listed, frozenset(_with_other_names(listed)))
        return known


def _with_other_names(origins: Iterable[str]) -> Iterable[str]:
    for origin in origins:
        yield origin
        scheme, _, rest = origin.partition("://")
        for name in _LOOPBACK:
            if rest == name or rest.startswith(f"{name}:"):
                yield from (f"{scheme}://{other}{rest[len(name) :]}" for other in _LOOPBACK)


def preflight_headers(methods: str) -> tuple[tuple[str, str], ...]:
    """What a path that takes ``methods`` answers when a browser asks whether a page may send it a request."""
    return ("Access-Control-Allow-Methods", methods), *_PREFLIGHT

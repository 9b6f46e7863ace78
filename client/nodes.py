"""Where the nodes are, and which of them has which name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from client.errors import (
    AnswerLostError,
    ClusterError,
    ConfigurationError,
    UnexpectedAnswerError,
    UnknownNodeError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from client.answers import NodeStatus
    from client.steps import Steps

URLS_VARIABLE = "CAUSALKV_URLS"
DEFAULT_URLS = ("http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8003")
NODES_MAX = 64
ADVICE = "use addresses such as http://127.0.0.1:8001, comma-separated"


def urls_from_environment() -> tuple[str, ...]:
    """Return the addresses in CAUSALKV_URLS, or the local cluster's. Raises ConfigurationError."""
    text = os.environ.get(URLS_VARIABLE)
    if text is None:
        return DEFAULT_URLS
    if not text.strip():
        raise ConfigurationError(f"{URLS_VARIABLE}: is set but empty: {ADVICE}, or unset it")
    try:
        return check_urls(text.split(","))
    except ConfigurationError as error:
        raise ConfigurationError(f"{URLS_VARIABLE}: {error}") from None


def check_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses in one form, each once, in the given order. Raises ConfigurationError."""
    checked = tuple(dict.fromkeys(_check_url(url.strip()) for url in urls))
    if not 1 <= len(checked) <= NODES_MAX:
        raise ConfigurationError(f"name 1 to {NODES_MAX} nodes, not {len(checked)}")
    return checked


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"one of the addresses is malformed: {ADVICE}") from None
    if parts.username is not None or parts.password is not None:
        # Not shown: it may hold a password.
        raise ConfigurationError(f"an address holds a user name or password, which nodes do not take: {ADVICE}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise ConfigurationError(f"{url[:80]!r} is not the address of a node: {ADVICE}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{url[:80]!r} holds characters that an address cannot have: {ADVICE}")
    return url.rstrip("/")


class Directory:
    """Finds nodes by name. A name is learnt from the node's own status, and remembered."""

    def __init__(self, urls: tuple[str, ...], ask: Callable[[str, float], Steps[NodeStatus]]) -> None:
        """``ask(url, timeout_seconds)`` reads the status of the node at an address."""
        self._urls = urls
        self._ask = ask
        self._known: dict[str, str] = {}

    def learn(self, name: str, url: str) -> None:
        """Remember that the node of this name answers at this address."""
        self._known[name] = url

    def locate(self, name: str, timeout_seconds: float) -> Steps[str]:
        """Return the address of the node of that name; ``timeout_seconds`` bounds each question.

        Raises UnknownNodeError when all nodes answered and none has the name, UnreachableError when
        one did not answer, as that may be the one.
        """
        if name in self._known:
            return self._known[name]
        failures: list[ClusterError] = []
        others: list[str] = []
        for url in self._likeliest_first(name):
            try:
                found = (yield from self._ask(url, timeout_seconds)).node
            except (UnreachableError, AnswerLostError, UnexpectedAnswerError) as error:
                failures.append(error)
                continue
            self.learn(found, url)
            if found == name:
                return url
            others.append(found)
        there = f"those that answer are {', '.join(sorted(others))}" if others else "no node answers"
        if failures:
            raise UnreachableError(f"{name} is not found, {there}: {'; '.join(map(str, failures))}")
        raise UnknownNodeError(f"no node is named {name}: {there}")

    def _likeliest_first(self, name: str) -> list[str]:
        """Order the addresses so that node2 is looked for at the second one first."""
        match = re.fullmatch(r"node([1-9][0-9]?)", name)
        position = int(match[1]) - 1 if match else len(self._urls)
        if position >= len(self._urls):
            return list(self._urls)
        return [self._urls[position], *self._urls[:position], *self._urls[position + 1 :]]

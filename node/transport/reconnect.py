"""When and where to connect again, and what an operator hears of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from node.errors import TransportError
from node.logs import get_logger

if TYPE_CHECKING:
    import threading

# Soon after a short loss, seldom while a broker is away for long; the random part keeps nodes that lost
# the broker at the same moment from coming back at the same moment.
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 4.0
JITTER_SECONDS = 0.5
# A connection that ends sooner than this counts as another failed attempt: no hot loop.
STABLE_SECONDS = 1.0

log = get_logger("causalkv.transport")


def retrying_until(stopping: threading.Event) -> Retrying:
    """Call again and again while TransportError is raised, further and further apart, until ``stopping`` is set."""
    return Retrying(
        retry=retry_if_exception_type(TransportError),
        wait=wait_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS) + wait_random(0, JITTER_SECONDS),
        sleep=sleep_using_event(stopping),
        stop=stop_when_event_set(stopping),
        retry_error_callback=_nothing,
    )


def _nothing(_state: RetryCallState) -> None:
    """Stopping is no error."""


def without_secrets(url: str) -> str:
    """The address of a broker as logs and ``/status`` may show it: no password, no options.

    Raises ValueError, with a text that quotes nothing, when it is not clear which part is the password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the address is not a URL, or its port is not a number") from None
    if "@" in parts.path + parts.query + parts.fragment:  # after a password with a bare "/", "?" or "#"
        raise ValueError("the address has an '@' behind the host: write special characters %-encoded")
    user = f"{parts.username}@" if parts.username else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{host}{port}{parts.path}"


class AddressRotation:
    """Several addresses of one broker cluster: after a failure, the next one is tried first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.current = 0

    def advance(self) -> None:
        """Turn to the next address."""
        self.current = (self.current + 1) % self._count


class OutageLog:
    """Tells of a lost connection once, and once when it is back, however many attempts lie between."""

    def __init__(self, link: str) -> None:
        self._log = log.bind(link=link)
        self._down_since: float | None = None
        self.last_error: str | None = None

    def up(self, address: str) -> None:
        """A connection serves its purpose."""
        if self._down_since is None:
            self._log.info("linked to the broker", address=address)
            return
        seconds = round(time.monotonic() - self._down_since, 1)
        self._log.info("linked to the broker again", address=address, after_seconds=seconds)
        self._down_since = None

    def down(self, address: str, reason: str) -> None:
        """A connection was lost, or could not be made."""
        self.last_error = reason
        if self._down_since is not None:
            self._log.debug("still no link to the broker", address=address, reason=reason)
            return
        self._down_since = time.monotonic()
        self._log.warning(
            "no link to the broker, trying again until there is one",
            address=address,
            reason=reason,
            what_to_do="see that it runs and lets this node in; reads and writes go on at this node",
        )

"""One connection to the broker, kept up by a thread of its own until it is told to stop."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from node.errors import TransportError
from node.logs import REPORT_IT, get_logger, speak_for
from node.transport.gate import Gate
from node.transport.port import CUT_REASON
from node.transport.reconnect import STABLE_SECONDS, AddressRotation, OutageLog, retrying_until, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.transport.amqp import Session

log = get_logger("causalkv.transport")


class Role(Protocol):
    """What a connection is for. Called in the connection's thread."""

    def opened(self, session: Session) -> None:
        """The connection is open: set it up, then call ``session.ready()``."""

    def lost(self, reason: str | None) -> None:
        """The connection is gone; None: on purpose, tell nobody. Called once for each ``opened``."""

    def finish(self, done: Callable[[], None]) -> None:
        """Send what waits, then call ``done``; take no further work."""


class Companion(Protocol):
    """What shares a role's connection without being needed for the role. Called in the connection's thread."""

    def opened(self, session: Session) -> None:
        """The connection serves its purpose."""

    def lost(self) -> None:
        """The connection is gone; may be called without ``opened``."""


class RunningSession(Protocol):
    """A connection that its thread runs; all but ``wake`` is for that thread."""

    def run(self) -> str:
        """Connect, serve until the end, and return the reason of the end."""

    def wake(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` soon, in the thread that runs; from any thread."""

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` after a delay."""

    def close(self) -> None:
        """Close in order, as soon as the broker answers."""

    def drop(self) -> None:
        """Close without waiting for the broker."""


class SessionEvents(Protocol):
    """What a session tells the thread that runs it."""

    def opened(self, session: Session) -> None:
        """The broker accepted the connection."""

    def ready(self) -> None:
        """The connection serves its purpose."""

    def failed(self, reason: str) -> None:
        """The connection is given up; it will end soon."""


class ConnectionThread:
    """Connects, serves, and connects again, for ever; ``stop`` ends it at once also between attempts."""

    def __init__(
        self,
        node_id: str,
        name: str,
        role: Role,
        urls: Sequence[str],
        connect: Callable[[str, SessionEvents], RunningSession],
    ) -> None:
        self._node_id = node_id
        self._role = role
        self._urls = urls
        self._connect = connect
        self._rotation = AddressRotation(len(urls))
        self._outages = OutageLog(name)
        self._stopping = threading.Event()
        self._gate = Gate()
        self._session: RunningSession | None = None
        self._is_open = False
        self._ready_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"causalkv-{name}", daemon=True)

    @property
    def address(self) -> str:
        """The address in use or tried next, without secrets."""
        return without_secrets(self._urls[self._rotation.current])

    @property
    def last_error(self) -> str | None:
        """Why the connection was last lost or not made."""
        return self._outages.last_error

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Let the role finish, close, and end the thread, within the time as far as the system allows."""
        self._stopping.set()
        self._gate.end()
        session = self._session
        if session is not None:
            session.wake(lambda: self._finish(session, timeout_seconds))
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def cut(self) -> None:
        """Break the connection as a dead network does, and make none until ``restore``."""
        self._gate.close()
        session = self._session
        if session is not None:
            session.wake(lambda: self._drop(session))

    def restore(self) -> None:
        """The end of ``cut``: connect at once."""
        self._gate.open()

    def _drop(self, session: RunningSession) -> None:
        # One that is still being made is given up as soon as it is open.
        if self._is_open:
            session.drop()

    def _finish(self, session: RunningSession, timeout_seconds: float) -> None:
        # A broker that blocks publishers or hangs answers nothing: what it does not take in half of the
        # time stays unconfirmed, and a connection that does not close is dropped.
        session.call_later(timeout_seconds * 0.5, session.close)
        session.call_later(timeout_seconds * 0.8, session.drop)
        if self._is_open:
            self._role.finish(session.close)
        else:
            session.close()

    # ------------------------------------------------------------------------- in the thread

    def _run(self) -> None:
        speak_for(self._node_id)
        while not self._stopping.is_set():
            self._gate.wait()
            if not self._stopping.is_set():
                retrying_until(self._gate.shut)(self._attempt)

    def _attempt(self) -> None:
        try:
            self._serve_once()
        except TransportError:
            raise
        except Exception as error:  # a thread that ends would stall the node in silence
            log.error("the link to the broker failed inside this node", reason=repr(error), what_to_do=REPORT_IT)  # noqa: TRY400  # one line; the traceback is for debug
            log.debug("where the link failed", exc_info=True)
            raise TransportError(repr(error)) from error

    def _serve_once(self) -> None:
        """Make one connection and serve it to its end; raises TransportError when it did not hold for long."""
        self._ready_since = None
        address = self.address
        session = self._connect(self._urls[self._rotation.current], self)
        self._session = session
        if self._stopping.is_set():  # stop() may have looked before the session was there
            session.wake(session.close)
        reason = session.run()
        self._session = None
        if self._gate.is_closed:
            reason = CUT_REASON
        if not self._stopping.is_set():
            self._outages.down(address, reason)
        self._lost(reason)
        if self._stopping.is_set() or self._gate.is_closed:
            return
        self._rotation.advance()
        if self._ready_since is None or time.monotonic() - self._ready_since < STABLE_SECONDS:
            raise TransportError(reason)

    def opened(self, session: Session) -> None:
        """See SessionEvents."""
        if self._gate.is_closed:
            session.fail(CUT_REASON)
            return
        self._is_open = True
        self._role.opened(session)

    def ready(self) -> None:
        """See SessionEvents."""
        self._ready_since = time.monotonic()
        self._outages.up(self.address)

    def failed(self, reason: str) -> None:
        """See SessionEvents."""
        self._lost(reason)

    def _lost(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            self._role.lost(None if self._stopping.is_set() else reason)

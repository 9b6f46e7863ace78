"""A channel beside the one that writes travel on: when the broker closes it, the connection stays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from node.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.amqp import Channel, Session

RETRY_SECONDS = 1.0

log = get_logger("causalkv.transport")


class LastingChannel:
    """Opens a channel on each new connection, and again whenever it is closed; for the connection's thread.

    ``set_up`` prepares an open channel and calls ``works`` at the end; ``on_closed`` hears that it is gone.
    """

    def __init__(
        self, purpose: str, *, set_up: Callable[[Session, Channel], None], on_closed: Callable[[], None]
    ) -> None:
        self._log = log.bind(channel=purpose)
        self._set_up = set_up
        self._on_closed = on_closed
        self._session: Session | None = None
        self._is_told = False

    def opened(self, session: Session) -> None:
        """The connection is up."""
        self._session = session
        self._open(session)

    def lost(self) -> None:
        """The connection is gone."""
        self._session = None
        self._on_closed()

    def works(self) -> None:
        """The channel serves its purpose."""
        if self._is_told:
            self._log.info("the channel works again")
        self._is_told = False

    def _open(self, session: Session) -> None:
        def opened(channel: Channel) -> None:
            channel.add_on_close_callback(partial(self._closed, session))
            self._set_up(session, channel)

        if session is self._session and session.connection.is_open:
            session.connection.channel(on_open_callback=opened)

    def _closed(self, session: Session, _channel: Channel, reason: Exception) -> None:
        if session is not self._session:
            return
        self._on_closed()
        if not session.connection.is_open:
            return  # lost() follows
        if not self._is_told:  # once for an outage, however many attempts it takes
            self._is_told = True
            self._log.warning(
                "a channel was closed, opening it again until it stays; writes go on meanwhile",
                reason=str(getattr(reason, "reply_text", reason)),
                what_to_do="see that this node's broker user has the rights that the reason names; else nothing",
            )
        session.call_later(RETRY_SECONDS, partial(self._open, session))

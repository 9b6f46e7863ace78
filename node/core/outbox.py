"""The outbox: own writes that the transport has not confirmed yet.

It stores no write: own writes stand in the replica's history, and the outbox is the part of it
above ``confirmed_seq``. Publishing goes in sequence order through a window of unconfirmed messages;
confirmations come in any order and advance the confirmed prefix.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pack(NamedTuple):
    """The writes ``first_seq`` to ``last_seq`` of ``replica``, travelling as one message named ``publish_id``."""

    publish_id: int
    replica: str
    first_seq: int
    last_seq: int


class Outbox:
    """What is confirmed of the writes of one replica id, what is on the wire, and what goes next."""

    def __init__(
        self,
        replica: str,
        confirmed_seq: int,
        window_messages: int,
        publish_ids: Iterator[int],
        ends_at: int | None = None,
    ) -> None:
        """``publish_ids`` never gives a number twice, also not to another outbox of this process.

        ``ends_at`` is the last write of an incarnation that makes no more.
        """
        self.replica = replica
        self.ends_at = ends_at
        self.confirmed_seq = confirmed_seq
        self._window_messages = window_messages
        self._open = False
        self._next_seq = confirmed_seq + 1
        self._publish_ids = publish_ids
        self._in_flight: dict[int, Pack] = {}
        self._confirmed_ahead: list[tuple[int, int]] = []

    @property
    def in_flight_messages(self) -> int:
        """Messages that are on the wire, unconfirmed."""
        return len(self._in_flight)

    def open(self) -> None:
        """The transport can publish: everything unconfirmed goes out again, in order."""
        self._restart()
        self._open = True

    def close(self) -> None:
        """The transport cannot publish, or refused something: nothing more goes out until ``open``."""
        self._restart()
        self._open = False

    def _restart(self) -> None:
        self._in_flight.clear()
        self._confirmed_ahead.clear()
        self._next_seq = self.confirmed_seq + 1

    def next_seq(self, last_own_seq: int) -> int | None:
        """The first own write to send now; None when there is none, or no room in the window."""
        if not self._open or self._next_seq > last_own_seq or len(self._in_flight) >= self._window_messages:
            return None
        return self._next_seq

    def sent(self, first_seq: int, last_seq: int) -> Pack:
        """Note that these writes go out as one message."""
        pack = Pack(next(self._publish_ids), self.replica, first_seq, last_seq)
        self._next_seq = last_seq + 1
        self._in_flight[pack.publish_id] = pack
        return pack

    def confirm(self, publish_id: int) -> list[Pack]:
        """The transport has this message durably; the prefix may advance. Unknown ids change nothing.

        Returns the pack, in a list that is empty for an unknown id.
        """
        pack = self._in_flight.pop(publish_id, None)
        if pack is None:
            return []
        heapq.heappush(self._confirmed_ahead, (pack.first_seq, pack.last_seq))
        while self._confirmed_ahead and self._confirmed_ahead[0][0] <= self.confirmed_seq + 1:
            self.confirmed_seq = max(self.confirmed_seq, heapq.heappop(self._confirmed_ahead)[1])
        return [pack]

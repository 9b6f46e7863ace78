"""Makes the exchanges and queues of a topology exist, over a channel of its own."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from node.logs import get_logger
from node.transport.topology import Exchange, Queue, Topology, type_in_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.transport.amqp import Channel, Connection, Frame

PRECONDITION_FAILED = 406

log = get_logger("causalkv.transport")


class QueueConflicts:
    """Queues that exist with other arguments than ours, remembered so that each is reported once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # both connections declare everything
        self._types: dict[str, str | None] = {}

    def note(self, queue: Queue, complaint: str) -> None:
        """The broker refused to declare this queue as we want it."""
        with self._lock:
            if queue.name in self._types:
                return
            self._types[queue.name] = type_in_use(complaint)
        log.warning(
            "the queue exists with other arguments and is used as it is",
            queue=queue.name,
            wanted=dict(queue.arguments),
            broker_says=complaint,
            what_to_do="to change it: let its node drain it, stop that node, delete the queue, start the node again",
        )

    def type_of(self, queue_name: str, wanted: str) -> str:
        """The type of a queue, as far as known."""
        return self._types.get(queue_name, wanted) or "as it exists"


class Declaration:
    """Declares one thing after the other; at the end calls ``on_done``, or ``on_failed`` with the reason.

    A queue that exists with other arguments is used as it is: the broker closes the channel at the
    attempt, so that another channel goes on from there.
    """

    def __init__(
        self,
        connection: Connection,
        topology: Topology,
        conflicts: QueueConflicts,
        *,
        on_done: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._conflicts = conflicts
        self._on_done = on_done
        self._on_failed = on_failed
        self._waiting: list[Exchange | Queue] = [*topology.exchanges, *topology.queues]
        self._waiting.reverse()
        self._as_it_is = False
        self._is_done = False

    def start(self) -> None:
        """Begin."""
        self._connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._closed)
        self._declare_next(channel)

    def _declare_next(self, channel: Channel) -> None:
        if not self._waiting:
            self._is_done = True
            channel.close()
            self._on_done()
            return
        item = self._waiting[-1]
        if isinstance(item, Exchange):
            channel.exchange_declare(item.name, "fanout", durable=True, callback=partial(self._finished, channel))
        elif self._as_it_is:
            channel.queue_declare(item.name, passive=True, callback=partial(self._queue_exists, channel, item))
        else:
            channel.queue_declare(
                item.name,
                durable=True,
                arguments=item.arguments,
                callback=partial(self._queue_exists, channel, item),
            )

    def _queue_exists(self, channel: Channel, queue: Queue, _frame: Frame) -> None:
        channel.queue_bind(queue.name, queue.exchange, callback=partial(self._finished, channel))

    def _finished(self, channel: Channel, _frame: Frame) -> None:
        self._waiting.pop()
        self._as_it_is = False
        self._declare_next(channel)

    def _closed(self, _channel: Channel, reason: Exception) -> None:
        if self._is_done:
            return
        item = self._waiting[-1]
        code = getattr(reason, "reply_code", None)  # absent when the connection was lost
        if code == PRECONDITION_FAILED and isinstance(item, Queue) and not self._as_it_is:
            self._conflicts.note(item, str(getattr(reason, "reply_text", reason)))
            self._as_it_is = True
            self.start()
            return
        self._is_done = True
        self._on_failed(f"cannot declare {item.name}: {getattr(reason, 'reply_text', reason)}")

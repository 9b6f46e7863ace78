"""The members' queues on the broker while members come and go: made, kept, deleted over the consuming connection.

That connection, because an alarm of the broker does not block it.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from node.logs import get_logger
from node.transport.declaration import Declaration
from node.transport.mailbox import Mailbox
from node.transport.topology import Topology, cluster_topology, member_queues, parse_server_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.settings import QueueType
    from node.transport.amqp import Channel, Frame, Session
    from node.transport.declaration import QueueConflicts
    from node.transport.topology import ClusterNames

# Changes of the membership that wait for the I/O thread; far more than a cluster has members.
WAITING_MAX_CHANGES = 1_000

log = get_logger("causalkv.transport")


class MemberQueues:
    """Knows the members, and what each new connection must declare for them."""

    def __init__(
        self, names: ClusterNames, *, queue_type: QueueType, queue_max_messages: int, conflicts: QueueConflicts
    ) -> None:
        self._lock = threading.Lock()
        self._names = names
        self._queue_type: QueueType = queue_type
        self._queue_max_messages = queue_max_messages
        self._conflicts = conflicts
        self._declared: frozenset[str] = frozenset()
        self._commands: Mailbox[Callable[[], None]] = Mailbox(max_size=WAITING_MAX_CHANGES)
        self._session: Session | None = None

    def topology(self, server_version: str) -> Topology:
        """What a new connection declares. From both I/O threads."""
        with self._lock:
            names = self._names
            self._declared = frozenset(names.members)
        return cluster_topology(names, self._queue_type, self._queue_max_messages, parse_server_version(server_version))

    def members_are(self, node_ids: Sequence[str]) -> None:
        """See Transport. From any thread."""
        with self._lock:
            self._names = self._names.with_members(node_ids)
            self._declared &= frozenset(self._names.members)
        self._commands.put(self._declare_missing)

    def delete(self, node_id: str) -> None:
        """Delete this node's queue, once. From any thread."""
        queue = self._names.queue_of(node_id)
        if not self._commands.put(partial(self._delete, queue)):
            _log_not_deleted(queue, "no link to the broker")

    # ------------------------------------------------------------- in the consumer's I/O thread

    def opened(self, session: Session) -> None:
        """See Companion."""
        self._session = session
        self._commands.open(lambda: session.wake(self._carry_out))
        self._declare_missing()  # who became a member while the connection was being made

    def lost(self) -> None:
        """See Companion."""
        self._session = None
        self._commands.close()

    def _carry_out(self) -> None:
        for command in self._commands.drain():
            command()

    def _declare_missing(self) -> None:
        session = self._session
        if session is None or not session.connection.is_open:
            return
        with self._lock:
            names = self._names
            missing = [node_id for node_id in names.members if node_id not in self._declared]
            self._declared |= frozenset(missing)
        if not missing:
            return
        version = parse_server_version(session.server_version)
        queues = member_queues(names, missing, self._queue_type, self._queue_max_messages, version)
        Declaration(
            session.connection,
            Topology(exchanges=(), queues=queues),
            self._conflicts,
            on_done=lambda: log.info("made the queues of new members", members=missing),
            on_failed=lambda reason: log.warning(
                "the queues of new members could not be made, trying again with the next connection",
                members=missing,
                reason=reason,
                what_to_do="see that this node's broker user may configure queues; until then they miss messages",
            ),
        ).start()

    def _delete(self, queue: str) -> None:
        is_deleted = False

        def opened(channel: Channel) -> None:
            channel.add_on_close_callback(closed)
            channel.queue_delete(queue, callback=partial(deleted, channel))

        def deleted(channel: Channel, frame: Frame) -> None:
            nonlocal is_deleted
            is_deleted = True
            log.info("deleted the queue of a removed member", queue=queue, messages=frame.method.message_count)
            channel.close()

        def closed(_channel: Channel, reason: Exception) -> None:
            if not is_deleted:
                _log_not_deleted(queue, str(reason))

        if self._session is not None and self._session.connection.is_open:
            self._session.connection.channel(on_open_callback=opened)
        else:
            _log_not_deleted(queue, "the link to the broker was lost")


def _log_not_deleted(queue: str, reason: str) -> None:
    log.warning(
        "the queue of a removed member was not deleted",
        queue=queue,
        reason=reason,
        what_to_do="delete it in the broker, else it fills to its limit",
    )

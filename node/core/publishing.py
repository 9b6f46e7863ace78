"""What this node has to publish: the outbox of its replica, and of former incarnations until they are drained."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from node.core.dot import Dot
from node.core.effects import Publish, PublishConfirmed
from node.core.outbox import Outbox
from node.core.state import FormerLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.core.effects import Effect
    from node.core.state import ReplicaState, SavedReplica

# A confirmation is saved with the next write, or at the next tick; under load at the latest after so many writes.
# What is confirmed and not saved is published again after a crash, and dropped as a duplicate everywhere.
SAVE_AFTER_WRITES = 1_000


class Publishing:
    """All outboxes of a node; the last one is that of its replica."""

    def __init__(self, saved: SavedReplica, window_messages: int, max_writes: int, max_bytes: int) -> None:
        self._window_messages = window_messages
        self._max_writes = max_writes
        self._max_bytes = max_bytes
        self._ids = itertools.count(1)
        # How far a former line is confirmed is not saved each time; but only what is confirmed was ever forgotten.
        self._former = [
            self._outbox(line.replica, max(line.confirmed_seq, saved.trimmed[line.replica]), line.last_seq)
            for line in saved.former
        ]
        self._own = self._outbox(saved.replica, saved.confirmed_seq)
        self._saved_seq = saved.confirmed_seq
        self._is_up = False

    def _outbox(self, replica: str, confirmed_seq: int, ends_at: int | None = None) -> Outbox:
        return Outbox(replica, confirmed_seq, self._window_messages, self._ids, ends_at)

    # ------------------------------------------------------------------------------- looking

    @property
    def confirmed_seq(self) -> int:
        """How many writes of the replica are confirmed."""
        return self._own.confirmed_seq

    @property
    def former(self) -> list[FormerLine]:
        """The former incarnations that have something to publish."""
        return [FormerLine(each.replica, each.confirmed_seq, each.ends_at or 0) for each in self._former]

    @property
    def unconfirmed_messages(self) -> int:
        """Messages on the wire that the transport has not confirmed."""
        return sum(outbox.in_flight_messages for outbox in (*self._former, self._own))

    def waiting_writes(self, count: Callable[[str], int]) -> int:
        """Writes that are not confirmed; ``count`` says how many of a replica are applied here."""
        own = count(self._own.replica) - self._own.confirmed_seq
        if not self._former:  # nearly always, and each local write asks
            return own
        return own + sum(_last_seq(outbox, count) - outbox.confirmed_seq for outbox in self._former)

    def first_unconfirmed(self, count: Callable[[str], int]) -> Dot | None:
        """The oldest write that is not confirmed, those of former incarnations first; ``count`` as above."""
        for outbox in (*self._former, self._own):
            if _last_seq(outbox, count) > outbox.confirmed_seq:
                return Dot(outbox.replica, outbox.confirmed_seq + 1)
        return None

    def kept_from(self, replica: str) -> int | None:
        """The history of this replica must be kept beyond this number; None: for publishing none of it is needed."""
        return next((each.confirmed_seq for each in (*self._former, self._own) if each.replica == replica), None)

    @property
    def is_unsaved(self) -> bool:
        """Whether more is confirmed than what was saved."""
        return self._own.confirmed_seq > self._saved_seq

    @property
    def must_save(self) -> bool:
        """Whether so much was confirmed that saving it must not wait for something else."""
        return self._own.confirmed_seq - self._saved_seq >= SAVE_AFTER_WRITES

    def saved(self) -> None:
        """``confirmed_seq`` was saved."""
        self._saved_seq = self._own.confirmed_seq

    # ------------------------------------------------------------------------------- working

    def open(self) -> None:
        """The transport can publish: everything unconfirmed goes out again, in order."""
        self._is_up = True
        for outbox in (*self._former, self._own):
            outbox.open()

    def close(self) -> None:
        """The transport cannot publish, or refused something: nothing more goes out until ``open``."""
        self._is_up = False
        for outbox in (*self._former, self._own):
            outbox.close()

    def begin_line(self, replica: str, count: Callable[[str], int]) -> None:
        """From now on the node writes as ``replica``; what its former self has not published stays to be published."""
        last_seq = count(self._own.replica)
        if last_seq > self._own.confirmed_seq:
            # What others still have to say in that name is theirs to publish.
            self._own.ends_at = last_seq
            self._former.append(self._own)
        self._own = self._outbox(replica, 0)
        self._saved_seq = 0
        if self._is_up:
            self._own.open()

    def drop_former(self, known_elsewhere: Callable[[str], int] = lambda _replica: 0) -> bool:
        """Forget former incarnations of which nothing is left to publish; whether there were any.

        ``known_elsewhere``: how many writes of a replica are known to be in a peer's state.
        """
        kept = [
            outbox
            for outbox in self._former
            if max(outbox.confirmed_seq, known_elsewhere(outbox.replica)) < (outbox.ends_at or 0)
        ]
        has_changed = len(kept) < len(self._former)
        self._former = kept
        return has_changed

    def confirm(self, publish_ids: Sequence[int]) -> list[Effect]:
        """The transport has these messages durably."""
        effects: list[Effect] = []
        for publish_id in publish_ids:
            for outbox in (self._own, *self._former):
                effects += [
                    PublishConfirmed(pack.replica, pack.first_seq, pack.last_seq) for pack in outbox.confirm(publish_id)
                ]
        return effects

    def next_messages(self, count: Callable[[str], int], state: ReplicaState) -> list[Effect]:
        """What to publish now: as much as the window lets through, former incarnations first."""
        effects: list[Effect] = []
        for outbox in (*self._former, self._own) if self._former else (self._own,):
            last_seq = _last_seq(outbox, count)
            while (first := outbox.next_seq(last_seq)) is not None:
                room = min(self._max_writes, last_seq - first + 1)
                entries = state.history(outbox.replica, first, room, self._max_bytes)
                pack = outbox.sent(first, first + len(entries) - 1)
                effects.append(Publish(pack.publish_id, pack.replica, pack.first_seq, pack.last_seq, entries))
        return effects


def _last_seq(outbox: Outbox, count: Callable[[str], int]) -> int:
    return count(outbox.replica) if outbox.ends_at is None else outbox.ends_at

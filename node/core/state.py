"""What the replica reads and writes: a store transaction in a node, dicts in the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from node.core.vector_clock import VectorClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.causal_buffer import HeldWrite
    from node.core.dot import Dot
    from node.core.expiry import Expiring
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.members import SavedMember
    from node.core.places import Place
    from node.core.requests import RememberedRequest
    from node.core.versions import Versions
    from node.core.write import Write


class FormerLine(NamedTuple):
    """An earlier incarnation of this node whose writes above ``confirmed_seq``, up to ``last_seq``, are unconfirmed."""

    replica: str
    confirmed_seq: int
    last_seq: int


class SavedReplica(NamedTuple):
    """What a replica needs to go on after a restart.

    ``clock`` counts the applied writes, own ones included; ``timestamp`` is the greatest hybrid timestamp
    seen; own writes above ``confirmed_seq`` are the outbox; ``held`` is the causal buffer's content, or, with
    ``holds_more``, a part of it; history up to ``trimmed`` is not kept. ``requests_since_ms`` is when the younger
    generation of remembered requests began.
    """

    replica: str
    clock: VectorClock
    timestamp: HybridTimestamp
    confirmed_seq: int
    held: tuple[HeldWrite, ...] = ()
    former: tuple[FormerLine, ...] = ()
    trimmed: VectorClock = VectorClock()
    members: tuple[SavedMember, ...] = ()
    holds_more: bool = False
    requests_since_ms: int = 0


class ReplicaState(Protocol):
    """One transaction over a replica's durable state: all of it happens, or nothing.

    Reads see what the same transaction wrote.
    """

    def versions(self, place: Place) -> Versions:
        """The siblings of a place, winner first; empty when there is none."""

    def dots(self, place: Place) -> Sequence[Dot]:
        """The dots of a place's siblings: all that most writes need to know of them, and cheaper to read."""

    def set_versions(self, place: Place, versions: Versions) -> None:
        """Replace the siblings of a place; an empty tuple leaves nothing behind."""

    def schedule_expiry(self, expires_ms: int, dot: Dot, key: str) -> None:
        """Keep in mind that version ``dot`` of a key ends then; it is no harm when that version is gone by then."""

    def due_expiries(self, node: str, after: Expiring | None, until_ms: int, max_entries: int) -> Sequence[Expiring]:
        """The versions put at ``node`` that end until then, behind ``after`` (None: from the first), in order."""

    def forget_expiry(self, expiring: Expiring) -> None:
        """That version needs no end any more."""

    def request(self, request_id: str) -> RememberedRequest | None:
        """What a request came to, if it is remembered."""

    def remember_request(self, request_id: str, remembered: RememberedRequest) -> None:
        """Keep what a request came to, in the younger generation.

        What is remembered already stays as it is; when it stood in the older generation, it goes over to the younger.
        """

    def younger_requests(self) -> int:
        """How many requests the younger generation holds."""

    def forget_older_requests(self, now_ms: int) -> None:
        """Forget the older generation; the younger one becomes the older, and a new one begins at ``now_ms``."""

    def append_history(self, write: Write) -> None:
        """Keep an applied write for publishing and repair."""

    def history(self, replica: str, first_seq: int, max_writes: int, max_bytes: int) -> Sequence[object]:
        """The applied writes of ``replica`` from ``first_seq`` on, without a hole, as the transport wants them.

        At most ``max_writes``, and no more than ``max_bytes`` unless the first alone is larger. The first one must be
        kept: the caller knows what is trimmed.
        """

    def trim_history(self, replica: str, last_seq: int, max_writes: int) -> int:
        """Forget the first ``max_writes`` of the kept writes of ``replica`` up to ``last_seq``; returns how many."""

    def hold(self, write: Write, since_ms: int) -> None:
        """Keep a write that cannot be applied yet."""

    def take_held(self, dot: Dot) -> Write:
        """Give back a held write, which is kept no longer."""

    def held_after(self, after: Dot | None, max_writes: int) -> Sequence[HeldWrite]:
        """The held writes behind ``after`` (None: from the first), in an order of their own that does not change."""

    def save(self, clock: VectorClock, timestamp: HybridTimestamp, confirmed_seq: int) -> None:
        """Keep the replica's own position."""

    def save_identity(self, replica: str, former: Sequence[FormerLine]) -> None:
        """Keep under which name the replica writes, and under which it wrote before."""

    def save_trimmed(self, trimmed: VectorClock) -> None:
        """Keep up to where history is forgotten."""

    def save_members(self, members: Sequence[SavedMember]) -> None:
        """Keep who is a member."""

    def stage_snapshot(self, entries: Sequence[tuple[Place, Versions]], *, is_first: bool) -> None:
        """Keep a part of a peer's state apart from the own one; the first part replaces what was kept before."""

    def adopt_snapshot(self, known_here: VectorClock, known_there: VectorClock) -> None:
        """Merge the staged snapshot, which contains exactly the writes of ``known_there``, into the versions.

        For every place the result is ``versions.merged``; to readers it happens in one step.
        """

"""Wrong versions of what keeps a cluster whole: identity, repair, snapshots, trimming, members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core import effects as todo
from node.core.control import RepairWanted
from node.core.dot import replica_id
from node.core.identity import Identity
from node.core.publishing import Publishing
from node.core.repair import Due, Repairer, Request
from node.core.snapshot import SnapshotTaker
from node.core.vector_clock import SequenceRange
from node.core.versions import rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from node.core.anti_entropy import AntiEntropy
    from node.core.catching_up import CatchUp
    from node.core.control import RepairGiven, SnapshotGiven, SnapshotWanted
    from node.core.delivery import CausalDelivery
    from node.core.dot import Dot
    from node.core.hybrid_clock import HybridTimestamp
    from node.core.identity import IdentityLimits
    from node.core.members import Members
    from node.core.naming import Naming
    from node.core.repair import View
    from node.core.replica import Replica
    from node.core.state import ReplicaState
    from node.core.vector_clock import VectorClock
    from node.core.versions import Versions

# -------------------------------------------------------------------------------------- identity


def always_sure(self: Identity, limits: IdentityLimits, now_ms: int, *, is_sure: bool) -> None:
    """A replica that never asks whether its name is safe."""
    del is_sure
    _IDENTITY(self, limits, now_ms, is_sure=True)


_IDENTITY = Identity.__init__


def known_applied_only(self: CausalDelivery, replica: str) -> int:
    """An answer to a hello that forgets what is held."""
    return self.count(replica)


def one_answer_is_enough(self: Naming) -> list[todo.Effect]:
    """A replica that is sure after the first answer."""
    if self.identity.is_sure or not self.identity.answered_by:
        return []
    self.identity.settle()
    return [todo.Resumed()]


def deaf_to_own_name(self: Replica, seq: int, state: ReplicaState) -> list[todo.Effect]:
    """A replica that does not care that others know more of its writes than itself."""
    del self, seq, state
    return []


def same_name_again(node: str, incarnation: str) -> str:
    """A node that takes the same name whenever it needs a new one."""
    del incarnation
    return replica_id(node, "again")


def begin_without_former(self: Publishing, replica: str, count: Callable[[str], int]) -> None:
    """A node that forgets the outbox of its former self."""
    _BEGIN_LINE(self, replica, count)
    self._former = []


_BEGIN_LINE = Publishing.begin_line

# ---------------------------------------------------------------------------------------- repair


def never_due(self: Repairer, view: View) -> Due:
    """A replica that never asks for what is missing."""
    del self, view
    return Due([])


def always_due(self: Repairer, view: View) -> Due:
    """A replica that asks for something all the time."""
    due = _DUE(self, view)
    if due.requests or not view.peers:
        return due
    wanted = RepairWanted(view.replica, "idle", view.replica, (SequenceRange(1, 1),))
    return Due([Request(min(view.peers), wanted)], due.snapshot_from)


_DUE = Repairer.due


def ranges_without_first(seqs: list[int]) -> tuple[SequenceRange, ...]:
    """A request that leaves out the first missing write."""
    return tuple(SequenceRange(seq, seq) for seq in seqs[1:])


def expects_everything(self: Repairer, given: RepairGiven) -> bool:
    """A replica that takes whatever it is given."""
    del self, given
    return True


def expects_every_part(self: SnapshotTaker, given: SnapshotGiven) -> bool:
    """A replica that takes whatever part of whatever snapshot comes."""
    del self, given
    return True


def is_time_without_going_back(self: Repairer, gap: object, count: int, now_ms: int) -> bool:
    """A repair that goes on after what a failed commit has undone."""
    known = getattr(gap, "count", 0)
    return _IS_TIME(self, gap, max(count, known), now_ms)  # type: ignore[arg-type]  # a private class


_IS_TIME = Repairer._is_time


def give_nothing(self: CatchUp, wanted: RepairWanted, state: ReplicaState) -> list[todo.Effect]:
    """A replica that answers no request."""
    del self, wanted, state
    return []


# ------------------------------------------------------------------------------------- snapshots


def keep_all(here: Versions, known_here: VectorClock, there: Versions, known_there: VectorClock) -> Versions:
    """A merge that brings back what one side had replaced or deleted."""
    del known_here, known_there
    return tuple(sorted({version.dot: version for version in (*here, *there)}.values(), key=rank, reverse=True))


def take_theirs(here: Versions, known_here: VectorClock, there: Versions, known_there: VectorClock) -> Versions:
    """A merge that drops what the other side does not know yet."""
    del here, known_here, known_there
    return there


def first_part_is_all(
    self: SnapshotTaker, given: SnapshotGiven, replica: str, now_ms: int
) -> tuple[str, SnapshotWanted] | None:
    """A snapshot that is taken for complete after its first part."""
    return _RECEIVED(self, given._replace(is_last=True), replica, now_ms)


_RECEIVED = SnapshotTaker.received


def adopt_without_release(
    self: CausalDelivery,
    clock: Mapping[str, int],
    timestamp: HybridTimestamp,
    state: ReplicaState,
    effects: list[todo.Effect],
) -> None:
    """A replica that looks at no held write again after a snapshot."""
    del state, effects
    self.timestamp = max(self.timestamp, timestamp)
    for replica, count in clock.items():
        self.applied[replica] = max(count, self.count(replica))
    self._clock = None
    self.has_moved = True


# ------------------------------------------------------------------------------ members, trimming


def stable_without_silent(self: Members, origin: str, applied_count: int, pinning: Iterable[str]) -> int:
    """Stability that leaves out members that have not said anything yet."""
    counts = [self._peers[name].clock[origin] for name in pinning if name in self._peers]
    return min((applied_count, *counts))


def nothing_is_unpublished(self: Publishing, replica: str) -> int | None:
    """An outbox that lets its own writes be forgotten."""
    del self, replica
    return None


def removed_pin(self: Members, now_ms: int) -> list[str]:
    """Stability that waits for removed nodes."""
    del now_ms
    return [name for name in self._changes if name != self._node]


def has_somewhere(self: Members, dot: Dot) -> bool:
    """``ack=all`` that is content with one member."""
    return any(peer.clock.covers(dot) for peer in self._peers.values())


def answer_only_at_once(self: AntiEntropy, node: str, asks: VectorClock, now_ms: int) -> list[todo.Effect]:
    """A replica that forgets who waits until it has applied something."""
    del now_ms
    return [self._told(node)] if asks <= self._replica.clock else []


def members_stay(self: AntiEntropy, now_ms: int, state: ReplicaState, removed: str | None = None) -> list[todo.Effect]:
    """A node that comes back without its disk, and takes the removal of its predecessor for its own."""
    self._save_members(now_ms, state)
    return [todo.MembersChanged(self.members.nodes, removed)]


def keeps_changes_to_itself(self: Members) -> tuple[object, ...]:
    """A node that tells nobody who was taken out."""
    del self
    return ()

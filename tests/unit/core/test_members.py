from __future__ import annotations

import pytest

from node.core.control import MemberChange
from node.core.members import NODES_MAX, MemberLimits, Members, SavedMember
from tests.unit.core.builders import clock, dot, told

LIMITS = MemberLimits(alive_ms=5_000, away_ms=60_000)


def _members(*founding: str, saved: tuple[SavedMember, ...] = (), now_ms: int = 0) -> Members:
    return Members("a", founding or ("a", "b", "c"), saved, LIMITS, now_ms)


# -------------------------------------------------------------------------------------- membership


def test_the_founding_nodes_and_the_node_itself_are_members() -> None:
    """A node that joins a cluster need not be among those that founded it."""
    assert _members("b", "c").nodes == ["b", "c", "a"]
    assert _members("b", "c").others == ["b", "c"]


def test_the_later_of_two_changes_holds() -> None:
    """In whatever order they are learned."""
    removal, return_ = MemberChange("b", 10, is_member=False), MemberChange("b", 20, is_member=True)
    forwards, backwards = _members(), _members()
    assert [forwards.change(removal), forwards.change(return_)] == [True, True]
    assert [backwards.change(return_), backwards.change(removal)] == [True, False]
    assert forwards.nodes == backwards.nodes == ["a", "b", "c"]


def test_at_the_same_instant_the_removal_holds() -> None:
    """Otherwise two nodes could disagree for ever."""
    removal, return_ = MemberChange("b", 10, is_member=False), MemberChange("b", 10, is_member=True)
    forwards, backwards = _members(), _members()
    forwards.change(removal)
    assert not forwards.change(return_)
    backwards.change(return_)
    assert backwards.change(removal)
    assert forwards.nodes == backwards.nodes == ["a", "c"]


def test_a_change_that_is_known_is_no_change() -> None:
    """Changes are told again and again; only the first time something happens."""
    members, removal = _members(), MemberChange("b", 10, is_member=False)
    assert members.change(removal)
    assert not members.change(removal)


def test_whoever_talks_becomes_a_member() -> None:
    """A node that joins says no more than its clock; what it says counts at once."""
    members = _members()
    assert members.heard(told("d~1", "d~1=3"), 0, 7)
    assert members.nodes == ["a", "b", "c", "d"]
    assert members.changes == (MemberChange("d", 7, is_member=True),)
    assert not members.heard(told("d~1", "d~1=3"), 0, 9)


def test_a_removed_node_that_talks_stays_out() -> None:
    """It does not know yet; what it says is still looked at, for it may have writes that others lack."""
    members = _members()
    members.change(MemberChange("b", 10, is_member=False))
    assert not members.heard(told("b~1", "b~1=3"), 0, 20)
    assert members.nodes == ["a", "c"]
    assert members.peers["b"].clock == clock("b~1=3")


def test_changes_travel_with_the_clocks() -> None:
    """What one node learned, every node learns; what holds since the founding need not be said."""
    teacher, pupil = _members(), _members()
    assert teacher.changes == ()
    teacher.change(MemberChange("c", 10, is_member=False))
    assert pupil.heard(told("b~1", changes=teacher.changes), 0, 0)
    assert pupil.nodes == ["a", "b"]


def test_membership_survives_a_restart() -> None:
    """A removed founding member stays out, a node that joined stays in."""
    members = _members()
    members.change(MemberChange("b", 10, is_member=False))
    members.heard(told("d~1"), 0, 20)
    again = _members(saved=members.saved(0))
    assert again.nodes == ["a", "c", "d"]
    assert set(again.changes) == set(members.changes)


# ------------------------------------------------------------------------------------- liveness


def test_a_node_is_alive_while_it_talks() -> None:
    """It is not before its first word, nor when the last one is too long ago; this node always is."""
    members = _members()
    assert not members.is_alive("b", 0)
    members.heard(told("b~1"), 1_000, 0)
    assert members.is_alive("b", 5_999)
    assert not members.is_alive("b", 6_000)
    assert members.is_alive("a", 10**9)


def test_how_far_a_peers_wall_clock_is_ahead_is_measured() -> None:
    """Negative when it is behind."""
    members = _members()
    members.heard(told("b~1", wall_ms=5_000), 0, 2_000)
    members.heard(told("c~1", wall_ms=500), 0, 2_000)
    assert [members.peers[node].wall_ahead_ms for node in "bc"] == [3_000, -1_500]


# ------------------------------------------------------------------------------------- stability


def test_a_write_is_stable_as_far_as_every_member_has_applied_it() -> None:
    """The slowest one decides."""
    members = _members()
    members.heard(told("b~1", "a~1=5"), 0, 0)
    members.heard(told("c~1", "a~1=3"), 0, 0)
    assert members.stable_count("a~1", 9, members.pinning(0)) == 3
    assert members.stable_count("a~1", 2, members.pinning(0)) == 2


def test_a_member_that_was_never_heard_pins_everything() -> None:
    """Nobody knows what it has."""
    members = _members()
    members.heard(told("b~1", "a~1=5"), 0, 0)
    assert members.pinning(0) == ["b", "c"]
    assert members.stable_count("a~1", 9, members.pinning(0)) == 0


def test_a_silent_member_stops_pinning_after_the_limit() -> None:
    """Not before; and it pins again when it talks again."""
    members = _members()
    members.heard(told("b~1", "a~1=5"), 0, 0)
    members.heard(told("c~1", "a~1=3"), 10_000, 0)
    assert members.pinning(59_999) == ["b", "c"]
    assert members.pinning(60_000) == ["c"]
    members.heard(told("b~1", "a~1=5"), 60_001, 0)
    assert members.pinning(60_001) == ["b", "c"]


def test_a_removed_member_pins_nothing() -> None:
    """Nobody waits for what will not come."""
    members = _members()
    members.heard(told("c~1", "a~1=3"), 0, 0)
    members.change(MemberChange("b", 10, is_member=False))
    assert members.stable_count("a~1", 9, members.pinning(0)) == 3


def test_silence_survives_a_restart() -> None:
    """Else a node that restarts once a day would keep history for a dead member for ever."""
    members = _members()
    again = _members(saved=members.saved(40_000), now_ms=500)
    assert again.silent_ms("b", 500) == 40_000
    assert "b" in again.pinning(20_499)
    assert "b" not in again.pinning(20_500)


@pytest.mark.parametrize("is_told_by_itself", [True, False])
def test_a_node_that_joins_pins_from_then_on(is_told_by_itself: bool) -> None:  # noqa: FBT001  # a parameter of pytest
    """However long this node has been running; also when it is another node that tells of it."""
    members = _members()
    if is_told_by_itself:
        members.heard(told("d~1"), 100_000, 0)
    else:
        members.heard(told("b~1", changes=(MemberChange("d", 10, is_member=True),)), 100_000, 0)
    assert "d" in members.pinning(100_001)
    assert "d" not in members.pinning(160_000)


def test_a_write_is_everywhere_when_every_other_member_said_so() -> None:
    """A member that has not spoken yet may lack it."""
    members = _members()
    members.heard(told("b~1", "a~1=5"), 0, 0)
    assert not members.has_everywhere(dot("a~1:5"))
    members.heard(told("c~1", "a~1=4"), 0, 0)
    assert not members.has_everywhere(dot("a~1:5"))
    assert members.has_everywhere(dot("a~1:4"))


def test_what_each_other_member_told_is_kept() -> None:
    """Of one that has not spoken yet nothing is."""
    members = _members()
    members.heard(told("b~1", "a~1=5"), 0, 0)
    assert {node: peer.clock for node, peer in members.peers.items()} == {"b": clock("a~1=5")}


def test_a_clock_never_goes_back_within_a_session() -> None:
    """Messages of one sender may overtake each other."""
    members = _members()
    members.heard(told("b~1", "a~1=5 b~1=1"), 0, 0)
    members.heard(told("b~1", "a~1=3 b~1=2"), 0, 0)
    assert members.peers["b"].clock == clock("a~1=5 b~1=2")


@pytest.mark.parametrize(("sender", "session"), [("b~1", "after a restart"), ("b~2", "session of b~1")])
def test_a_clock_may_go_back_with_another_session_or_incarnation(sender: str, session: str) -> None:
    """A restored disk has less than what its node told before, and must not count as having more."""
    members = _members()
    members.heard(told("b~1", "a~1=5"), 0, 0)
    members.heard(told(sender, "a~1=3", session=session), 0, 0)
    assert members.peers["b"].clock == clock("a~1=3")


# ---------------------------------------------------------------------------------------- bounds


def test_the_number_of_nodes_is_bounded() -> None:
    """Made-up names fill the table and no more; a member that is known is still heard."""
    members = _members()
    members.heard(told("b~1"), 0, 0)
    for number in range(2 * NODES_MAX):
        members.heard(told(f"made-up-{number}~1"), 0, 0)
        members.change(MemberChange(f"invented-{number}", 1, is_member=True))
    assert len(members.nodes) == NODES_MAX
    assert len(members.peers) == NODES_MAX
    members.heard(told("b~1", "a~1=1"), 0, 0)
    assert members.peers["b"].clock == clock("a~1=1")

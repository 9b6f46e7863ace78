"""The members as operators see them, from what a replica knows of its peers."""

from __future__ import annotations

from node.core.anti_entropy import AntiEntropyLimits
from node.core.events import RemoveMember
from node.core.members import MemberLimits
from node.core.replica import ReplicaLimits
from node.members_report import MemberReport, report_members
from tests.unit.core.builders import Bench, put, told

LIMITS = ReplicaLimits(anti_entropy=AntiEntropyLimits(members=MemberLimits(alive_ms=5_000, away_ms=60_000)))


def bench() -> Bench:
    """Node a of three, with three writes of its own."""
    made = Bench("a~aaaa", LIMITS, founding=("a", "b", "c"))
    for number in range(3):
        made.write(put("x", str(number)))
    return made


def report(of: Bench) -> dict[str, MemberReport]:
    """By node id, as of now."""
    reports = report_members(of.replica, "a", "http://a:1", of.now_ms)
    assert [each.node for each in reports] == sorted(each.node for each in reports)
    return {each.node: each for each in reports}


def test_a_node_reports_itself_as_alive_and_without_lag() -> None:
    """It needs no message for that."""
    own = report(bench())["a"]
    assert own == MemberReport("a", "a~aaaa", True, False, 0.0, 0, 0, 0.0, "http://a:1")


def test_a_member_that_was_never_heard_lacks_everything_as_far_as_is_known() -> None:
    """And is not alive; since when it is silent counts from the start."""
    silent = bench()
    silent.now_ms = 2_500
    assert report(silent)["b"] == MemberReport("b", None, False, False, 2.5, 3, 3, None, None)


def test_lag_is_what_a_member_lacks_of_all_origins() -> None:
    """By its last word; what it has beyond this node does not make up for it."""
    behind = bench()
    behind.hear(told("b~bbbb", "a~aaaa=1 b~bbbb=9", wall_ms=1_500))
    member = report(behind)["b"]
    assert (member.lag_writes, member.holds_back_writes) == (2, 2)
    assert (member.replica, member.alive, member.url) == ("b~bbbb", True, "http://b")
    behind.hear(told("b~bbbb", "a~aaaa=3 b~bbbb=9"))
    assert report(behind)["b"].lag_writes == 0


def test_how_far_a_wall_clock_is_ahead_is_told_in_seconds() -> None:
    """Negative when it is behind."""
    skewed = bench()
    skewed.now_ms = 10_000
    skewed.hear(told("b~bbbb", wall_ms=13_500))
    skewed.hear(told("c~cccc", wall_ms=8_000))
    shown = report(skewed)
    assert (shown["b"].clock_ahead_seconds, shown["c"].clock_ahead_seconds) == (3.5, -2.0)


def test_a_silent_member_is_first_not_alive_then_away_and_then_holds_nothing_back() -> None:
    """It still lacks what it lacks."""
    waiting = bench()
    waiting.hear(told("b~bbbb", "a~aaaa=1"))
    stages = []
    for now_ms in (4_999, 5_000, 59_999, 60_000):
        waiting.now_ms = now_ms
        member = report(waiting)["b"]
        stages.append((member.alive, member.away, member.lag_writes, member.holds_back_writes))
    assert stages == [(True, False, 2, 2), (False, False, 2, 2), (False, False, 2, 2), (False, True, 2, 0)]


def test_a_node_that_was_removed_is_not_reported_and_one_that_joined_is() -> None:
    """Also while the removed one still talks."""
    changing = bench()
    changing.step(RemoveMember("request", "b", forced=True, steady_ms=0, wall_ms=5))
    changing.hear(told("d~dddd", "d~dddd=1"))
    assert list(report(changing)) == ["a", "c", "d"]
    changing.hear(told("b~bbbb", "a~aaaa=3"))
    assert list(report(changing)) == ["a", "c", "d"]

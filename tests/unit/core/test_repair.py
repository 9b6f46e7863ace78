from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from node.core.causal_buffer import CausalBuffer, HeldWrite
from node.core.control import RepairGiven
from node.core.dependency_index import first_missing
from node.core.members import Peer
from node.core.repair import Due, Repairer, RepairLimits, View
from tests.unit.core.builders import clock, write

if TYPE_CHECKING:
    from node.core.control import RepairWanted

LIMITS = RepairLimits(
    after_ms=2_000,
    request_max_writes=10,
    request_max_ranges=2,
    answer_ms=1_000,
    answer_max_ms=4_000,
    snapshot_from_writes=100,
)


class _Behind:
    """Replica a, which lacks something; time goes on with each look."""

    def __init__(self, **peers: str) -> None:
        names = (f"request {number}" for number in itertools.count(1))
        self.repairer = Repairer(LIMITS, lambda: next(names))
        self.applied: dict[str, int] = {}
        self.buffer = CausalBuffer()
        self.peers: dict[str, Peer] = {}
        self.now_ms = 0
        for node, knows in peers.items():
            self.tell(node, knows)

    def tell(self, node: str, knows: str, trimmed: str = "") -> None:
        self.peers[node] = Peer(node, "session", clock(knows), clock(trimmed), "", 0)

    def hold(self, *names: str, after: str = "") -> None:
        for name in names:
            made = write(name, after=after)
            missing = first_missing(made.dot, made.clock, self.applied)
            assert missing is not None
            self.buffer.hold(HeldWrite(made.dot, made.clock, (), 0), missing)

    def due(self, after_ms: int = 0) -> Due:
        self.now_ms += after_ms
        return self.repairer.due(View("a", self.applied, self.buffer, self.peers, self.now_ms))

    def asked(self, after_ms: int = 0) -> list[tuple[str, str, list[tuple[int, int]]]]:
        """Of whom, of which origin, which ranges."""
        requests = self.due(after_ms).requests
        return [(peer, wanted.origin, [(first, last) for first, last in wanted.ranges]) for peer, wanted in requests]

    def wanted(self, after_ms: int = 0) -> RepairWanted:
        (request,) = self.due(after_ms).requests
        return request.wanted


# ------------------------------------------------------------------------------------- when to ask


def test_nothing_is_asked_while_nothing_is_missing() -> None:
    """However much time passes: an idle cluster exchanges clocks and nothing else."""
    here = _Behind(b="b=3 a=1", c="b=2")
    here.applied = {"b": 3, "a": 1}
    assert [here.due(after_ms) for after_ms in (0, 2_000, 10**9)] == [Due([], [])] * 3
    assert here.repairer.gaps == {}


def test_what_is_missing_is_asked_for_after_two_seconds_without_progress() -> None:
    """Not before: mostly it is on its way."""
    here = _Behind(b="b=3")
    assert here.asked() == here.asked(1_999) == []
    assert here.asked(1) == [("b", "b", [(1, 3)])]


def test_progress_starts_the_time_anew() -> None:
    """While messages of an origin come in by themselves, nobody is asked for more of it."""
    here = _Behind(b="b=3")
    here.due()
    here.applied["b"] = 1
    assert here.asked(1_999) == here.asked(1_999) == []
    assert here.asked(1) == [("b", "b", [(2, 3)])]


def test_the_time_of_one_origin_is_its_own() -> None:
    """Writes of one origin that flow do not hide a gap in another one's."""
    here = _Behind(b="b=3 c=9")
    here.due()
    here.applied["c"] = 1
    assert here.asked(2_000) == [("b", "b", [(1, 3)])]


def test_a_dependency_of_a_held_write_is_missing_too() -> None:
    """Nobody need have told of it: the held write's clock names it. Only who has it is asked."""
    here = _Behind(b="", c="c=2")
    here.hold("d:1", after="c=2")
    here.due()
    assert here.asked(2_000) == [("c", "c", [(1, 2)])]


def test_what_nobody_has_is_asked_of_nobody() -> None:
    """It is asked for as soon as somebody tells that he has it."""
    here = _Behind(b="b=0")
    here.hold("d:2")
    assert [here.due(after_ms) for after_ms in (0, 60_000)] == [Due([], [])] * 2
    here.tell("b", "d=1")
    assert here.asked() == [("b", "d", [(1, 1)])]


def test_own_writes_are_never_asked_for() -> None:
    """Somebody who knows more of them is a reason to take another name, not to ask."""
    here = _Behind(b="a=5")
    assert [here.due(after_ms) for after_ms in (0, 60_000)] == [Due([], [])] * 2


# ------------------------------------------------------------------------------------ what to ask


def test_exactly_the_missing_writes_are_asked_for() -> None:
    """Not those that are applied, and not those that are held."""
    here = _Behind(b="b=9")
    here.applied["b"] = 2
    here.hold("b:5", "b:6", "b:9")
    here.due()
    assert here.asked(2_000) == [("b", "b", [(3, 4), (7, 8)])]


def test_a_request_is_bounded_in_writes_and_in_ranges() -> None:
    """The rest comes with the next one."""
    many_writes = _Behind(b="b=1000")
    many_writes.due()
    many_ranges = _Behind(b="b=9")
    many_ranges.hold("b:2", "b:4", "b:6")
    many_ranges.due()
    assert many_writes.asked(2_000) == [("b", "b", [(1, 10)])]
    assert many_ranges.asked(2_000) == [("b", "b", [(1, 1), (3, 3)])]


def test_a_peer_is_asked_for_what_it_has() -> None:
    """Not for what only others have."""
    here = _Behind(b="c=2", c="c=5")
    here.due()
    assert here.asked(2_000) == [("b", "c", [(1, 2)])]


def test_each_origin_has_one_request_of_its_own() -> None:
    """They do not wait for each other."""
    here = _Behind(b="b=1 c=2")
    here.due()
    assert here.asked(2_000) == [("b", "b", [(1, 1)]), ("b", "c", [(1, 2)])]
    assert here.asked(500) == []


# ---------------------------------------------------------------------------------- asking again


def test_a_request_without_an_answer_goes_to_another_peer_each_time() -> None:
    """The one that was asked may be away, or have lost it."""
    here = _Behind(b="b=1", c="b=1", d="b=1")
    here.due()
    peers = [here.asked(after_ms)[0][0] for after_ms in (2_000, 1_000, 2_000, 4_000)]
    assert peers == ["b", "c", "d", "b"]


def test_the_pause_between_requests_doubles_up_to_its_limit() -> None:
    """One second, two, four, four: an origin that nobody can help with costs little."""
    here = _Behind(b="b=1")
    here.due()
    here.wanted(2_000)
    for pause_ms in (1_000, 2_000, 4_000, 4_000):
        assert here.asked(pause_ms - 1) == []
        here.wanted(1)
    assert here.repairer.gaps == {"b": 5}


def test_after_an_answer_the_rest_is_asked_for_at_once() -> None:
    """A long gap closes at the speed of its answers."""
    here = _Behind(b="b=25")
    here.due()
    for first, last in ((1, 10), (11, 20), (21, 25)):
        wanted = here.wanted(2_000 if first == 1 else 0)
        assert wanted.ranges == ((first, last),)
        here.applied["b"] = last
        here.repairer.answered(_given(wanted, f"b:{last}"))
    assert here.asked() == []
    assert here.repairer.gaps == {}


def test_a_request_that_is_open_is_not_repeated_because_something_else_came() -> None:
    """Held writes are let through, or a queue moves, while the answer is on its way: nothing is asked for twice."""
    here = _Behind(b="b=3")
    here.due()
    here.wanted(2_000)
    here.applied["b"] = 1
    assert here.asked() == here.asked(999) == []
    assert here.asked(1) == [("b", "b", [(2, 3)])]


def test_when_all_in_reach_is_held_the_rest_is_asked_for_as_soon_as_it_moves() -> None:
    """There was nothing to ask for until then."""
    here = _Behind(b="b=12")
    here.hold(*(f"b:{seq}" for seq in range(1, 11)), after="c=1")
    here.due()
    assert here.asked(2_000) == []
    here.applied["b"] = 10
    assert here.asked() == [("b", "b", [(11, 12)])]


def test_what_was_taken_back_by_a_commit_that_failed_is_asked_for_again() -> None:
    """After the usual two seconds."""
    here = _Behind(b="b=9")
    here.due()
    here.wanted(2_000)
    here.applied["b"] = 5
    here.due()
    here.applied["b"] = 2
    assert here.asked() == here.asked(1_999) == []
    assert here.asked(1) == [("b", "b", [(3, 9)])]


def test_repair_stops_when_nothing_is_missing_any_more() -> None:
    """Whether it came as an answer or by itself; a new gap waits its two seconds again."""
    here = _Behind(b="b=1")
    here.due()
    here.wanted(2_000)
    here.applied["b"] = 1
    assert here.asked(60_000) == []
    assert here.repairer.gaps == {}
    here.tell("b", "b=2")
    assert here.asked() == here.asked(1_999) == []
    assert here.asked(1) == [("b", "b", [(2, 2)])]


# -------------------------------------------------------------------------------------- trimming


def test_only_a_peer_that_keeps_the_history_is_asked() -> None:
    """One that has forgotten the first missing write cannot close the gap."""
    here = _Behind()
    here.tell("b", "b=9", trimmed="b=3")
    here.tell("c", "b=9", trimmed="b=2")
    here.applied["b"] = 2
    here.due()
    due = here.due(2_000)
    assert [request.peer for request in due.requests] == ["c"]
    assert due.snapshot_from == []


def test_when_nobody_keeps_the_history_a_snapshot_is_due() -> None:
    """Of those who have what is missing, after the same two seconds."""
    here = _Behind(d="c=1")
    here.tell("b", "b=9", trimmed="b=1")
    here.tell("c", "b=8", trimmed="b=5")
    here.applied["c"] = 1
    assert here.due() == here.due(1_999) == Due([], [])
    assert here.due(1) == Due([], ["b", "c"])


def test_a_replica_that_is_far_behind_is_due_for_a_snapshot_of_who_is_ahead_of_it() -> None:
    """Also when history is kept; a peer that is as far behind is of no use."""
    here = _Behind(b="b=51 c=51", c="b=2 c=1")
    here.applied = {"b": 2, "c": 1}
    here.due()
    assert here.due(2_000).snapshot_from == []
    here.tell("b", "b=52 c=51")
    assert here.due(1_000).snapshot_from == ["b"]


# --------------------------------------------------------------------------------------- answers


def _given(wanted: RepairWanted, *names: str) -> RepairGiven:
    return RepairGiven("b", wanted.request, wanted.origin, tuple(write(name) for name in names))


def test_an_answer_to_the_open_request_is_expected() -> None:
    """All of it, a part of it, or more than once."""
    here = _Behind(b="b=3")
    here.due()
    wanted = here.wanted(2_000)
    assert here.repairer.expects(_given(wanted, "b:1", "b:2", "b:3"))
    assert here.repairer.expects(_given(wanted, "b:2"))


@pytest.mark.parametrize("name", ["b:4", "b:11", "c:1", "b:5"])
def test_writes_that_the_request_does_not_name_are_not_expected(name: str) -> None:
    """Beyond it, of another origin, or held here already: nothing of such an answer is used."""
    here = _Behind(b="b=20")
    here.applied["b"] = 4
    here.hold("b:11", "b:5", after="c=1")
    here.due()
    wanted = here.wanted(2_000)
    assert here.repairer.expects(_given(wanted, "b:6"))
    assert not here.repairer.expects(_given(wanted, "b:6", name))


def test_answers_that_nobody_asked_for_are_not_expected() -> None:
    """Neither before a request, nor under another name, nor to a former request, nor when the gap is closed."""
    here = _Behind(b="b=3")
    here.due()
    assert not here.repairer.expects(RepairGiven("b", "request 1", "b", (write("b:1"),)))
    first = here.wanted(2_000)
    assert not here.repairer.expects(_given(first._replace(request="guessed"), "b:1"))
    assert not here.repairer.expects(_given(first._replace(origin="c"), "c:1"))
    second = here.wanted(1_000)
    assert not here.repairer.expects(_given(first, "b:1"))
    assert here.repairer.expects(_given(second, "b:1"))
    here.applied["b"] = 3
    here.due()
    assert not here.repairer.expects(_given(second, "b:1"))

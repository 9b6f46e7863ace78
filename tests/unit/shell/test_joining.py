"""When a node has caught up with its peers: it holds all that they had when it first heard of them."""

from __future__ import annotations

from node.core.vector_clock import VectorClock
from node.joining import ALONE_SECONDS, BROKER_GRACE_SECONDS, OTHERS_SECONDS, Joining

NOTHING = VectorClock()
SOME = VectorClock({"node2~bbbbbb": 5})
MORE = VectorClock({"node2~bbbbbb": 5, "node3~cccccc": 7})


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now


class Start:
    """node1 starts, and expects node2 and node3."""

    def __init__(
        self, *, is_founding: bool = True, is_new: bool = True, expected: tuple[str, ...] = ("node2", "node3")
    ) -> None:
        self.clock = Clock()
        self.joining = Joining(expected, is_founding=is_founding, is_new=is_new, clock_seconds=self.clock)

    def is_over(self, applied: VectorClock = NOTHING, after_seconds: float = 0.0) -> bool:
        """Whether the node has caught up, so much later, with this clock."""
        self.clock.now += after_seconds
        self.joining.progress(applied)
        return self.joining.is_over


def test_it_is_over_when_all_were_heard_and_nothing_is_missing() -> None:
    """One of them is not enough, and neither is a part of what they have."""
    start = Start()
    start.joining.asked()
    start.joining.heard("node2", SOME)
    assert not start.is_over(SOME)
    start.joining.heard("node3", MORE)
    assert not start.is_over(SOME)
    assert start.is_over(MORE)


def test_what_the_peers_write_meanwhile_does_not_put_it_off() -> None:
    """Under load a node would never be as far as its peers are just then."""
    start = Start()
    start.joining.heard("node2", SOME)
    start.joining.heard("node3", SOME)
    start.joining.heard("node3", MORE)
    assert start.is_over(SOME)


def test_it_says_how_much_is_missing() -> None:
    """None while it knows of nobody; then the number of writes, which goes down to 0."""
    start = Start()
    assert not start.is_over()
    assert start.joining.left_writes is None
    start.joining.heard("node2", MORE)
    start.is_over()
    assert start.joining.left_writes == 12
    start.is_over(SOME)
    assert start.joining.left_writes == 7
    start.is_over(MORE)
    assert start.joining.left_writes == 0


def test_a_member_that_stays_silent_is_waited_for_a_moment_only() -> None:
    """It may be down; those who spoke have what it had."""
    start = Start()
    start.joining.asked()
    start.joining.heard("node2", NOTHING)
    assert not start.is_over(after_seconds=OTHERS_SECONDS * 0.9)
    assert start.is_over(after_seconds=OTHERS_SECONDS * 0.2)


def test_what_is_missing_is_waited_for_however_long_it_takes() -> None:
    """A million keys take their time."""
    start = Start()
    start.joining.asked()
    start.joining.heard("node2", SOME)
    assert not start.is_over(after_seconds=3600)
    assert start.is_over(SOME)


def test_a_founding_node_that_hears_nobody_serves_after_a_while() -> None:
    """It may be the first of all; the time runs from when the others could be asked."""
    start = Start()
    assert not start.is_over(after_seconds=3600)
    start.joining.asked()
    assert not start.is_over(after_seconds=ALONE_SECONDS * 0.9)
    start.joining.asked()  # a second connection does not begin it anew
    assert start.is_over(after_seconds=ALONE_SECONDS * 0.2)


def test_a_node_without_peers_has_caught_up_at_once() -> None:
    """There is nobody to hear."""
    assert Start(expected=()).is_over()


def test_a_node_that_joins_waits_for_a_cluster_however_long() -> None:
    """It is not among the founding members: somebody must be there."""
    start = Start(is_founding=False)
    start.joining.asked()
    assert not start.is_over(after_seconds=3600)
    start.joining.heard("node2", SOME)
    assert not start.is_over(after_seconds=3600)
    assert start.is_over(SOME)


def test_a_joining_node_without_expected_peers_waits_too() -> None:
    """An empty list of founding members is no cluster of its own."""
    start = Start(is_founding=False, expected=())
    assert not start.is_over(after_seconds=3600)
    start.joining.heard("node7", NOTHING)
    assert start.is_over()


def test_once_over_it_stays_over() -> None:
    """A peer that comes back later is daily life."""
    start = Start(expected=("node2",))
    start.joining.heard("node2", NOTHING)
    assert start.is_over()
    start.joining.heard("node3", MORE)
    assert start.is_over()
    assert start.joining.left_writes == 0


def test_reads_are_refused_only_while_they_would_show_nothing_of_a_cluster_that_has_something() -> None:
    """A node with data serves what it has; an empty one must not call keys absent that exist."""
    assert not Start(is_new=False).joining.must_not_read
    assert not Start().joining.must_not_read  # a founding node that has heard of nothing
    assert Start(is_founding=False).joining.must_not_read
    start = Start()
    start.joining.heard("node2", NOTHING)
    assert not start.joining.must_not_read
    start.joining.heard("node3", SOME)
    assert start.joining.must_not_read
    assert start.is_over(SOME)
    assert not start.joining.must_not_read


def test_a_founding_node_that_served_without_its_broker_does_not_stop_to_read_when_it_hears_its_peers() -> None:
    """What they have comes while it serves; one that hears them soon after its start waits for it first."""
    for after_seconds, must_not_read in ((BROKER_GRACE_SECONDS / 2, True), (BROKER_GRACE_SECONDS * 2, False)):
        start = Start()
        assert not start.is_over(after_seconds=after_seconds)
        start.joining.asked()
        start.joining.heard("node2", SOME)
        assert start.joining.must_not_read == must_not_read
        assert not start.is_over()
    joins = Start(is_founding=False)
    assert not joins.is_over(after_seconds=BROKER_GRACE_SECONDS * 2)
    joins.joining.heard("node2", SOME)
    assert joins.joining.must_not_read

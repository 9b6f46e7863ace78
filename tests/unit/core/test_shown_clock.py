from __future__ import annotations

from node.core.shown_clock import ShownClocks, natural_order
from tests.unit.core.builders import clock


def test_node2_stands_before_node10() -> None:
    """Numbers inside names compare as numbers."""
    assert sorted(["node10", "node2", "node1"], key=natural_order) == ["node1", "node2", "node10"]


def test_natural_order_takes_names_of_any_form() -> None:
    """Digits first, letters first, several numbers, none: all compare with each other."""
    names = ["b", "10", "a2b10", "a2b9", "2", "a", "-", "a02", "a2"]
    assert sorted(names, key=natural_order) == ["2", "10", "-", "a", "a02", "a2", "a2b9", "a2b10", "b"]


def test_names_that_differ_only_in_leading_zeros_keep_one_order() -> None:
    """The order is total: every node must show the same list."""
    assert natural_order("node01") != natural_order("node1")


def test_a_shown_clock_sums_the_incarnations_of_a_node() -> None:
    """A node that lost its disk goes on counting where people look."""
    clocks = ShownClocks(["node1", "node2", "node3"])
    assert clocks.shown(clock("node1~aaaa=3 node1~bbbb=2 node2~aaaa=1")) == [5, 1, 0]


def test_members_have_a_number_before_anyone_has_written() -> None:
    """In natural order, whatever the order of the configuration."""
    clocks = ShownClocks(["node10", "node2", "node1"])
    assert clocks.nodes == ("node1", "node2", "node10")
    assert clocks.shown(clock()) == [0, 0, 0]


def test_a_node_that_has_written_is_shown_though_it_is_no_member() -> None:
    """At its place in the natural order; the others move."""
    clocks = ShownClocks(["node1", "node10"])
    assert clocks.shown(clock("node1~aaaa=1 node10~aaaa=4")) == [1, 4]
    assert clocks.shown(clock("node1~aaaa=1 node10~aaaa=4 node2~aaaa=7")) == [1, 7, 4]
    assert clocks.nodes == ("node1", "node2", "node10")


def test_what_was_learnt_stays_when_an_older_clock_is_shown() -> None:
    """Lists shown by one node never get shorter."""
    clocks = ShownClocks(["node1"])
    clocks.shown(clock("node3~aaaa=1"))
    clocks.shown(clock("node2~aaaa=1"))
    assert clocks.shown(clock("node1~aaaa=2")) == [2, 0, 0]

"""The story of writes in the log: a line per step, a limit per second, and a count of what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog

from node.core.dot import Dot
from node.core.shown_clock import ShownClocks
from node.core.write import Put
from node.story import WriteStory
from tests.support.writes import NODE1, NODE2, put_write, write_of
from tests.unit.shell.running import RunningReplica

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from pathlib import Path

Lines = list["MutableMapping[str, Any]"]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


class Story:
    """A story whose time a test moves."""

    def __init__(self, lines_per_second: int) -> None:
        self.now = 100.0
        shown = ShownClocks(["node1", "node2", "node3"]).shown
        self.story = WriteStory("node1", shown, lines_per_second, lambda: self.now)

    def tell(self, steps: int) -> None:
        """One commit with this many steps."""
        self.story.begin()
        for step in range(steps):
            self.story.accepted(put_write(NODE1, step + 1))


def test_each_step_names_the_write_its_keys_and_its_clock(lines: Lines) -> None:
    """So that a write can be followed through the logs of all nodes by its dot."""
    story = Story(100).story
    own, other = put_write(NODE1, 1, node2=3), put_write(NODE2, 4, "y", node1=1)
    story.accepted(own)
    story.published(NODE1, 1, 1)
    story.published(NODE1, 2, 9)
    story.delivered(other)
    story.held(other, Dot(NODE1, 1))
    story.applied(other, 0.12345)
    story.applied(other, None)
    about_other = {
        "origin": "node2",
        "dot": f"{NODE2}:4",
        "keys": ["y"],
        "vc": [1, 4, 0],
        "node": "node1",
        "log_level": "info",
    }
    assert lines == [
        {
            "event": "accepted",
            "dot": f"{NODE1}:1",
            "origin": "node1",
            "keys": ["x"],
            "vc": [1, 3, 0],
            "node": "node1",
            "log_level": "info",
        },
        {
            "event": "published",
            "dot": f"{NODE1}:1",
            "origin": "node1",
            "writes": 1,
            "node": "node1",
            "log_level": "info",
        },
        {
            "event": "published",
            "dot": f"{NODE1}:2-9",
            "origin": "node1",
            "writes": 8,
            "node": "node1",
            "log_level": "info",
        },
        {"event": "delivered", **about_other},
        {"event": "held", "waits_for": f"{NODE1}:1", **about_other},
        {"event": "applied", "held_seconds": 0.123, **about_other},
        {"event": "applied", **about_other},
    ]


def test_a_write_of_many_keys_shows_the_first_ones(lines: Lines) -> None:
    """A line stays a line."""
    Story(100).story.accepted(write_of(NODE1, 1, tuple(Put(f"k{n}", b"1") for n in range(100))))
    assert lines[0]["keys"] == ["k0", "k1", "k2", "k3", "k4", "… 95 more"]


def test_beyond_the_limit_of_a_second_lines_are_counted(lines: Lines) -> None:
    """The next second begins with the count, and with lines again."""
    story = Story(10)
    story.tell(7)
    story.tell(7)
    assert len(lines) == 10
    story.now += 1
    story.tell(2)
    assert lines[10]["event"] == "steps of writes not logged one by one"
    assert lines[10]["steps"] == 4
    assert lines[10]["limit_per_second"] == 10
    assert [line["event"] for line in lines[11:]] == ["accepted", "accepted"]
    story.now += 1
    story.tell(1)
    assert len(lines) == 14


def test_a_limit_of_zero_only_counts(lines: Lines) -> None:
    """For those who do not want the story."""
    story = Story(0)
    story.tell(5)
    assert lines == []
    assert story.story.is_cut
    story.story.flush()
    assert [line["steps"] for line in lines] == [5]
    assert not story.story.is_cut
    story.story.flush()
    assert len(lines) == 1


def counted(lines: Lines) -> int:
    """The steps that the log says were left out."""
    return sum(line["steps"] for line in lines if "steps" in line)


def test_the_count_is_logged_when_no_write_follows(lines: Lines, tmp_path: Path) -> None:
    """A burst and then silence: the log must not look complete for hours."""
    with RunningReplica(tmp_path) as running:
        running.start(connect=False)
        for _ in range(5):
            running.put()
        running.wait(lambda: counted(lines) == 5, "the count of the burst")


def test_the_count_is_logged_when_the_node_stops(lines: Lines, tmp_path: Path) -> None:
    """The last lines of a log are the ones that are read."""
    with RunningReplica(tmp_path) as running:
        running.start(connect=False)
        for _ in range(5):
            running.put()
    assert counted(lines) == 5

"""Wall clocks that are wrong, or jump: causally later writes win everywhere, and everybody says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.healing.tools import HEAL_SECONDS, metric
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.support.cluster import ClusterUnderTest, NodeUnderTest

pytestmark = pytest.mark.broker

HOUR_SECONDS = 3600


def _set_wrong(node: NodeUnderTest, seconds: float) -> None:
    node.http.post("/faults", json={"wall_offset": seconds}).raise_for_status()


def test_a_later_write_wins_although_clocks_are_hours_apart(cluster: ClusterUnderTest) -> None:
    """node1 an hour ahead, node3 an hour behind, and jumping: the value that was written last stands on all nodes."""
    _set_wrong(cluster["node1"], HOUR_SECONDS)
    _set_wrong(cluster["node3"], -HOUR_SECONDS)
    token, last = "", ""
    for turn in range(12):
        node = cluster[f"node{turn % 3 + 1}"]
        if turn == 6:
            _set_wrong(cluster["node1"], -HOUR_SECONDS)
            _set_wrong(cluster["node3"], HOUR_SECONDS)
        last = f"value {turn} of {node.name}"
        answer = node.put("x", last, token)
        answer.raise_for_status()
        token = answer.headers["X-Causal-Context"]
    cluster.quiesce(["x"])
    for node in cluster:
        found = node.get("x", siblings="true").json()
        assert (found["value"], len(found["siblings"])) == (last, 1)


def test_clock_skew_is_measured_shown_and_warned_about(cluster: ClusterUnderTest) -> None:
    """An hour ahead stands in the members, the metrics and the log of the others; so does what it dates ahead."""
    _set_wrong(cluster["node1"], HOUR_SECONDS)
    cluster["node1"].put("x", 1).raise_for_status()

    def ahead() -> float:
        members = cluster["node2"].http.get("/members").json()["members"]
        return float(next(each["clock_ahead_seconds"] for each in members if each["node"] == "node1") or 0)

    wait_until(lambda: abs(ahead() - HOUR_SECONDS) < 5, "node2 shows it", HEAL_SECONDS)
    cluster.quiesce(["x"])
    wait_until(
        lambda: cluster["node2"].status()["timestamp_ahead_seconds"] > HOUR_SECONDS / 2, "it is shown", HEAL_SECONDS
    )
    assert metric(cluster["node2"], "causalkv_timestamps_ahead_total") >= 1
    text = cluster["node2"].http.get("/metrics").text
    assert 'causalkv_peer_wall_ahead_seconds{peer="node1"} 3' in text
    log = cluster["node2"].log_file.read_text()
    assert "the wall clocks of two nodes are apart" in log
    assert "a write is dated in the future" in log

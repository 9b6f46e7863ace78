"""When history does not reach back far enough, a node merges a peer's state and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.healing.tools import HEAL_SECONDS, assert_everywhere, metric, put_all
from tests.support.cluster import ClusterUnderTest, wait_until
from tests.support.event_stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker

pytestmark = pytest.mark.broker

NOBODY_THERE = "amqp://guest:guest@127.0.0.1:1/%2F"


@pytest.fixture
def forgetful(
    broker: PrivateBroker, cluster_id: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[ClusterUnderTest]:
    """Three nodes that keep no history but what a member lacks, and wait for no member for long."""
    with ClusterUnderTest(
        tmp_path,
        broker.url,
        cluster=cluster_id,
        CAUSALKV_HISTORY_KEEP_WRITES="0",
        CAUSALKV_MEMBER_AWAY_SECONDS=getattr(request, "param", "5"),
    ) as started:
        yield started


def _wait_until_forgotten(cluster: ClusterUnderTest, *names: str) -> None:
    for name in names:
        wait_until(
            lambda name=name: cluster[name].status()["history_writes"] == 0,  # type: ignore[misc]  # bound at once
            f"{name} has forgotten its history",
            HEAL_SECONDS,
            cluster[name].log_tail,
        )


def test_stable_history_is_forgotten(forgetful: ClusterUnderTest) -> None:
    """What every member has is kept by nobody; what one lacks, by all."""
    assert_everywhere(forgetful, put_all(forgetful["node1"], "k", 100))
    _wait_until_forgotten(forgetful, "node1", "node2", "node3")


def test_a_member_that_was_away_too_long_comes_back_by_a_snapshot(
    broker: PrivateBroker, forgetful: ClusterUnderTest, cluster_id: str
) -> None:
    """Its own unpublished writes survive, what was deleted meanwhile stays deleted, and it says what it does."""
    keys = put_all(forgetful["node1"], "old", 60)
    assert_everywhere(forgetful, keys)
    node3 = forgetful["node3"]
    node3.terminate()
    node3.start(CAUSALKV_AMQP_URL=NOBODY_THERE)
    node3.wait_ready(HEAL_SECONDS)
    unpublished = put_all(node3, "unpublished", 20)
    node3.put("old0", "of node3").raise_for_status()
    node3.terminate()
    keys = [key for key in keys if key != "old0"]
    for key in (gone := keys[:10]):
        forgetful["node2"].http.post("/delete", json={"key": key}).raise_for_status()
    forgetful["node2"].put("old0", "of node2").raise_for_status()
    keys = keys[10:] + put_all(forgetful["node1"], "new", 60)
    broker.ctl("purge_queue", f"{cluster_id}.node3")
    _wait_until_forgotten(forgetful, "node1", "node2")
    node3.start()
    node3.wait_ready(30.0)
    assert_everywhere(forgetful, [*keys, *unpublished])
    assert metric(node3, "causalkv_snapshots_adopted_total") == 1
    assert node3.status()["healing"]["snapshot"]["state"] == "adopted"
    assert "taking a snapshot" in node3.log_file.read_text()
    for node in forgetful:
        assert [node.get(key).status_code for key in gone] == [404] * len(gone)
        siblings = {each["value"] for each in node.get("old0", siblings="true").json()["siblings"]}
        assert siblings == {"of node2", "of node3"}


def test_watchers_hear_that_a_snapshot_left_something_out(
    broker: PrivateBroker, forgetful: ClusterUnderTest, cluster_id: str
) -> None:
    """A reset, with the whole state for those who asked for it; what is new comes behind it, once."""
    keys = put_all(forgetful["node1"], "k", 30)
    assert_everywhere(forgetful, keys)
    node3 = forgetful["node3"]
    seen = node3.get("k29").headers["X-Causal-Context"]
    node3.kill()
    forgetful["node1"].http.post("/delete", json={"key": "k0"}).raise_for_status()
    keys = keys[1:] + put_all(forgetful["node1"], "new", 30)
    broker.ctl("purge_queue", f"{cluster_id}.node3")
    _wait_until_forgotten(forgetful, "node1", "node2")
    node3.start()
    wait_until(lambda: node3.answers("/healthz"), "node3 answers", HEAL_SECONDS, node3.log_tail)
    with (
        EventStream(node3.url, behind=seen) as plain,
        EventStream(node3.url, behind=seen, initial="true") as with_state,
    ):
        state = with_state.wait_for_state()
        assert state == {key: key for key in keys}
        node3.wait_ready(30.0)
        keys += put_all(forgetful["node2"], "last", 5)
        for stream in (plain, with_state):
            changes = stream.wait_for_changes(5)
            assert [change["key"] for change in changes] == [f"last{number}" for number in range(5)]
            assert stream.events[0].name == "reset"
    assert metric(node3, "causalkv_snapshots_adopted_total") == 1
    assert_everywhere(forgetful, keys)


def test_a_node_without_a_disk_joins_by_a_snapshot_under_load(forgetful: ClusterUnderTest) -> None:
    """Nobody has the history that it lacks; it has the state, and what is written meanwhile."""
    keys = put_all(forgetful["node1"], "k", 200)
    assert_everywhere(forgetful, keys)
    _wait_until_forgotten(forgetful, "node1", "node2", "node3")
    forgetful["node3"].kill()
    forgetful["node3"].forget_data()
    forgetful["node3"].start()
    meanwhile = put_all(forgetful["node2"], "meanwhile", 100)
    forgetful["node3"].wait_ready(30.0)
    assert_everywhere(forgetful, [*keys, *meanwhile, *put_all(forgetful["node3"], "own", 10)])
    assert metric(forgetful["node3"], "causalkv_snapshots_adopted_total") >= 1


@pytest.mark.parametrize("forgetful", ["15"], indirect=True)
def test_a_member_whose_clocks_do_not_come_holds_history_until_it_counts_as_away(
    forgetful: ClusterUnderTest,
) -> None:
    """Stability stalls while a member is silent, says who it is, and recovers when it counts as away."""
    assert_everywhere(forgetful, put_all(forgetful["node1"], "k", 20))
    forgetful["node3"].kill()
    keys = put_all(forgetful["node1"], "more", 20)

    def held_back_by() -> dict[str, int]:
        members = forgetful["node1"].http.get("/members").json()["members"]
        return {each["node"]: each["holds_back_writes"] for each in members}

    # Its last word may be a second older than its end.
    wait_until(lambda: held_back_by()["node3"] >= 20, "node3 holds it back", HEAL_SECONDS)
    wait_until(lambda: held_back_by()["node3"] == 0, "node3 is away", 15 + HEAL_SECONDS)
    _wait_until_forgotten(forgetful, "node1", "node2")
    forgetful["node3"].start()
    forgetful["node3"].wait_ready(HEAL_SECONDS)
    assert_everywhere(forgetful, keys)

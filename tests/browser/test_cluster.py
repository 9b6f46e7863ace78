"""The cluster view: what all nodes tell, side by side, also while some of them cannot be reached."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.browser.chromium import TIMEOUT_SECONDS, WatchedPage
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import PrivateBroker
    from tests.support.cluster import NodeUnderTest

LATE = 600


def delay(node: NodeUnderTest, *origins: str) -> None:
    """Let what these nodes write come late to a node."""
    node.http.post("/faults", json={"delay": dict.fromkeys(origins, LATE)}).raise_for_status()


def clear(*nodes: NodeUnderTest) -> None:
    """Let everything through."""
    for node in nodes:
        node.http.post("/faults", json={"clear": True}).raise_for_status()


def write(node: NodeUnderTest, key: str, value: Any, token: str = "") -> str:
    """Write at a node; the token that covers it."""
    return str(node.put(key, value, token).raise_for_status().headers["X-Causal-Context"])


def fresh(name: str) -> str:
    """A key that no other test uses."""
    return f"{name}-{secrets.token_hex(3)}"


def shows_clocks_of(page: WatchedPage, cluster: ClusterUnderTest) -> None:
    """Wait until the table shows what the nodes say."""

    def is_shown() -> bool:
        page.page.wait_for_timeout(100)  # gives the page its turn
        counts = {
            node.name: {name: str(count) for name, count in zip(cluster.nodes, node.status()["vc"], strict=True)}
            for node in cluster
        }
        return page.clocks() == counts

    wait_until(is_shown, "the table shows the clocks", TIMEOUT_SECONDS, lambda: str(page.clocks()))


def test_the_clocks_of_all_nodes_stand_side_by_side_and_follow_what_is_written(
    page: WatchedPage, calm: ClusterUnderTest
) -> None:
    """One row for each node, one column for the writes of each."""
    page.open(calm["node1"].url, "cluster")
    page.sees(page.page, "All clocks are equal: every node has applied the same writes.")
    for node in calm:
        write(node, fresh("seen"), 1)
    calm.quiesce()
    shows_clocks_of(page, calm)
    page.sees(page.page, "All 3 nodes can be reached. They have applied the same writes. Nothing is held.")


def test_a_write_that_is_missing_is_named_where_it_is_missing(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """Marked in the table, named below it, counted as the lag of the node, and as history that is kept for it."""
    page.open(calm["node1"].url, "cluster")
    page.reaches(calm)
    delay(calm["node3"], "node1")
    write(calm["node1"], fresh("missing"), 1)
    status = calm["node1"].status()
    dot = f"{status['replica']}:{status['clock'][status['replica']]}"
    page.sees(page.panel("Vector clocks"), dot)
    expect(page.panel("Vector clocks").get_by_role("listitem")).to_have_text(f"node3 lacks 1 write: {dot}")
    assert page.clocks()["node3"]["node1"] == f"{status['vc'][0] - 1} \N{MINUS SIGN}1 behind"
    row = page.panel("Nodes").get_by_role("row", name=re.compile("^node3"))
    expect(row.get_by_role("cell").nth(2)).to_have_text("1 write")
    expect(row.get_by_role("cell").nth(5)).to_have_text("1 write")
    page.sees(page.page, "node3 lacks writes that others have.")
    page.sees(page.panel("Healing"), re.compile("lacks 1 write that others are known to have"))
    page.sees(page.page, "node3 has faults in force, on purpose")
    clear(calm["node3"])
    page.sees(page.page, "All clocks are equal: every node has applied the same writes.")


def test_a_held_write_says_in_a_sentence_what_it_waits_for(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """By its dot and its key; one that waits for a held one says so."""
    page.open(calm["node2"].url, "cluster")
    page.reaches(calm)
    delay(calm["node3"], "node1")
    question, answer = fresh("question"), fresh("answer")
    token = write(calm["node1"], question, "shall we meet?")
    wait_until(lambda: calm["node2"].get(question, token).is_success, "node2 has the question", TIMEOUT_SECONDS)
    write(calm["node2"], answer, "at noon", token)
    write(calm["node2"], fresh("again"), "at noon!")
    asked, answered = (f"{calm[n].status()['replica']}" for n in ("node1", "node2"))
    seq, number = calm["node1"].status()["vc"][0], calm["node2"].status()["vc"][1]
    held = page.panel("Held writes")
    page.sees(held, "node3 holds 2 writes")
    page.sees(
        held,
        f"Write {number - 1} of node2 ({answered}:{number - 1}), of {answer}, happened after write {seq} of node1 "
        f"({asked}:{seq}), which has not come to node3: it is kept on disk, "
        "and shown to nobody until that one is applied.",
    )
    page.sees(held, re.compile(rf"happened after write {number - 1} of node2 .*, which node3 holds itself"))
    clear(calm["node3"])
    page.sees(held, "No node that can be reached holds a write.")


def test_keys_in_conflict_are_listed_with_their_values_until_one_settles_them(
    page: WatchedPage, calm: ClusterUnderTest
) -> None:
    """The value that reads show comes first, and is marked."""
    key = fresh("color")
    page.open(calm["node1"].url, "cluster")
    delay(calm["node1"], "node2")
    delay(calm["node2"], "node1")
    write(calm["node1"], key, "red")
    write(calm["node2"], key, {"shade": "blue"})
    clear(calm["node1"], calm["node2"])
    calm.quiesce([key])
    shown = calm["node3"].get(key, siblings="true")
    panel = page.panel("Conflicts")
    item = panel.get_by_role("listitem").filter(has_text=key)
    expect(item).to_contain_text("2 values")
    versions = item.get_by_role("listitem")
    expect(versions).to_have_count(2)
    first, second = shown.json()["siblings"]
    for version, sibling in zip((versions.nth(0), versions.nth(1)), (first, second), strict=True):
        text = '"red"' if sibling["value"] == "red" else '{"shade": "blue"}'
        expect(version).to_contain_text(f"{text} written at {sibling['node']}, vc {sibling['vc']}")
    expect(versions.nth(0)).to_contain_text("shown")
    write(calm["node3"], key, "purple", shown.headers["X-Causal-Context"])
    expect(item).to_have_count(0)


def test_values_in_conflict_are_shown_word_for_word(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """JavaScript takes 1 and 1.0 for the same number, and large ones for their neighbours."""
    keys = {fresh("large"): ("9007199254740992", "9007199254740993"), fresh("whole"): ("1", "1.0")}
    delay(calm["node1"], "node2")
    delay(calm["node2"], "node1")
    for key, (one, other) in keys.items():
        write(calm["node1"], key, json.loads(one))
        write(calm["node2"], key, json.loads(other))
    clear(calm["node1"], calm["node2"])
    calm.quiesce(list(keys))
    page.open(calm["node1"].url, "cluster")
    for key, values in keys.items():
        item = page.panel("Conflicts").get_by_role("listitem").filter(has_text=key)
        expect(item).to_contain_text("2 values")
        assert sorted(item.locator(".value").all_inner_texts()) == sorted(values)
    for key in keys:
        write(calm["node1"], key, "settled", calm["node1"].get(key, siblings="true").headers["X-Causal-Context"])


def test_many_keys_in_conflict_are_shown_page_by_page(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """So that a cluster full of them is as quick to look at."""
    keys = [fresh(f"many{n:02}") for n in range(12)]
    delay(calm["node1"], "node2")
    delay(calm["node2"], "node1")
    for key in keys:
        write(calm["node1"], key, "red")
        write(calm["node2"], key, "blue")
    clear(calm["node1"], calm["node2"])
    calm.quiesce()
    page.open(calm["node1"].url, "cluster")
    panel = page.panel("Conflicts")
    page.sees(panel, "At node1 12 keys hold siblings.")
    page.sees(panel, keys[0])
    expect(panel.get_by_text(keys[11])).to_have_count(0)
    page.press("More keys")
    page.sees(panel, keys[11])
    page.press("From the first key")
    page.sees(panel, keys[0])
    for key in keys:
        seen = calm["node1"].get(key, siblings="true").headers["X-Causal-Context"]
        write(calm["node1"], key, "settled", seen)
    page.sees(panel, "No key holds siblings at node1.")


def test_a_node_that_is_killed_is_named_with_what_that_means_and_comes_back(
    page: WatchedPage, calm: ClusterUnderTest, artefacts: Path
) -> None:
    """Which one, since when, what the others say of it; the rest of the page goes on."""
    page.may_fail("/(status|events|healthz|buffer|faults)", "net::ERR_")
    # Until node3, started again, has heard the others' addresses.
    page.may_fail("/(status|events|healthz|buffer|faults)", "blocked by CORS policy")
    page.open(calm["node1"].url, "cluster")
    page.reaches(calm)
    calm["node3"].kill()
    expect(page.chip("node3")).to_contain_text("✕ not reached")
    expect(page.page.locator("#announcer")).to_have_text("node3 cannot be reached any more.")
    problems = page.page.get_by_role("list", name="What needs attention")
    page.sees(problems, re.compile(r"node3 cannot be reached since \d\d:\d\d:\d\d \("))
    page.sees(problems, f"No connection to {calm['node3'].url}.")
    page.sees(problems, re.compile("node1 and node2 have not heard it for .* either: it is down or cut off."))
    page.sees(problems, re.compile("Nobody waits for it: the others read and write as before."))
    page.sees(page.page, "node3 cannot be reached; 2 of 3 nodes can.")
    write(calm["node1"], fresh("meanwhile"), 1)
    page.sees(page.panel("Vector clocks"), re.compile(r"as of \d\d:\d\d:\d\d"))
    row = page.panel("Nodes").get_by_role("row", name=re.compile("^node3"))
    expect(row).to_contain_text(re.compile(r"not reached since \d\d:\d\d:\d\d"))
    expect(row.get_by_role("cell").nth(5)).to_have_text("1 write")
    page.page.screenshot(path=artefacts / "killed.png", full_page=True)
    calm["node3"].start()
    expect(page.chip("node3")).to_contain_text("● reached")
    expect(page.page.locator("#announcer")).to_have_text("node3 can be reached again.")
    expect(problems).to_have_count(0)


def test_the_page_outlives_the_node_that_it_came_from(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """It asks the others, and says where it can be opened again."""
    page.may_fail("/(status|events|healthz|buffer|faults|conflicts|dashboard/icon.svg)", "net::ERR_")
    page.open(calm["node2"].url, "cluster")
    page.reaches(calm)
    calm["node2"].kill()
    page.sees(page.page, re.compile("node2, from which this page came, does not answer."))
    expect(page.page.get_by_role("link", name="open it at node1")).to_have_attribute(
        "href", f"{calm['node1'].url}/#cluster"
    )
    key = fresh("after")
    token = write(calm["node1"], key, 1)
    wait_until(lambda: calm["node3"].get(key, token).is_success, "node3 has it", TIMEOUT_SECONDS)
    page.go("Try it")
    page.page.get_by_label("node3").check()
    page.key.fill(key)
    page.press("Get")
    page.sees(page.page, f"node3 shows {key}, written at node1")


def test_a_node_that_is_cut_off_from_the_broker_says_so(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """What waits in its outbox, and that nobody hears it."""
    page.open(calm["node1"].url, "cluster")
    page.reaches(calm)
    calm["node3"].http.post("/faults", json={"cut": True}).raise_for_status()
    page.sees(page.page, "node3 has no link to the broker")
    write(calm["node3"], fresh("alone"), 1)
    page.sees(page.page, re.compile("1 write of its own waits in its outbox"))
    row = page.panel("Nodes").get_by_role("row", name=re.compile("^node3"))
    expect(row).to_contain_text("✕ disconnected")
    expect(row.get_by_role("cell").nth(4)).to_have_text("1")
    clear(calm["node3"])
    expect(row).to_contain_text("● connected")


def test_what_was_lost_and_repaired_is_told(page: WatchedPage, calm: ClusterUnderTest) -> None:
    """Which writes came, and from whom."""
    page.open(calm["node1"].url, "cluster")
    calm["node3"].http.post("/faults", json={"drop": ["node1"]}).raise_for_status()
    write(calm["node1"], fresh("lost"), 1)
    page.sees(
        page.panel("Healing"), re.compile(r"node3 last got 1 missing write \(node1~\w+:\d+\) from node\d at \d\d:")
    )


def test_a_node_that_joins_is_noticed_and_reached_after_a_reload(
    page: WatchedPage, broker: PrivateBroker, tmp_path: Path
) -> None:
    """A browser lets a page ask only whom it knew when it was loaded; what limits were reached is told, too."""
    with ClusterUnderTest(
        tmp_path, broker.url, cluster=fresh("joins"), size=2, CAUSALKV_WAITING_MAX_REQUESTS="1"
    ) as cluster:
        for node in cluster:
            page.allow_host(node.url)
        page.open(cluster["node1"].url, "cluster")
        page.reaches(cluster)
        page.sees(page.panel("Limits"), "none")
        added = cluster.add("node3")
        added.start()
        added.wait_ready()
        page.sees(page.page, re.compile("^node3 joined after this page was loaded."))
        expect(page.chip("node3")).to_contain_text("? not asked")
        page.allow_host(added.url)
        page.press("Reload the page")
        page.reaches(cluster)
        expect(page.page.get_by_role("button", name="Reload the page")).to_have_count(0)

"""Events at the client: pages as typed values, and the command that makes one trace of those of all nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from client import InvalidRequestError, NodeEvent, UnexpectedAnswerError
from client.trace import collecting, exporting, shiviz
from tests.support.shiviz import check, read_file, read_pasted
from tests.unit.client.scripted_node import GARBAGE, Scripted, ScriptedNode, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.client_kinds import OpenClient
    from tests.unit.client.conftest import Outcome

    Run = Callable[..., Outcome]

PATH = "/events"
HOSTILE = 'a\n\r\0\x1b[2J\u2028\u2029\x85"\'}{ {"node1": 7}\nnode1 {"node1": 99} now\n<script>[red]'
AT_MS = 1764412345678.25


def event(node: str, number: int, kind: str, dot: str, **more: Any) -> dict[str, Any]:
    """An event in the form of a node's."""
    replica, _, seq = dot.partition(":")
    told = {
        "number": number, "kind": kind, "at_ms": AT_MS + number + 10 * (node == "node2"), "node": node, "dot": dot,
        "replica": replica, "origin": replica.partition("~")[0], "seq": int(seq),
        "clock": {replica: int(seq)}, "vc": [int(seq), 0, 0],
        "keys": ["x"], "keys_left_out": 0, "operations": ["put"], "later": "keys may be added",
    }  # fmt: skip
    return {name: value for name, value in {**told, **more}.items() if value is not None}


def page(node: str, *events: dict[str, Any], **more: Any) -> Scripted:
    """The answer to a request for events."""
    last = events[-1]["number"] if events else 0
    content = {
        "node": node, "replica": f"{node}~abcd", "run": f"run{node[-1]}", "events": events,
        "next": f"run{node[-1]}-{last}", "dropped": 0, "more": False,
    }  # fmt: skip
    return answer({**content, **more})


WRITE = "node1~abcd:1"
OWN = (event("node1", 1, "accepted", WRITE), event("node1", 2, "confirmed", WRITE))
RECEIVED = (
    event("node2", 1, "delivered", WRITE),
    event("node2", 2, "held", WRITE, waits_for="node3~abcd:9"),
    event("node2", 3, "released", WRITE, held_seconds=0.73249),
    event("node2", 4, "applied", WRITE),
)
KINDS = ["accepted", "confirmed", "delivered", "held", "released", "applied"]


@pytest.fixture
def cluster(nodes: list[ScriptedNode]) -> list[ScriptedNode]:
    """node1 accepted a write, which node2 held for a while, and node3 has not got."""
    nodes[0].script(PATH, page("node1", *OWN), page("node1"))
    nodes[1].script(PATH, page("node2", *RECEIVED), page("node2"))
    nodes[2].script(PATH, page("node3"))
    return nodes


def urls(nodes: list[ScriptedNode]) -> list[str]:
    """Where they are."""
    return [node.url for node in nodes]


def asked(node: ScriptedNode) -> list[dict[str, str]]:
    """What a node was asked for."""
    return [seen.parameters for seen in node.requests(PATH)]


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    """Lines of JSON."""
    assert outcome.exit_code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


# ------------------------------------------------------------------------------------ the library


def test_a_page_of_events_is_typed(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """And has the nodes' own words."""
    nodes[1].script(PATH, page("node2", *RECEIVED, more=True, dropped=None))
    with open_client(urls(nodes)) as client:
        read = client.events("node2", since="run2-7", limit=5)
    assert (read.node, read.run, read.next, read.dropped, read.more) == ("node2", "run2", "run2-4", None, True)
    assert [each.kind for each in read.events] == KINDS[2:]
    delivered, held, released, _ = read.events
    assert isinstance(delivered, NodeEvent)
    assert (held.waits_for, released.held_seconds, delivered.waits_for) == ("node3~abcd:9", 0.73249, None)
    assert (delivered.origin, delivered.seq, delivered.clock, delivered.keys) == ("node1", 1, {"node1~abcd": 1}, ["x"])
    assert json.loads(bytes(read.texts[0])) == RECEIVED[0]
    assert asked(nodes[1]) == [{"since": "run2-7", "limit": "5"}]


def test_all_nodes_are_asked_each_behind_its_own_position(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """One that fails is an error among the answers."""
    nodes[0].script(PATH, page("node1", *OWN))
    nodes[1].script(PATH, GARBAGE)
    nodes[2].script(PATH, page("node3"))
    with open_client(urls(nodes)) as client:
        replies = client.events_of_all({nodes[0].url: "run1-1"}, limit=7)
        assert [reply.answer and reply.answer.node for reply in replies] == ["node1", None, "node3"]
        assert isinstance(replies[1].error, UnexpectedAnswerError)
        (only,) = client.events_of_all(urls=[nodes[2].url])
        assert only.url == nodes[2].url
    assert asked(nodes[0]) == [{"since": "run1-1", "limit": "7"}]
    assert asked(nodes[2]) == [{"limit": "7"}, {}]


def test_a_malformed_position_is_the_callers_mistake(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """As the node says it."""
    nodes[0].script(PATH, answer({"error": "since is 'now': use a position"}, status_code=400))
    with open_client([nodes[0].url]) as client, pytest.raises(InvalidRequestError, match="use a position"):
        client.events_of_all({nodes[0].url: "now"})


def test_an_event_that_is_none_is_an_unexpected_answer(nodes: list[ScriptedNode], open_client: OpenClient) -> None:
    """It raises nothing else, whatever it is."""
    nodes[0].script(PATH, page("node1", event("node1", 1, "accepted", WRITE, at_ms="yesterday")))
    with open_client([nodes[0].url]) as client:
        assert isinstance(client.events_of_all()[0].error, UnexpectedAnswerError)


# ------------------------------------------------------------------------------------ the command


def test_events_of_all_nodes_are_a_table_in_causal_order(cluster: list[ScriptedNode], run: Run) -> None:
    """With what only some kinds have; at the end it says where another call goes on."""
    outcome = run(urls(cluster), "events")
    assert outcome.exit_code == 0
    rows = [line.split() for line in outcome.stdout.splitlines() if "node1~abcd:1" in line]
    assert [(row[1], row[2]) for row in rows] == [("node1", kind) for kind in KINDS[:2]] + [
        ("node2", kind) for kind in KINDS[2:]
    ]
    assert rows[0][0] == "10:32:25.679Z"
    assert 'put "x"' in outcome.stdout
    assert "waits for node3~abcd:9" in outcome.stdout
    assert "after 0.732 s" in outcome.stdout
    assert outcome.stderr == "causalkv: to go on from here: --since node1=run1-2,node2=run2-4\n"


def test_causal_order_goes_before_wall_clocks(cluster: list[ScriptedNode], run: Run) -> None:
    """One of them is wrong by an hour; nobody delivers what was not accepted."""
    early = [{**each, "at_ms": each["at_ms"] - 3_600_000} for each in RECEIVED]
    cluster[1].script(PATH, page("node2", *early), page("node2"))
    told = lines(run(urls(cluster), "events", "--json"))
    assert [each["kind"] for each in told] == [KINDS[0], *KINDS[2:], KINDS[1]]


def test_json_is_a_line_for_each_event_as_the_node_told_it(cluster: list[ScriptedNode], run: Run) -> None:
    """Also keys that came later than this client."""
    assert lines(run(urls(cluster), "events", "--format", "json")) == [*OWN, *RECEIVED]
    assert lines(run(urls(cluster), "events", "--json")) == []  # the scripts are over


def test_a_cause_that_a_node_tells_later_comes_before_its_effect(nodes: list[ScriptedNode], run: Run) -> None:
    """node1 was asked a moment before it accepted the write that node2 had delivered when it was asked."""
    nodes[0].script(PATH, page("node1"), page("node1", *OWN))
    nodes[1].script(PATH, page("node2", *RECEIVED), page("node2", event("node2", 5, "delivered", "node1~abcd:2")))
    nodes[2].script(PATH, page("node3"))
    told = run(urls(nodes), "events", "--json")
    assert [each["kind"] for each in lines(told)] == KINDS
    assert "--since node1=run1-2,node2=run2-4" in told.stderr  # what may have a cause is left for the next call


def test_of_a_write_whose_origin_does_not_answer_the_rest_is_shown(
    cluster: list[ScriptedNode], dead_url: str, run: Run
) -> None:
    """And who did not answer is said, once."""
    outcome = run([dead_url, cluster[1].url], "events", "--json")
    assert [each["kind"] for each in lines(outcome)] == KINDS[2:]
    assert outcome.stderr.count("without a node that does not answer") == 1
    assert dead_url in outcome.stderr


def test_when_no_node_answers_it_fails(dead_url: str, run: Run) -> None:
    """With the reason."""
    outcome = run([dead_url], "events")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert "connection refused" in outcome.stderr


def test_a_node_with_two_addresses_counts_once(cluster: list[ScriptedNode], run: Run) -> None:
    """Its events are the same ones."""
    twice = [cluster[0].url, cluster[0].url.replace("127.0.0.1", "localhost")]
    cluster[0].script(PATH, page("node1", *OWN), page("node1", *OWN), page("node1"))
    outcome = run(twice, "events", "--json")
    assert lines(outcome) == list(OWN)
    assert "is node1, too" in outcome.stderr


def test_page_follows_page(nodes: list[ScriptedNode], run: Run) -> None:
    """Until there is no more."""
    first, second = (event("node1", number, "accepted", f"node1~abcd:{number}") for number in (1, 2))
    nodes[0].script(PATH, page("node1", first, more=True), page("node1", second), page("node1"))
    assert lines(run([nodes[0].url], "events", "--json")) == [first, second]
    assert [each.get("since") for each in asked(nodes[0])] == [None, "run1-1", "run1-2"]


def test_a_node_that_always_has_more_does_not_keep_the_client_for_ever(
    nodes: list[ScriptedNode], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by new events, nor by the same page again and again."""
    monkeypatch.setattr(collecting, "LOOK_EVENTS_MAX", 3)
    pages = [
        page("node1", event("node1", number, "accepted", f"node1~abcd:{number}"), more=True) for number in range(1, 50)
    ]
    nodes[0].script(PATH, *pages)
    outcome = run([nodes[0].url], "events", "--json")
    assert len(lines(outcome)) == 6
    assert "node1 has more than 3 events" in outcome.stderr
    assert "--since node1=run1-6" in outcome.stderr
    nodes[0].script(PATH, page("node1", more=True, next="run1-0"))
    assert run([nodes[0].url], "events").exit_code == 0


def test_with_a_node_only_that_one_is_asked(cluster: list[ScriptedNode], run: Run) -> None:
    """Its position may stand alone."""
    outcome = run(urls(cluster), "events", "--node", "node2", "--since", "run2-9", "--json")
    assert [each["kind"] for each in lines(outcome)] == KINDS[2:]
    assert asked(cluster[0]) == asked(cluster[2]) == []
    assert asked(cluster[1])[0]["since"] == "run2-9"
    unknown = run(urls(cluster), "events", "--node", "node9")
    assert (unknown.exit_code, unknown.stdout) == (2, "")


def test_positions_of_an_earlier_call_go_on_behind_it(cluster: list[ScriptedNode], run: Run) -> None:
    """Each at its node; a node without one is read from its oldest event on, and one that is away keeps its own."""
    since = "node2=run2-1,node7=run7-3"
    outcome = run(urls(cluster), "events", "--since", since, "--json")
    assert [asked(node)[0].get("since") for node in cluster] == [None, "run2-1", None]
    assert outcome.stderr == "causalkv: to go on from here: --since node1=run1-2,node2=run2-4,node7=run7-3\n"


@pytest.mark.parametrize("text", ["", "run2-1", "node2=", "=run2-1", "node2=run2-1,node2=run2-2", "node2=run2-1,"])
def test_positions_that_are_none_are_a_usage_error(cluster: list[ScriptedNode], run: Run, text: str) -> None:
    """The message says what would be right; what only a node can judge, it says itself."""
    outcome = run(urls(cluster), "events", "--since", text)
    assert outcome.exit_code == 2
    assert "node1=k3f9x2-118,node2=q7w8e9-40" in outcome.stderr
    cluster[0].script(PATH, answer({"error": "since is 'now': use a position"}, status_code=400))
    refused = run(urls(cluster), "events", "--since", "node1=now")
    assert (refused.exit_code, "use a position" in refused.stderr) == (2, True)


def test_what_was_missed_is_said(nodes: list[ScriptedNode], run: Run) -> None:
    """Because the node keeps so many and no more, or was started anew."""
    nodes[0].script(PATH, page("node1", *OWN, dropped=17), page("node1"))
    nodes[1].script(PATH, page("node2", *RECEIVED, dropped=None), page("node2"))
    outcome = run(urls(nodes[:2]), "events", "--since", "node2=before-3", "--json")
    assert "node1 no longer keeps the 17 events before" in outcome.stderr
    assert "node2 was started anew" in outcome.stderr


# ------------------------------------------------------------------------------- choosing, following


def test_a_key_chooses_its_writes(nodes: list[ScriptedNode], run: Run) -> None:
    """Their confirmations too, which may not say it; several keys are several wishes."""
    events = [
        event("node1", 1, "accepted", "node1~abcd:1", keys=["x", "y"]),
        event("node1", 2, "accepted", "node1~abcd:2", keys=["y"]),
        event("node1", 3, "confirmed", "node1~abcd:1", keys=None, operations=None, clock=None, vc=None),
        event("node1", 4, "confirmed", "node1~abcd:2", keys=None, operations=None, clock=None, vc=None),
        event("node1", 5, "accepted", "node1~abcd:3", keys=["z"]),
    ]
    nodes[0].script(PATH, page("node1", *events))
    for keys, numbers in [(["x"], [1, 3]), (["y"], [1, 2, 3, 4]), (["x", "z"], [1, 3, 5]), (["other"], [])]:
        options = [part for key in keys for part in ("--key", key)]
        assert [each["number"] for each in lines(run([nodes[0].url], "events", "--json", *options))][
            : len(numbers)
        ] == numbers


@pytest.mark.parametrize(("limit", "kinds"), [(1, KINDS[-1:]), (4, KINDS[2:]), (6, KINDS), (99, KINDS)])
def test_a_limit_shows_the_last_events(cluster: list[ScriptedNode], run: Run, limit: int, kinds: list[str]) -> None:
    """Of those that are chosen."""
    told = lines(run(urls(cluster), "events", "--json", "--limit", str(limit)))
    assert [each["kind"] for each in told] == kinds


def test_following_shows_what_happens_until_it_has_shown_enough(
    cluster: list[ScriptedNode], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line each; a node that comes back is told of."""
    monkeypatch.setattr(exporting, "LOOK_AGAIN_SECONDS", 0.01)
    late = event("node3", 1, "delivered", WRITE)
    cluster[2].script(PATH, GARBAGE, GARBAGE, GARBAGE, page("node3", late))
    outcome = run(urls(cluster), "events", "--follow", "--limit", "7")
    assert outcome.exit_code == 0
    shown = outcome.stdout.splitlines()
    assert [line.split()[1:3] for line in shown[:2]] == [["node1", "accepted"], ["node1", "confirmed"]]
    assert len(shown) == 7
    assert shown[-1].split()[1:] == ["node3", "delivered", WRITE, "put", '"x"', "[1,", "0,", "0]"]
    assert outcome.stderr.count("without a node that does not answer") == 1
    assert f"{cluster[2].url} answers again" in outcome.stderr
    assert "node3=run3-1" in outcome.stderr


def test_ctrl_c_is_the_usual_end_of_following(
    cluster: list[ScriptedNode], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, and where to go on."""

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("client.trace.exporting.time.sleep", interrupted)
    outcome = run(urls(cluster), "events", "--follow", "--format", "shiviz")
    assert outcome.exit_code == 0
    check(read_file(outcome.stdout))
    assert "to go on from here: --since node1=run1-2,node2=run2-4" in outcome.stderr


def test_ctrl_c_elsewhere_interrupts(cluster: list[ScriptedNode], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere."""

    def interrupted(_self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collecting.Collector, "look", interrupted)
    assert run(urls(cluster), "events").exit_code == 130


# ------------------------------------------------------------------------------------------- ShiViz


def test_the_log_for_shiviz_keeps_its_rules(cluster: list[ScriptedNode], run: Run) -> None:
    """As a file and pasted; the clock of what was delivered has that of the acceptance in it."""
    text = run(urls(cluster), "events", "--format", "shiviz").stdout
    for entries in (read_file(text), read_pasted(text)):
        check(entries)
        assert [entry.event.split()[0] for entry in entries] == KINDS
        assert [entry.clock for entry in entries] == [
            {"node1": 1},
            {"node1": 2},
            {"node1": 1, "node2": 1},
            {"node1": 1, "node2": 2},
            {"node1": 1, "node2": 3},
            {"node1": 1, "node2": 4},
        ]
    assert entries[0].event == 'accepted put "x" (node1~abcd:1 vc [1, 0, 0])'
    assert entries[3].event == 'held put "x" waits for node3~abcd:9 (node1~abcd:1 vc [1, 0, 0])'
    assert entries[3].name == ("node2", "held", "node1~abcd:1")
    assert read_file(text)[0].fields == {"at": "2025-11-29T10:32:25.679Z"}


def test_no_key_breaks_the_log(nodes: list[ScriptedNode], run: Run) -> None:
    """Nor does a node that says what none says."""
    events = [
        event("node1", 1, "accepted", "node1~abcd:1", keys=[HOSTILE, "k" * 1_000], keys_left_out=3),
        {**event("node1", 2, "{\n {", WRITE, operations=[HOSTILE], waits_for=HOSTILE), "dot": HOSTILE},
        event("node1", 3, "applied", "node1~abcd:1", at_ms=1e300, operations=["{a}"]),
        {**event("node1", 4, "confirmed", WRITE, keys=None, operations=None), "dot": '{"node1":1} {} now'},
        event("no\nde {", 1, "delivered", "node1~abcd:1", at_ms=-1e18),
    ]
    nodes[0].script(PATH, page("node1", *events[:4]), page("node1"))
    nodes[1].script(PATH, page("no\nde {", events[4]), page("no\nde {"))
    outcome = run(urls(nodes[:2]), "events", "--format", "shiviz")
    for read in (read_file, read_pasted):
        entries = read(outcome.stdout)
        check(entries)
        assert sorted(entry.host for entry in entries) == ["no_de__", *["node1"] * 4]
    shown = next(entry.event for entry in entries if entry.event.startswith("accepted"))
    assert json.dumps("a\n\r\0\x1b[2J\u2028\u2029")[1:-1] in shown
    assert f'"{"k" * 60}…" and 3 more' in shown
    for form in ("table", "json"):
        assert "\x1b" not in run(urls(nodes[:2]), "events", "--format", form).stdout


def test_a_log_of_nothing_is_its_header(nodes: list[ScriptedNode], run: Run) -> None:
    """And no error: nothing happened."""
    nodes[0].script(PATH, page("node1"))
    outcome = run([nodes[0].url], "events", "--format", "shiviz")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, f"{shiviz.HEADER}\n", "")


def test_formats_that_exclude_each_other_are_refused(nodes: list[ScriptedNode], run: Run) -> None:
    """--json is a format."""
    assert run([nodes[0].url], "events", "--json", "--format", "shiviz").exit_code == 2
    assert run([nodes[0].url], "events", "--format", "xml").exit_code == 2


def test_help_says_how_shiviz_is_used(run: Run) -> None:
    """Where, and with which parser."""
    said = " ".join(run([], "events", "--help").stdout.split())
    assert "https://bestchai.bitbucket.io/shiviz/" in said
    assert "its first line as the log parsing regular expression" in said

"""Add-wins sets: an addition survives a removal that has not seen it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import become_quiet, token_of

if TYPE_CHECKING:
    from tests.integration.http.conftest import ServedNode

EVERY_KIND = [None, True, False, 0, -1, 1.5, 10**30, "", "é😀", '\x00\n"\\', [], {}, [1, [2]], {"a": {"b": [None]}}]


def text(member: Any) -> bytes:
    """The JSON text by which members are ordered."""
    return json.dumps(member, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def test_members_are_added_and_removed(nodes: list[ServedNode]) -> None:
    """On every node that has applied it."""
    node1, node2, node3 = nodes
    added = node1.post("/set/add", key="s", members=["b", "a"])
    assert added.text == '{"message":"Members added with causal consistency","vc":[1,0,0]}'
    removed = node2.post("/set/remove", token_of(added), key="s", members=["b", "never there"])
    assert removed.text == '{"message":"Members removed with causal consistency","vc":[1,1,0]}'
    shown = node3.read("/set/get", token_of(removed), key="s")
    assert shown.text == '{"key":"s","members":["a"],"next":null,"vc":[1,1,0]}'
    assert token_of(shown) == str(node3.node.service.clock)


def test_an_empty_set_has_no_members(node: ServedNode) -> None:
    """Whether it ever had some or not: never 404."""
    node.post("/set/add", key="emptied", members=[1])
    node.post("/set/remove", key="emptied", members=[1])
    for key in ("emptied", "never"):
        answer = node.read("/set/get", key=key)
        assert answer.status_code == 200
        assert (answer.json()["members"], answer.json()["next"]) == ([], None)


def test_an_addition_survives_a_removal_that_has_not_seen_it(nodes: list[ServedNode]) -> None:
    """And a removal that has seen it does not."""
    node1, node2, _ = nodes
    token = token_of(node1.post("/set/add", key="s", members=["both", "removed"]))
    node2.get("x", token)
    node1.delay(node2=60)
    node2.delay(node1=60)
    node1.post("/set/add", key="s", members=["both"]).raise_for_status()
    node2.post("/set/remove", key="s", members=["both", "removed"]).raise_for_status()
    assert (node1.members("s"), node2.members("s")) == (["both", "removed"], [])
    become_quiet(nodes)
    assert [node.members("s") for node in nodes] == [["both"]] * 3


def test_what_two_nodes_add_at_the_same_time_is_all_there(nodes: list[ServedNode]) -> None:
    """Once each, and one removal that has seen all additions removes it."""
    node1, node2, node3 = nodes
    node1.delay(node2=60)
    node2.delay(node1=60)
    token = token_of(
        node1.post("/set/add", key="s", members=["same", 1]), node2.post("/set/add", key="s", members=["same", 2])
    )
    become_quiet(nodes)
    assert [node.members("s") for node in nodes] == [["same", 1, 2]] * 3
    node3.post("/set/remove", token, key="s", members=["same"]).raise_for_status()
    become_quiet(nodes)
    assert [node.members("s") for node in nodes] == [[1, 2]] * 3


def test_members_of_every_kind_come_back_in_the_order_of_their_texts(node: ServedNode) -> None:
    """A member is any JSON value."""
    node.post("/set/add", key="kinds", members=EVERY_KIND).raise_for_status()
    assert node.members("kinds") == sorted(EVERY_KIND, key=text)
    node.post("/set/remove", key="kinds", members=EVERY_KIND[::2]).raise_for_status()
    assert node.members("kinds") == sorted(EVERY_KIND[1::2], key=text)


def test_equal_values_are_one_member_however_they_are_written(node: ServedNode) -> None:
    """Blanks, escapes and the order of names say nothing."""
    body = b'{"key": "equal", "members": [{"a": 1, "b": [2]}, {"b":[2],"a":1}, "\\u00e9", "\xc3\xa9", 7, 7]}'
    node.http.post("/set/add", content=body, headers={"Content-Type": "application/json"}).raise_for_status()
    assert node.members("equal") == ["é", 7, {"a": 1, "b": [2]}]
    node.post("/set/remove", key="equal", members=[{"b": [2], "a": 1}]).raise_for_status()
    assert node.members("equal") == ["é", 7]


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_together_are_the_whole_set(node: ServedNode, limit: int) -> None:
    """Long members that begin alike are in order too."""
    key = f"paged{limit}" + "k" * 500
    wanted = [*range(30), *(f"{'m' * 400}{n}" for n in range(10)), *(f"{'m' * 900}{n}" for n in range(10))]
    node.post("/set/add", key=key, members=wanted).raise_for_status()
    node.post("/set/add", key=key + "x", members=["of another set"]).raise_for_status()
    listed: list[Any] = []
    page = node.read("/set/get", key=key, limit=limit).json()
    while page["next"] is not None:
        listed += page["members"]
        assert len(page["members"]) == limit
        page = node.read("/set/get", key=key, limit=limit, after=page["next"]).json()
    listed += page["members"]
    assert listed == sorted(wanted, key=text)


def test_an_addition_takes_up_to_a_thousand_members_of_a_kilobyte(node: ServedNode) -> None:
    """The error names the bound."""
    largest = [f"{n:0>1022}" for n in range(1000)]
    assert node.post("/set/add", key="large", members=largest).status_code == 200
    assert len(node.members("large")) == 1000
    for wrong, says in ((["m" * 1023], "1024 bytes"), (list(range(1001)), "1000"), ([], ">= 1")):
        refused = node.post("/set/add", key="large", members=wrong)
        assert refused.status_code == 400
        assert says in refused.json()["error"]


@pytest.mark.parametrize(
    "members",
    [
        b'"m"',
        b"null",
        b'{"a": 1}',
        b"[1,]",
        b"[NaN]",
        b"[1e400]",
        b'["\\ud800"]',
        b'["\xff"]',
        b'[{"a": 1, "a": 2}]',
        b'[[{"a": {"b": 1, "b": 1}}]]',
        b"[" + b"[" * 129 + b"]" * 129 + b"]",
        b"[" + b"[" * 200_000 + b"]" * 200_000 + b"]",
        b"[" + b"9" * 5000 + b"]",
    ],
)
@pytest.mark.parametrize("path", ["/set/add", "/set/remove", "/batch"])
def test_wrong_members_are_400(node: ServedNode, path: str, members: bytes) -> None:
    """In a batch too; nothing is written."""
    clock = node.node.service.clock
    body = b'{"key": "wrong", "members": ' + members + b"}"
    if path == "/batch":
        body = b'{"ops": [{"op": "sadd", ' + body[1:] + b"]}"
    answer = node.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert len(answer.json()["error"]) < 400
    assert node.node.service.clock == clock


@pytest.mark.parametrize(
    "query", ["", "key=", "key=x&limit=0", "key=x&limit=100001", "key=x&after=" + "x" * 1025, "key=x&prefix=y"]
)
def test_a_wrong_question_for_a_set_is_400(node: ServedNode, query: str) -> None:
    """It says what is right."""
    answer = node.http.get(f"/set/get?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]

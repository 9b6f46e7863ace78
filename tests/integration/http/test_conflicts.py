"""Listing the keys with several concurrent values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import TIMEOUT_SECONDS, become_quiet
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from tests.integration.http.conftest import ServedNode


def conflicts(node: ServedNode, **parameters: Any) -> dict[str, Any]:
    """One page of GET /conflicts."""
    page: dict[str, Any] = node.read("/conflicts", **parameters).raise_for_status().json()
    return page


def write_concurrently(nodes: list[ServedNode], *keys: str, values: tuple[Any, Any] = ("one", "other")) -> None:
    """Each key at two nodes that have not heard of each other's write."""
    for node in nodes:
        node.delay(node1=60, node2=60)
    for key in keys:
        for node, value in zip(nodes, values, strict=False):
            node.put(key, value).raise_for_status()
    become_quiet(nodes)


def test_keys_with_concurrent_values_are_listed_on_every_node_until_a_write_settles_them(
    nodes: list[ServedNode],
) -> None:
    """With all their values, as a read shows them; other keys are not listed."""
    nodes[0].put("calm", 1).raise_for_status()
    write_concurrently(nodes, "color", "size")
    for node in nodes:
        page = conflicts(node)
        assert list(page) == ["conflicts", "next", "count", "vc"]
        assert page["next"] is None
        assert page["count"] == 2
        assert [each["key"] for each in page["conflicts"]] == ["color", "size"]
        for each in page["conflicts"]:
            assert each["siblings"] == node.get(each["key"], siblings="true").json()["siblings"]
            assert {sibling["value"] for sibling in each["siblings"]} == {"one", "other"}
    token = nodes[2].get("color", siblings="true").headers["X-Causal-Context"]
    settled = nodes[2].put("color", "settled", token).headers["X-Causal-Context"]
    for node in nodes:
        found = node.read("/conflicts", settled).json()
        assert [each["key"] for each in found["conflicts"]] == ["size"]


def test_equal_values_that_were_written_concurrently_are_no_conflict_to_anybody(nodes: list[ServedNode]) -> None:
    """A read shows such a value once; the count does not look at values."""
    write_concurrently(nodes, "same", values=({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    page = conflicts(nodes[2])
    assert page["conflicts"] == []
    assert page["count"] == 1


def test_pages_lead_on_and_end_early_when_values_are_large(
    nodes: list[ServedNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the limit; a page has one key at least."""
    keys = ["a", "b", "c", "d", "e"]
    write_concurrently(nodes, *keys, values=("x" * 1000, "y" * 1000))

    def walked(**parameters: Any) -> list[list[str]]:
        pages, page = [], conflicts(nodes[0], **parameters)
        while True:
            pages.append([each["key"] for each in page["conflicts"]])
            if page["next"] is None:
                return pages
            page = conflicts(nodes[0], after=page["next"], **parameters)

    assert walked() == [keys]
    assert walked(limit=2) == [["a", "b"], ["c", "d"], ["e"]]
    monkeypatch.setattr("node.reading.PAGE_MAX_BYTES", 5000)
    assert walked() == [["a", "b"], ["c", "d"], ["e"]]
    monkeypatch.setattr("node.reading.PAGE_MAX_BYTES", 10)
    assert walked() == [["a"], ["b"], ["c"], ["d"], ["e"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "prefix=a", "after=%ff"])
def test_a_question_that_cannot_be_understood_is_refused(node: ServedNode, query: str) -> None:
    """400 says what would be right."""
    answer = node.http.get(f"/conflicts?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_what_a_session_has_seen_is_waited_for(nodes: list[ServedNode]) -> None:
    """As every read does."""
    nodes[1].delay(node1=60)
    token = nodes[0].put("x", 1).headers["X-Causal-Context"]
    refused = nodes[1].read("/conflicts", token, "0")
    assert refused.status_code == 503
    nodes[1].clear_faults()
    wait_until(lambda: nodes[1].read("/conflicts", token, "0").is_success, "node2 has it", TIMEOUT_SECONDS)

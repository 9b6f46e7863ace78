"""Listing keys, page by page."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import serving, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.http.conftest import ServedNode

# Longer than the keys of the database may be, and equal for longer than that.
LONG = "l" * 700
ODD_KEYS = [
    *("a", "a\x00", "a ", "a/", "aa", "b", "é", "ü", "日本", "😀", "\uffff", "~", "A", "%", "\n"),
    *(LONG, LONG + "a", LONG + "b", LONG + "é", LONG[:480], LONG[:479], LONG[:511], LONG[:512], LONG + "z" * 324),
    *("l" * n + "m" for n in (478, 479, 480, 600)),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    """A node with keys in every odd form, and nothing else."""
    with serving(tmp_path_factory.mktemp("filled")) as served:
        for key in random.Random(3).sample(ODD_KEYS, len(ODD_KEYS)):
            served.put(key, f"value of {key}").raise_for_status()
        served.post("/counter/incr", key="c").raise_for_status()
        served.post("/set/add", key="s", members=["m"]).raise_for_status()
        yield served


def in_byte_order(keys: list[str]) -> list[str]:
    """Sorted as the contract says."""
    return sorted(keys, key=str.encode)


def pages_of(node: ServedNode, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Page after page, until there is none."""
    page = node.scan(**parameters)
    yield page
    while page["next"] is not None:
        page = node.scan(after=page["next"], **parameters)
        yield page


def test_keys_are_listed_in_byte_order_with_their_values(filled: ServedNode) -> None:
    """Registers alone: counters and sets have keys of their own. The token covers all that was looked at."""
    answer = filled.read("/scan")
    page = answer.json()
    assert list(page) == ["keys", "values", "next", "vc"]
    assert page["keys"] == in_byte_order(ODD_KEYS)
    assert [(entry["key"], entry["value"]) for entry in page["values"]] == [
        (key, f"value of {key}") for key in page["keys"]
    ]
    assert page["values"][0]["vc"] == filled.get(page["keys"][0]).json()["vc"]
    assert page["next"] is None
    assert token_of(answer) == str(filled.node.service.clock)


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_pages_together_are_the_whole_list(filled: ServedNode, limit: int) -> None:
    """Whatever their size, and wherever among long keys one ends."""
    pages = list(pages_of(filled, limit=limit))
    assert [key for page in pages for key in page["keys"]] == in_byte_order(ODD_KEYS)
    assert {len(page["keys"]) for page in pages[:-1]} == {limit}


@pytest.mark.parametrize("prefix", ["", "a", "l", "l" * 479, "l" * 480, "l" * 511, LONG, LONG + "z", "é", "\n", "zzz"])
def test_a_prefix_picks_exactly_the_keys_that_begin_so(filled: ServedNode, prefix: str) -> None:
    """From any place on."""
    wanted = in_byte_order([key for key in ODD_KEYS if key.startswith(prefix)])
    assert filled.scan(prefix=prefix)["keys"] == wanted
    for after in ("a", LONG, "l" * 479 + "m", "~"):
        behind = [key for key in wanted if key.encode() > after.encode()]
        assert filled.scan(prefix=prefix, after=after)["keys"] == behind


def test_a_key_to_go_on_behind_need_not_exist(filled: ServedNode) -> None:
    """It may have been deleted since it was listed."""
    assert filled.scan(after="a!", limit=1)["keys"] == ["a/"]
    assert filled.scan(after="\U0010ffff")["keys"] == []


def test_keys_that_stay_are_listed_once_while_others_come_and_go(nodes: list[ServedNode]) -> None:
    """Whatever happens between two pages."""
    node1, node2, _ = nodes
    staying = [f"k{n:03d}" for n in range(0, 200, 2)]
    node1.post("/batch", ops=[{"op": "put", "key": key, "value": 0} for key in staying]).raise_for_status()
    is_over = threading.Event()

    def change() -> None:
        seeded = random.Random(5)
        with type(node2.http)(base_url=node2.url, timeout=15, trust_env=False) as http:
            while not is_over.is_set():
                key = f"k{seeded.randrange(1, 200, 2):03d}"
                path = seeded.choice(["/put", "/delete"])
                http.post(path, json={"key": key} | ({"value": 1} if path == "/put" else {}))

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(4):
            listed = [key for page in pages_of(node1, prefix="k", limit=7) for key in page["keys"]]
            assert [key for key in listed if key in staying] == staying
            assert listed == sorted(set(listed))
    finally:
        is_over.set()
        changing.join()


def test_a_page_ends_early_when_its_values_are_large(tmp_path: Path) -> None:
    """About 4 MiB, and at least one key; the next page goes on behind it."""
    with serving(tmp_path) as node:
        keys = [f"large{n}" for n in range(9)]
        for key in keys:
            node.put(key, "v" * 1_000_000).raise_for_status()
        pages = list(pages_of(node))
        assert [len(page["keys"]) for page in pages] == [4, 4, 1]
        assert [key for page in pages for key in page["keys"]] == keys


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"limit": ""},
        {"limit": "1e2"},
        {"limit": "9" * 100},
        {"prefix": "x" * 1025},
        {"after": "é" * 513},
        {"from": "x"},
        {"prefix": ["a", "b"]},
    ],
)
def test_a_wrong_question_is_400_and_says_what_is_right(filled: ServedNode, parameters: dict[str, Any]) -> None:
    """The parameter is named."""
    answer = filled.read("/scan", **parameters)
    assert answer.status_code == 400
    assert next(iter(parameters)) in answer.json()["error"]
    assert filled.read("/scan", limit=1000).status_code == 200

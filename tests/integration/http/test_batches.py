"""Several keys at the same moment: batches and reads of many keys."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.conftest import TIMEOUT_SECONDS, ServedNode, become_quiet, serving, token_of

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

KEYS = [f"k{n}" for n in range(20)]
ROUNDS = 60


def put(key: str, value: Any, **more: Any) -> dict[str, Any]:
    """A put as a part of a batch."""
    return {"op": "put", "key": key, "value": value, **more}


def shown(answer: httpx.Response) -> list[Any]:
    """The values of an answer of /mget; None where there is none."""
    return [entry.get("value") for entry in answer.raise_for_status().json()["values"]]


def test_a_batch_is_one_write(nodes: list[ServedNode]) -> None:
    """Its clock counts it once, whatever it changes."""
    node1 = nodes[0]
    answer = node1.post("/batch", ops=[put("a", 1), put("b", [2]), {"op": "incr", "key": "c"}])
    assert answer.text == '{"message":"Batch stored with causal consistency","vc":[1,0,0]}'
    assert token_of(answer) == f"{node1.node.service.replica}=1"


def test_a_batch_may_hold_operations_of_every_type(nodes: list[ServedNode]) -> None:
    """All of them have taken effect on every node that has applied it."""
    nodes[0].put("gone", 1)
    answer = nodes[0].post(
        "/batch",
        ops=[
            put("a", 1, ttl=100),
            {"op": "delete", "key": "gone"},
            {"op": "incr", "key": "n", "by": -5},
            {"op": "sadd", "key": "s", "members": ["x", "y"]},
            {"op": "srem", "key": "s", "members": ["x"]},
        ],
    )
    token = token_of(answer)
    for node in nodes:
        assert node.get("a", token).json()["ttl"] > 0
        assert node.get("gone", token).status_code == 404
        assert node.count("n", token) == -5
        assert node.members("s", token) == ["y"]


def test_no_node_ever_shows_half_of_a_batch(nodes: list[ServedNode]) -> None:
    """Readers that ask all the while, on every node, see the same number under every key."""
    halves: list[Any] = []
    reads = [0, 0, 0]
    is_over = threading.Event()

    def look(place: int) -> None:
        with nodes_client(nodes[place]) as http:
            while not is_over.is_set():
                values = shown(http.post("/mget", json={"keys": KEYS}))
                reads[place] += 1
                if len(set(values)) > 1:
                    halves.append(values)

    readers = [threading.Thread(target=look, args=(place,)) for place in range(3)]
    for reader in readers:
        reader.start()
    try:
        started = time.monotonic()
        # A reader that begins late on a busy machine is to see some of them, too.
        for turn in itertools.takewhile(
            lambda turn: turn < ROUNDS or (min(reads) <= 5 and time.monotonic() - started < TIMEOUT_SECONDS),
            itertools.count(),
        ):
            nodes[turn % 2].post("/batch", ops=[put(key, turn) for key in KEYS]).raise_for_status()
    finally:
        is_over.set()
        for reader in readers:
            reader.join()
    assert halves == []
    assert min(reads) > 5
    become_quiet(nodes)
    assert len({str(shown(node.post("/mget", keys=KEYS))) for node in nodes}) == 1


def nodes_client(node: ServedNode) -> httpx.Client:
    """A connection of its own to a node."""
    return type(node.http)(base_url=node.url, timeout=15, trust_env=False)


def test_reading_many_keys_never_shows_an_effect_without_its_cause(nodes: list[ServedNode]) -> None:
    """Written one after the other, the later key never shows a later number than the one before it."""
    backwards: list[Any] = []
    is_over = threading.Event()

    def look() -> None:
        with nodes_client(nodes[2]) as http:
            while not is_over.is_set():
                # The effect is asked for first: read one by one, the cause could only be newer.
                cause, effect = (value or 0 for value in reversed(shown(http.post("/mget", json={"keys": ["e", "c"]}))))
                if effect > cause:
                    backwards.append((cause, effect))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        token = ""
        for turn in range(1, ROUNDS):
            token = token_of(nodes[0].put("c", turn, token))
            token = token_of(nodes[1].put("e", turn, token))
    finally:
        is_over.set()
        reader.join()
    assert backwards == []
    become_quiet(nodes)


def test_the_last_operation_on_a_key_counts(node: ServedNode) -> None:
    """Within one batch they take effect in their order; increments all count."""
    ops = [
        put("d", 1),
        {"op": "delete", "key": "d"},
        put("d", 2),
        put("e", 1),
        {"op": "delete", "key": "e"},
        {"op": "incr", "key": "d", "by": 2},
        {"op": "incr", "key": "d", "by": 3},
        {"op": "sadd", "key": "d", "members": [1, 2]},
        {"op": "srem", "key": "d", "members": [1]},
    ]
    node.post("/batch", ops=ops).raise_for_status()
    assert node.get("d", siblings="true").json()["siblings"] == [
        {"value": 2, "vc": node.get("d").json()["vc"], "node": "node1"}
    ]
    assert node.get("e").status_code == 404
    assert node.count("d") == 5
    assert node.members("d") == [2]


def test_one_wrong_operation_refuses_the_whole_batch(node: ServedNode) -> None:
    """Nothing of it is applied, wherever in it the mistake stands."""
    clock = node.node.service.clock
    wrong: list[Any] = [
        put("", 1),
        put("x" * 1025, 1),
        {"op": "put", "key": "w"},
        put("w", 1, ttl=0),
        put("w", 1, if_absent=True),
        {"op": "get", "key": "w"},
        {"op": "incr", "key": "w", "by": 1.5},
        {"op": "sadd", "key": "w", "members": []},
        {"op": "sadd", "key": "w", "members": ["m" * 1023]},
        7,
    ]
    for operation in wrong:
        for ops in ([put("w", 1), operation], [operation, put("w", 1)]):
            answer = node.post("/batch", ops=ops)
            assert answer.status_code == 400, operation
            assert answer.json()["error"]
    assert node.get("w").status_code == 404
    assert node.node.service.clock == clock


def test_an_unknown_operation_is_named_with_those_that_there_are(node: ServedNode) -> None:
    """As is an unknown member of one."""
    said = node.post("/batch", ops=[{"op": "rename", "key": "w"}]).json()["error"]
    assert "'rename'" in said
    assert "put, delete, incr, sadd or srem" in said
    assert "`until`" in node.post("/batch", ops=[put("w", 1, until=5)]).json()["error"]


def test_a_batch_has_from_one_to_a_thousand_operations(node: ServedNode) -> None:
    """The error names the bound."""
    assert node.post("/batch", ops=[put(f"many{n}", n) for n in range(1000)]).status_code == 200
    refused = node.post("/batch", ops=[put(f"many{n}", n) for n in range(1001)])
    assert refused.status_code == 400
    assert "1000" in refused.json()["error"]
    assert node.post("/batch", ops=[]).status_code == 400


def test_a_value_in_a_batch_has_the_limit_of_any_value(tmp_path: Path) -> None:
    """413, and nothing of the batch is applied."""
    with serving(tmp_path, value_max_bytes=1000) as small:
        assert small.post("/batch", ops=[put("a", 1), put("b", "v" * 999)]).status_code == 413
        assert small.get("a").status_code == 404


def test_reading_many_keys_shows_each_in_its_place(node: ServedNode) -> None:
    """A missing one says so; a key asked for twice is shown twice; the token covers all that was looked at."""
    written = node.put("there", None)
    answer = node.post("/mget", keys=["there", "absent", "there"])
    there = {"key": "there", "value": None, "vc": written.json()["vc"]}
    assert answer.json() == {
        "values": [there, {"key": "absent", "missing": True}, there],
        "vc": node.http.get("/status").json()["vc"],
    }
    assert token_of(answer) == str(node.node.service.clock)


@pytest.mark.parametrize("keys", [[], ["x"] * 1001, ["x", ""], ["x", "y" * 1025], "x", [1], None, [["x"]]])
def test_a_wrong_list_of_keys_is_400(node: ServedNode, keys: Any) -> None:
    """From one to a thousand keys of 1 to 1024 bytes."""
    answer = node.post("/mget", keys=keys)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert node.post("/mget", keys=["x"] * 1000).status_code == 200


def test_an_answer_with_too_many_bytes_is_413_and_says_what_to_do(node: ServedNode) -> None:
    """The same keys are read with fewer at a time."""
    keys = [f"large{n}" for n in range(17)]
    for key in keys:
        node.put(key, "v" * 1_000_000).raise_for_status()
    refused = node.post("/mget", keys=keys)
    assert refused.status_code == 413
    assert "ask for fewer keys" in refused.json()["error"]
    assert len(shown(node.post("/mget", keys=keys[:16]))) == 16

"""The commands about data against real nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.client.conftest import Outcome
    from tests.support.cluster import ClusterUnderTest

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker


def test_the_session_of_the_command_line_covers_every_kind_of_data(cluster: ClusterUnderTest, run: Run) -> None:
    """Each invocation sees at another node what the one before did, and exact numbers stay exact."""
    lines = (
        b'{"op": "put", "key": "k/a", "value": 1.10}\n'
        b'{"op": "put", "key": "k/b", "value": 12345678901234567890123}\n'
        b'{"op": "incr", "key": "n", "by": 4}\n'
        b'{"op": "sadd", "key": "s", "members": ["red", 2.50]}\n'
    )
    batch = run("batch", "--node", "node1", stdin=lines)
    assert batch == (0, "4 operations   vc [1, 0, 0]   Batch stored with causal consistency\n", "")
    assert run("mget", "k/b", "none", "--node", "node2", "--json").stdout == (
        '{"values":[{"key":"k/b","value":12345678901234567890123,"vc":[1,0,0]},{"key":"none","missing":true}],'
        '"vc":[1,0,0]}\n'
    )
    assert run("incr", "n", "--node", "node3").stdout.startswith("n = 5   vc [1, 0, 1]   Counter incremented")
    assert run("counter", "n", "--node", "node1").stdout == "n = 5   vc [1, 0, 1]\n"
    assert run("srem", "s", "red", "--node", "node2").exit_code == 0
    assert run("smembers", "s", "--node", "node3").stdout == "2.5\n"  # members are compared, so 2.50 is 2.5
    run("put", "k/c", "x", "--node", "node3")
    scanned = run("scan", "k/", "--json", "--node", "node1").stdout.splitlines()
    assert scanned[0] == '{"key":"k/a","value":1.10,"vc":[1,0,0]}'
    assert [json.loads(line)["key"] for line in scanned] == ["k/a", "k/b", "k/c"]
    [one] = run("scan", "--after", "k/a", "--limit", "1", "--json").stdout.splitlines()
    assert json.loads(one)["key"] == "k/b"
    cluster.quiesce(["k/a", "k/b", "k/c"])


def test_a_condition_that_does_not_hold_exits_with_1(run: Run) -> None:
    """The message shows what is there; nothing is changed."""
    assert run("put", "lock", "mine", "--if-absent", "--node", "node1").exit_code == 0
    refused = run("put", "lock", "yours", "--if-absent", "--node", "node1")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert 'there is: lock = "mine"   vc [1, 0, 0]' in refused.stderr
    assert run("put", "lock", "ours", "--if-vc", "[1, 0, 0]", "--node", "node1").exit_code == 0
    assert run("delete", "lock", "--if-vc", "[1, 0, 0]", "--node", "node1").exit_code == 1
    assert run("get", "lock", "--node", "node2").stdout.startswith('lock = "ours"')


def test_what_a_node_refuses_is_shown_in_its_words(run: Run) -> None:
    """Limits are the nodes' to judge."""
    many = json.dumps([{"op": "delete", "key": f"k{number}"} for number in range(1001)])
    refused = run("batch", stdin=many.encode())
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "1000" in refused.stderr
    assert run("incr", "n", str(2**60)).exit_code == 2

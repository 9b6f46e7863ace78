from __future__ import annotations

import pytest

from node.core.dot import Dot, is_replica_id, node_id_of, replica_id


def test_a_dot_reads_as_replica_and_number() -> None:
    """The form that logs and message ids show."""
    assert str(Dot("node1~t5k2m1", 3)) == "node1~t5k2m1:3"


def test_a_replica_id_joins_node_and_incarnation() -> None:
    """A node that lost its disk is another replica under the same node id."""
    assert replica_id("node1", "t5k2m1") == "node1~t5k2m1"
    assert node_id_of("node1~t5k2m1") == "node1"


@pytest.mark.parametrize(
    ("node_id", "incarnation"),
    [
        ("", "t5k2m1"),
        ("node 1", "t5k2m1"),
        ("node1", "abc"),
        ("node1", "T5K2M1"),
        ("a~b", "t5k2m1"),
        ("n" * 65, "abcd"),
    ],
)
def test_a_malformed_replica_id_is_refused(node_id: str, incarnation: str) -> None:
    """The message shows a good one."""
    with pytest.raises(ValueError, match="is not a replica id such as node1~t5k2m1"):
        replica_id(node_id, incarnation)


@pytest.mark.parametrize("text", ["node1", "node1~", "~t5k2m1", "node1~t5k2m1 ", "node1~t5k2m1\n", "node1~a~bbbb", ""])
def test_text_of_another_form_is_no_replica_id(text: str) -> None:
    """The whole text must match, line ends included."""
    assert not is_replica_id(text)


def test_the_longest_names_are_replica_ids() -> None:
    """64 characters of node id and 16 of incarnation."""
    assert is_replica_id("n" * 64 + "~" + "a" * 16)

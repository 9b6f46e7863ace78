"""Damage on the disk of a node: it must be said, and never pass for an answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster import ClusterUnderTest

pytestmark = pytest.mark.broker

CONTEXT = "X-Causal-Context"
VALUE = "precious-and-easy-to-find-in-a-file"


def flip(file: Path, text: bytes) -> int:
    """Flip one bit wherever ``text`` stands in a file; returns in how many places."""
    content = file.read_bytes()
    damaged = text[:-1] + bytes([text[-1] ^ 1])
    file.write_bytes(content.replace(text, damaged))
    return content.count(text)


def test_a_corrupted_record_in_the_local_store_is_refused_not_read_as_not_found(cluster: ClusterUnderTest) -> None:
    """One flipped bit: the node says so for this key and serves the others; its peers show the value as before."""
    node1, node2, node3 = cluster
    node1.put("damaged", VALUE).raise_for_status()
    token = node1.put("whole", "fine").raise_for_status().headers[CONTEXT]
    for node in (node2, node3):
        node.get("whole", token).raise_for_status()
    cluster.quiesce(["damaged", "whole"])

    assert node3.terminate() == 0
    assert flip(node3.data_dir / "data.mdb", VALUE.encode()) > 0
    node3.start()
    node3.wait_ready()

    for params in ({}, {"siblings": "true"}):
        answer = node3.get("damaged", token, **params)
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "damaged" in answer.json()["error"]
        assert "value" not in answer.json()
    assert node3.get("absent", token).status_code == HTTPStatus.NOT_FOUND
    assert node1.get("damaged", token).json()["value"] == node2.get("damaged", token).json()["value"] == VALUE
    cluster.quiesce(["whole"])

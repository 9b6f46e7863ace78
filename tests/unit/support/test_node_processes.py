"""A forked node is what a started one is."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local_cluster import PROJECT_ROOT
from tests.support.cluster import ClusterUnderTest, NodeUnderTest
from tests.support.node_processes import ForkedNode, started_by_command

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[started_by_command, ForkedNode], ids=["command", "fork"])
def node(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeUnderTest]:
    """A node alone, started in either way."""
    monkeypatch.setattr(NodeUnderTest, "begin", staticmethod(request.param))
    with ClusterUnderTest(tmp_path, "memory://", size=1) as cluster:
        yield cluster["node1"]


def test_it_is_a_process_of_its_own_that_ends_in_order(node: NodeUnderTest) -> None:
    """With its own session, so that Ctrl-C is not for it, in the project's folder."""
    assert node.runs
    assert node.pid != os.getpid()
    assert os.getsid(node.pid) == node.pid
    assert Path(f"/proc/{node.pid}/cwd").readlink() == PROJECT_ROOT
    assert node.terminate() == 0
    assert not node.runs
    assert "stopped" in node.log_tail()


def test_it_can_be_killed_and_started_again(node: NodeUnderTest) -> None:
    """Its data stays; the exit code names the signal."""
    token = node.put("k", 1).raise_for_status().headers["X-Causal-Context"]
    node.kill()
    assert node.exit_code == -signal.SIGKILL
    node.start()
    node.wait_ready()
    assert node.get("k", token).json()["value"] == 1


def test_it_has_the_environment_that_it_is_given(node: NodeUnderTest) -> None:
    """Also of the settings that are wrong: it says so, and how it ended."""
    node.terminate()
    node.start(CAUSALKV_LOG_LEVEL="loud")
    assert node._process is not None
    assert node._process.wait(30.0) == 2
    assert "CAUSALKV_LOG_LEVEL" in node.log_tail()
    node.environment["CAUSALKV_NODE_ID"] = "other"
    node.log_file.unlink()
    node.start()
    assert node.log_file.exists()
    assert node._process.wait(30.0) == 2
    assert "CAUSALKV_DATA_DIR" in node.log_tail()  # another node's


def test_it_holds_no_file_of_its_parent(node: NodeUnderTest) -> None:
    """A pipe that stays open in a node would keep whoever reads it waiting."""
    node.kill()
    reads, writes = os.pipe()
    os.set_inheritable(writes, True)  # its only argument
    node.start()
    node.wait_ready()
    os.close(writes)
    os.set_blocking(reads, False)  # its only argument
    assert os.read(reads, 1) == b""
    os.close(reads)

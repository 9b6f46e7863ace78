"""A disk that is really full: reads go on, writes get 507 and leave nothing half-written, until there is space."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.node.node_runs import environment, run_to_its_end
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cluster import NodeUnderTest

DISK_BYTES = 4 * 1024 * 1024
BALLAST_BYTES = 2 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 4 MiB; only root may make one."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("NOT TESTED: this user may not mount a small disk; the unit tests fill the store's own limit")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(node: NodeUnderTest) -> int:
    """Write until the node says that its disk is full; returns how many writes it took."""
    for number in range(1000):
        answer = node.put(f"fill-{number}", "v" * 20_000)
        if answer.status_code == httpx.codes.INSUFFICIENT_STORAGE:
            assert "the disk of the data directory is full: free space" in answer.json()["error"]
            return number
        assert answer.status_code == httpx.codes.OK, answer.text + node.log_tail()
    raise AssertionError("the disk is never full")


def test_a_full_disk_stops_writes_alone_and_only_while_it_is_full(small_disk: Path) -> None:
    """What was acknowledged stays, what was refused left no trace, and no restart is needed."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    with ClusterUnderTest(small_disk / "nodes", "memory://", size=1, CAUSALKV_LOG_LEVEL="error") as cluster:
        node = cluster["node1"]
        accepted = fill(node)
        assert accepted > 10
        for number in range(accepted):
            assert node.get(f"fill-{number}").status_code == httpx.codes.OK
        assert node.get(f"fill-{accepted}").status_code == httpx.codes.NOT_FOUND
        assert node.status()["vc"] == [accepted]
        assert node.http.get("/readyz").status_code == httpx.codes.OK
        ballast.unlink()
        wait_until(lambda: node.put("after", 1).status_code == httpx.codes.OK, "writes go on", 15, node.log_tail)
        assert node.status()["vc"] == [accepted + 1]
        assert node.terminate() == 0
        node.start()
        node.wait_ready()
        assert node.status()["vc"] == [accepted + 1]
        assert node.get("fill-0").json()["value"] == "v" * 20_000


def test_a_node_that_cannot_make_its_store_says_so_in_one_line(small_disk: Path) -> None:
    """And starts when there is room, on what the attempt left behind."""
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError):
        ballast.write_bytes(bytes(2 * DISK_BYTES))
    for _ in range(2):
        ending = run_to_its_end(environment(small_disk / "data"))
        assert ending.exit_code == 1
        assert str(small_disk / "data") in ending.line
    ballast.unlink()
    with ClusterUnderTest(small_disk, "memory://", size=1) as cluster:
        cluster["node1"].environment["CAUSALKV_DATA_DIR"] = str(small_disk / "data")
        assert cluster["node1"].put("x", 1).status_code == httpx.codes.OK

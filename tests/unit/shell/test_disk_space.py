"""Room on the disk: found out without leaving anything behind, reserved without touching what is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from node.store import Store, disk_space

if TYPE_CHECKING:
    from pathlib import Path


def test_asking_for_room_leaves_nothing_behind(tmp_path: Path) -> None:
    """The directory of a store holds the store and nothing else."""
    assert not disk_space.is_full(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_gone_is_not_called_full(tmp_path: Path) -> None:
    """Freeing space would not help: the reason is another one."""
    assert not disk_space.is_full(tmp_path / "gone")


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"y" * 1_000_000])
def test_reserving_keeps_what_a_file_holds(tmp_path: Path, content: bytes) -> None:
    """Another process may read the database at this moment."""
    path = tmp_path / "lock.mdb"
    path.write_bytes(content)
    disk_space.reserve_lock_file(path, readers_max=1000)
    assert path.read_bytes()[: len(content)] == content
    assert path.stat().st_size == max(len(content), 4096 + 64_000)
    assert path.stat().st_blocks * 512 >= 4096 + 64_000


def test_systems_without_a_call_for_it_are_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as macOS."""
    monkeypatch.delattr(os, "posix_fallocate")
    test_reserving_keeps_what_a_file_holds(tmp_path, b"x" * 100)
    assert not disk_space.is_full(tmp_path)


def test_the_lock_file_of_a_store_has_its_room_from_the_start(tmp_path: Path) -> None:
    """It is mapped: a page without room on the disk would end the process with SIGBUS."""
    Store(tmp_path / "data", cluster="c", node="node1", max_bytes=16 * 1024 * 1024).close()
    lock = (tmp_path / "data" / "lock.mdb").stat()
    assert lock.st_blocks * 512 >= lock.st_size

"""A data directory that is not this node's, not whole, or in use: exit code 1, one line, and nothing is touched."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from node.store import Store
from node.store.records import version_key
from tests.integration.node.node_runs import environment, run_to_its_end
from tests.support.cluster import ClusterUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def make_store(path: Path, *, node: str = "node1", cluster: str = "causalkv") -> None:
    """A store that was used and closed."""
    with contextlib.closing(Store(path, cluster=cluster, node=node, max_bytes=16 * 1024 * 1024)):
        pass


def foreign(path: Path) -> None:
    """Somebody's files."""
    path.mkdir()
    (path / "thesis.txt").write_text("do not lose this")


def a_file(path: Path) -> None:
    """No directory at all."""
    path.write_text("hello")


def of_another_node(path: Path) -> None:
    """node2's data."""
    make_store(path, node="node2")


def of_another_cluster(path: Path) -> None:
    """This node's data in another cluster."""
    make_store(path, cluster="staging")


def without_database(path: Path) -> None:
    """Only the description of a store is left."""
    make_store(path)
    (path / "data.mdb").unlink()


def cut_short(path: Path) -> None:
    """A database of which a copy was interrupted."""
    make_store(path)
    with (path / "data.mdb").open("r+b") as file:
        file.truncate(8192)


def overwritten(path: Path) -> None:
    """A database of zeros."""
    make_store(path)
    size = (path / "data.mdb").stat().st_size
    (path / "data.mdb").write_bytes(bytes(size))


def with_damaged_identity(path: Path) -> None:
    """The description of the store cannot be read."""
    make_store(path)
    (path / "causalkv.json").write_text('{"format": 1,')


def of_a_later_format(path: Path) -> None:
    """Made by a later version of the program."""
    make_store(path)
    identity = path / "causalkv.json"
    identity.write_text(identity.read_text().replace('"format": 1', '"format": 2'))


@pytest.mark.parametrize(
    ("prepare", "words", "exit_code"),
    [
        (foreign, "is not a causalkv store (it holds 'thesis.txt' and no causalkv.json)", 2),
        (a_file, "cannot be used", 2),
        (of_another_node, "belongs to node2 of cluster causalkv, not to node1 of cluster causalkv", 2),
        (of_another_cluster, "belongs to node1 of cluster staging, not to node1 of cluster causalkv", 2),
        (without_database, "is missing or empty", 1),
        (cut_short, "is damaged or cut short", 1),
        (overwritten, "is damaged or cut short", 1),
        (with_damaged_identity, "causalkv.json is damaged", 1),
        (of_a_later_format, "has format 2, this program reads format 1", 1),
    ],
)
def test_a_directory_that_is_not_right_is_refused(
    tmp_path: Path, prepare: Callable[[Path], None], words: str, exit_code: int
) -> None:
    """Never read as empty, never overwritten; 2 where another directory would be right: the setting is wrong."""
    path = tmp_path / "data"
    prepare(path)
    before = contents(path)
    ending = run_to_its_end(environment(path))
    assert ending.exit_code == exit_code
    assert ending.line.startswith("CAUSALKV_DATA_DIR: ") == (exit_code == 2)
    assert words in ending.line
    assert str(path) in ending.line
    assert contents(path) == before


def test_a_directory_in_use_is_refused_and_its_node_goes_on(tmp_path: Path) -> None:
    """Two processes on one database would destroy it."""
    with ClusterUnderTest(tmp_path, "memory://", size=1) as cluster:
        node = cluster["node1"]
        assert node.put("x", 1).status_code == 200
        ending = run_to_its_end(environment(node.data_dir))
        assert ending.exit_code == 1
        assert ending.line == (
            f"data directory {node.data_dir} is in use by another process: stop that one, or give this node another "
            "CAUSALKV_DATA_DIR"
        )
        assert node.get("x").json()["value"] == 1
        assert node.put("x", 2).json()["vc"] == [2]


def damage(path: Path, key: str) -> None:
    """Overwrite the record of a key in a store that nobody has open."""
    store = Store(path, cluster="causalkv", node="node1", max_bytes=64 * 1024 * 1024)
    with contextlib.closing(store), store._env.begin(write=True) as transaction:
        transaction.put(version_key(key), b"not a record", db=store._tables.versions)


def test_damage_that_shows_later_ends_the_node_with_a_reason(tmp_path: Path) -> None:
    """Other keys are served until then; the write that met it is told that its fate is not known."""
    with ClusterUnderTest(tmp_path, "memory://", size=1) as cluster:
        node = cluster["node1"]
        for key in ("good", "bad"):
            node.put(key, 1)
        assert node.terminate() == 0
        damage(node.data_dir, "bad")
        node.start()
        node.wait_ready()
        assert node.get("good").json()["value"] == 1
        answer = node.get("bad")
        assert answer.status_code == 503
        assert "is damaged (its checksum fails)" in answer.json()["error"]
        answer = node.put("bad", 2)
        assert answer.status_code == 503
        assert "may have taken effect" in answer.json()["error"]
        wait_until(lambda: not node.runs, "the node ends", 15, node.log_tail)
        assert node.exit_code == 1
        last = node.log_file.read_text().splitlines()[-1]
        assert last.startswith("causalkv: the record of ")


def contents(path: Path) -> dict[str, bytes]:
    """Every file under a path, but for the locks that looking at it takes."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name not in ("lock", "lock.mdb")}

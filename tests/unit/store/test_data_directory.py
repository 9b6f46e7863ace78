"""Which data directories are opened, and which are refused with one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import lmdb
import pytest

from node.errors import ConfigurationError, StoreError, StoreLockedError, StoreMisplacedError
from node.store import Store
from tests.support.writes import NODE2, put_write

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 64 * 1024 * 1024


def open_store(path: Path, node: str = "node1", cluster: str = "causalkv") -> Store:
    """Open as node1 of the default cluster unless said otherwise."""
    return Store(path, cluster=cluster, node=node, max_bytes=MAX_BYTES)


def made_store(path: Path) -> str:
    """Make a store with some writes in it, close it, and give its replica id."""
    store = open_store(path)
    with store.transaction() as transaction:
        for seq in range(1, 1001):
            transaction.append_history(put_write(NODE2, seq))
    replica = store.load().replica
    store.close()
    return replica


def refusal(path: Path, **options: str) -> str:
    """The line with which the directory is refused."""
    with pytest.raises(StoreError) as caught:
        open_store(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_new_directory_becomes_a_store_that_keeps_its_incarnation(tmp_path: Path) -> None:
    """The incarnation is made once, with the directory."""
    replica = made_store(tmp_path / "data")
    store = open_store(tmp_path / "data")
    assert store.load().replica == replica
    store.close()


def test_two_new_directories_get_different_incarnations(tmp_path: Path) -> None:
    """A node that lost its disk is a new replica."""
    assert made_store(tmp_path / "a") != made_store(tmp_path / "b")


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    """A foreign directory is never written into."""
    (tmp_path / "holiday.jpg").write_bytes(b"...")
    assert "is not a causalkv store" in refusal(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "lock"] == ["holiday.jpg"]


def test_a_directory_of_another_format_is_refused(tmp_path: Path) -> None:
    """An old or a newer format is named, not guessed at."""
    made_store(tmp_path)
    identity = json.loads((tmp_path / "causalkv.json").read_text())
    (tmp_path / "causalkv.json").write_text(json.dumps({**identity, "format": 99}))
    assert "format 99" in refusal(tmp_path)


def test_the_directory_of_another_node_is_refused(tmp_path: Path) -> None:
    """Two nodes never share an incarnation by sharing a directory."""
    made_store(tmp_path)
    assert "belongs to node1 of cluster causalkv" in refusal(tmp_path, node="node2")
    assert "belongs to node1 of cluster causalkv" in refusal(tmp_path, cluster="other")


@pytest.mark.parametrize("damage", ["deleted", "emptied", "overwritten", "cut to the head", "cut in half"])
def test_a_damaged_database_is_refused_and_never_read_as_empty(tmp_path: Path, damage: str) -> None:
    """What looks like lost data stops the node."""
    made_store(tmp_path)
    data = tmp_path / "data.mdb"
    match damage:
        case "deleted":
            data.unlink()
        case "emptied":
            data.write_bytes(b"")
        case "overwritten":
            data.write_bytes(b"not a database" * 1000)
        case "cut to the head":
            data.write_bytes(data.read_bytes()[:5000])
        case "cut in half":
            data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    assert "restore" in refusal(tmp_path)


def test_a_database_without_its_identity_is_refused(tmp_path: Path) -> None:
    """A database beside somebody else's identity file is no store."""
    made_store(tmp_path / "a")
    made_store(tmp_path / "b")
    (tmp_path / "a" / "causalkv.json").write_bytes((tmp_path / "b" / "causalkv.json").read_bytes())
    assert "different replicas" in refusal(tmp_path / "a")


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """A valid LMDB file that is not ours does not become ours."""
    made_store(tmp_path)
    foreign = tmp_path / "foreign"
    with lmdb.open(str(foreign), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", b"b")
    (tmp_path / "data.mdb").write_bytes((foreign / "data.mdb").read_bytes())
    assert "restore" in refusal(tmp_path)


def test_an_interrupted_creation_is_started_over(tmp_path: Path) -> None:
    """Nothing was acknowledged from a directory that was never finished."""
    made_store(tmp_path)
    (tmp_path / "causalkv.json").rename(tmp_path / "creating")
    store = open_store(tmp_path)
    assert store.load().clock.as_dict() == {}
    store.close()


def test_a_directory_in_use_by_another_process_is_refused(tmp_path: Path) -> None:
    """Two processes never own one replica."""
    made_store(tmp_path)
    script = (
        "import sys; from pathlib import Path; from node.store import Store\n"
        f"Store(Path(sys.argv[1]), cluster='causalkv', node='node1', max_bytes={MAX_BYTES})\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError, match="in use by another process"):
            open_store(tmp_path)
        other.kill()
    open_store(tmp_path).close()


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """The reason is the operating system's."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreMisplacedError, match=r"^CAUSALKV_DATA_DIR: .* cannot be used"):
        open_store(tmp_path / "file")


def test_a_limit_beyond_what_can_be_mapped_is_a_wrong_setting(tmp_path: Path) -> None:
    """Of data that are in order nobody should read that they are to be restored."""
    open_store(tmp_path).close()
    with pytest.raises(ConfigurationError, match=r"^CAUSALKV_STORE_MAX_BYTES: "):
        Store(tmp_path, cluster="causalkv", node="node1", max_bytes=10**18)
    open_store(tmp_path).close()

"""Whose data directory this is, and whether it may be opened.

A directory is refused, with one clear line, when it is foreign, of another format, of another node or
cluster, damaged, or in use. It is never read as empty: what looks like lost data stops the node.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import string
from typing import TYPE_CHECKING

import msgspec

from node.core.dot import INCARNATION, NODE_ID
from node.errors import StoreLockedError, StoreMisplacedError, StoreRefusedError
from node.store.disk_space import NO_ROOM

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
IDENTITY_FILE = "causalkv.json"
LOCK_FILE = "lock"
DATA_FILES = ("data.mdb", "lock.mdb")
# Stands in the directory while it is being made: what it holds then was never acknowledged to anybody.
CREATING_FILE = "creating"
# What a file system puts into an empty volume by itself, and the lock that was just taken.
_HARMLESS = frozenset({"lost+found", LOCK_FILE})
_INCARNATION_LETTERS = 6


class Identity(msgspec.Struct, frozen=True):
    """Whose data this is: kept in the database and, for people, in ``causalkv.json`` beside it.

    ``incarnation`` is the one that the directory was made with; the node may have taken another since.
    """

    format: int
    cluster: str
    node: str
    incarnation: str


def new_identity(cluster: str, node: str) -> Identity:
    """The identity of a data directory that is made now, with an incarnation that was never used before."""
    return Identity(FORMAT, cluster, node, new_name())


def new_name() -> str:
    """Some random letters, as an incarnation is made of."""
    alphabet = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(_INCARNATION_LETTERS))


def new_session() -> str:
    """A name for one start of a process, which no other one has."""
    return secrets.token_hex(8)


def lock_directory(path: Path) -> int:
    """Take the data directory for this process; returns the file descriptor that holds the lock.

    Raises StoreLockedError when another process has it, StoreMisplacedError when it cannot be used at all,
    StoreRefusedError when there is no room.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise why_unusable(path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreLockedError(
            f"data directory {path} is in use by another process: stop that one, or give this node another "
            "CAUSALKV_DATA_DIR"
        ) from None
    return descriptor


def why_unusable(path: Path, error: OSError) -> StoreRefusedError:
    """What to raise when the operating system refuses a data directory: another one would be right, or room."""
    if error.errno in NO_ROOM:
        return StoreRefusedError(f"data directory {path} cannot be used: {error.strerror}: free space on its disk")
    return StoreMisplacedError(f"CAUSALKV_DATA_DIR: {path} cannot be used: {error.strerror}")


def read_identity(path: Path) -> Identity | None:
    """Whose directory this is; None when it is empty and may be made into one.

    Raises StoreRefusedError when it is neither.
    """
    try:
        content = (path / IDENTITY_FILE).read_bytes()
    except FileNotFoundError:
        if (path / CREATING_FILE).exists():
            _remove_unfinished(path)
        found = sorted(entry.name for entry in path.iterdir() if entry.name not in _HARMLESS)
        if found:
            raise StoreMisplacedError(
                f"CAUSALKV_DATA_DIR: {path} is not a causalkv store (it holds {found[0]!r} and no {IDENTITY_FILE}): "
                "use an empty directory, or the one that this node made"
            ) from None
        return None
    except OSError as error:
        raise StoreRefusedError(f"data directory {path} cannot be read: {error.strerror}") from None
    return _parse(content, path)


def begin_creation(path: Path) -> None:
    """Mark the directory as unfinished, so that a crash from here on leaves nothing that is mistaken for data."""
    (path / CREATING_FILE).touch()
    sync_directory(path)


def end_creation(identity: Identity, path: Path) -> None:
    """Write ``causalkv.json``, whole or not at all: from here on the directory is a store."""
    temporary = path / CREATING_FILE
    with temporary.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(identity), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path / IDENTITY_FILE)
    sync_directory(path)


def _remove_unfinished(path: Path) -> None:
    for name in (*DATA_FILES, CREATING_FILE):
        (path / name).unlink(missing_ok=True)


def _parse(content: bytes, path: Path) -> Identity:
    try:
        identity = msgspec.json.decode(content, type=Identity)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StoreRefusedError(f"{path / IDENTITY_FILE} is damaged: restore the data directory") from None
    if identity.format != FORMAT:
        raise StoreRefusedError(
            f"data directory {path} has format {identity.format}, this program reads format {FORMAT}: "
            "use the version that wrote it"
        )
    if not NODE_ID.fullmatch(identity.node) or not INCARNATION.fullmatch(identity.incarnation):
        raise StoreRefusedError(f"{path / IDENTITY_FILE} is damaged: restore the data directory")
    return identity


def check_owner(identity: Identity, path: Path, *, cluster: str, node: str) -> None:
    """Raise StoreMisplacedError when the directory belongs to another node or cluster."""
    if (identity.cluster, identity.node) != (cluster, node):
        raise StoreMisplacedError(
            f"CAUSALKV_DATA_DIR: {path} belongs to {identity.node} of cluster {identity.cluster}, "
            f"not to {node} of cluster {cluster}: give each node a directory of its own"
        )


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

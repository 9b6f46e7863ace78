"""The store: one LMDB environment with a node's versions, history, held writes, clock and outbox position.

One thread writes, in transactions that end with a real sync; any thread reads, in place, a causal cut. The outbox
needs no table: it is the part of the own history above ``confirmed_seq``.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import lmdb
import msgspec

from node.core.causal_buffer import HeldWrite
from node.core.dot import replica_id
from node.core.hybrid_clock import ZERO, HybridTimestamp
from node.core.state import SavedReplica
from node.core.vector_clock import VectorClock
from node.errors import StoreCorruptedError, StoreFullError, StoreRefusedError
from node.store import disk_space
from node.store import identity as identities
from node.store.database_file import is_whole
from node.store.records import decode_versions, decoded, dot_of_key, sealed, unsealed, version_key
from node.store.transaction import HELD_SINCE_BYTES, POSITION_KEY, StoreTransaction, Tables, decode_stored_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.core.versions import Versions
    from node.store.identity import Identity

_IDENTITY = b"identity"
_READERS_MAX = 4096


class Position(NamedTuple):
    """The replica's own position, as the database keeps it."""

    clock: dict[str, int]
    physical_ms: int
    counter: int
    confirmed_seq: int


_pack = msgspec.msgpack.Encoder().encode
_unpack_position = msgspec.msgpack.Decoder(Position).decode


class StoreReader:
    """One read transaction: everything read through it is one causal cut."""

    def __init__(self, transaction: Any, tables: Tables) -> None:
        self._transaction = transaction
        self._tables = tables

    def versions(self, key: str) -> Versions:
        """The siblings of a key, winner first; empty when it has no value. Raises StoreCorruptedError."""
        record = self._transaction.get(version_key(key), db=self._tables.versions)
        return () if record is None else decode_versions(record, key)

    def clock(self) -> VectorClock:
        """The writes that this cut contains."""
        return VectorClock.trusted(_position(self._transaction, self._tables).clock)


class Store:
    """An open data directory. Raises StoreError's branches from its methods, nothing of LMDB's."""

    def __init__(self, path: Path, *, cluster: str, node: str, max_bytes: int) -> None:
        """Open the data directory ``path``, or make it when it is empty.

        Raises StoreLockedError or StoreRefusedError, each with one line that says what to do.
        """
        self._path = path
        self._lock = identities.lock_directory(path)
        try:
            self.identity = self._open(cluster, node, max_bytes)
        except OSError as error:
            os.close(self._lock)
            raise StoreRefusedError(f"data directory {path} cannot be used: {error.strerror}") from None
        except BaseException:
            os.close(self._lock)
            raise
        self.replica = replica_id(self.identity.node, self.identity.incarnation)

    def _open(self, cluster: str, node: str, max_bytes: int) -> Identity:
        identity = identities.read_identity(self._path)
        if identity is None:
            return self._create(identities.new_identity(cluster, node), max_bytes)
        identities.check_owner(identity, self._path, cluster=cluster, node=node)
        data = self._path / identities.DATA_FILES[0]
        if not data.exists() or data.stat().st_size == 0:
            raise StoreRefusedError(
                f"{data} is missing or empty, but {identities.IDENTITY_FILE} says that it held data: restore it"
            )
        if not is_whole(data, max_bytes):
            raise StoreRefusedError(f"{data} is damaged or cut short: restore the data directory")
        self._open_database(max_bytes, create=False)
        self._check_identity(identity)
        return identity

    def _create(self, identity: Identity, max_bytes: int) -> Identity:
        identities.begin_creation(self._path)
        self._open_database(max_bytes, create=True)
        try:
            with self._env.begin(write=True) as transaction:
                transaction.put(_IDENTITY, sealed(msgspec.json.encode(identity)), db=self._tables.meta)
                transaction.put(POSITION_KEY, sealed(_pack(Position({}, *ZERO, 0))), db=self._tables.meta)
        except lmdb.Error as error:
            raise StoreRefusedError(f"no database can be made in {self._path} ({error}): check the disk") from None
        identities.end_creation(identity, self._path)
        return identity

    def _open_database(self, max_bytes: int, *, create: bool) -> None:
        disk_space.reserve_lock_file(self._path / identities.DATA_FILES[1], _READERS_MAX)
        try:
            self._env = lmdb.open(
                str(self._path), map_size=max_bytes, max_dbs=8, max_readers=_READERS_MAX, create=create, mode=0o600
            )
            self._tables = Tables(*(self._env.open_db(name.encode(), create=create) for name in Tables._fields))
        except lmdb.Error as error:
            if create:
                raise StoreRefusedError(f"no database can be made in {self._path} ({error}): check the disk") from None
            raise StoreRefusedError(
                f"{self._path} holds no readable database ({error}): restore the data directory"
            ) from None

    def _check_identity(self, identity: Identity) -> None:
        try:
            with self._env.begin() as transaction:
                record = transaction.get(_IDENTITY, db=self._tables.meta)
                inside = unsealed(record or b"", "the identity")
                _position(transaction, self._tables)
        except (lmdb.Error, StoreCorruptedError) as error:
            raise StoreRefusedError(
                f"the database in {self._path} is damaged ({error}): restore the data directory"
            ) from None
        if inside != msgspec.json.encode(identity):
            raise StoreRefusedError(
                f"the database in {self._path} and {identities.IDENTITY_FILE} beside it belong to different replicas: "
                "restore both from the same copy"
            )

    # ------------------------------------------------------------------------------- reading

    @contextlib.contextmanager
    def reader(self) -> Iterator[StoreReader]:
        """A causal cut of what is committed; from any thread."""
        try:
            with self._env.begin() as transaction:
                yield StoreReader(transaction, self._tables)
        except lmdb.Error as error:
            raise StoreCorruptedError(f"the local store cannot be read ({error}): check the disk") from None

    def load(self) -> SavedReplica:
        """What the replica needs to go on. Raises StoreCorruptedError."""
        with self._env.begin() as transaction:
            position = _position(transaction, self._tables)
            held = tuple(self._held(transaction))
        return SavedReplica(
            self.replica,
            VectorClock(position.clock),
            HybridTimestamp(position.physical_ms, position.counter),
            position.confirmed_seq,
            held,
        )

    def _held(self, transaction: Any) -> Iterator[HeldWrite]:
        for key, record in transaction.cursor(db=self._tables.held):
            content = unsealed(record, f"held write {dot_of_key(key)}")
            write = decode_stored_write(content[HELD_SINCE_BYTES:], dot_of_key(key))
            since_ms = int.from_bytes(content[:HELD_SINCE_BYTES], "big")
            yield HeldWrite(write.dot, write.clock, write.keys, since_ms)

    def used_bytes(self) -> int:
        """Bytes of the database that are in use or were once: what the limit applies to."""
        info = self._env.info()
        return int((info["last_pgno"] + 1) * self._env.stat()["psize"])

    # ------------------------------------------------------------------------------- writing

    @contextlib.contextmanager
    def transaction(self) -> Iterator[StoreTransaction]:
        """One transaction: committed with a real sync when the block ends, undone when it raises.

        For the one owner thread. Raises StoreFullError when the disk or the limit is full: nothing was written.
        """
        try:
            with self._env.begin(write=True) as transaction:
                staged = StoreTransaction(transaction, self._tables)
                yield staged
                staged.flush()
        except lmdb.MapFullError:
            raise StoreFullError("the local store has reached CAUSALKV_STORE_MAX_BYTES: raise it and restart") from None
        except lmdb.Error as error:
            text = str(error)
            has_no_room = any(os.strerror(number) in text for number in disk_space.NO_ROOM)
            # What a full disk cuts short is an input/output error to LMDB.
            if has_no_room or (os.strerror(errno.EIO) in text and disk_space.is_full(self._path)):
                raise StoreFullError(
                    "the disk of the data directory is full: free space; no restart is needed"
                ) from None
            raise StoreCorruptedError(f"the local store cannot be written ({error}): check the disk") from None

    def close(self) -> None:
        """Close the database and give the directory free."""
        self._env.close()
        os.close(self._lock)


def _position(transaction: Any, tables: Tables) -> Position:
    record = transaction.get(POSITION_KEY, db=tables.meta)
    return decoded(_unpack_position, unsealed(record or b"", "the replica's position"), "the replica's position")

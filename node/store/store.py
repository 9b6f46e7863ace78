"""The store: one LMDB environment with a node's versions, history, held writes, clock and outbox position.

One thread writes, in transactions that end with a real sync; any thread reads, in place, a causal cut. The outbox
needs no table: it is the part of the own history above ``confirmed_seq``.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from typing import TYPE_CHECKING, Any, TypeVar

import lmdb
import msgspec

from node.core.dot import replica_id
from node.core.hybrid_clock import ZERO, HybridTimestamp
from node.core.members import SavedMember
from node.core.state import FormerLine, SavedReplica
from node.core.vector_clock import VectorClock
from node.errors import (
    ConfigurationError,
    StoreCorruptedError,
    StoreFullError,
    StoreRefusedError,
)
from node.store import disk_space
from node.store import identity as identities
from node.store.conflicts import name_all
from node.store.database_file import is_whole
from node.store.lazy_transaction import LazyTransaction
from node.store.overlay import Overlay
from node.store.reader import POSITION_KEY, TRIMMED_KEY, Position, StoreReader, read_position
from node.store.records import decoded, sealed, unsealed
from node.store.requests import read_generations
from node.store.transaction import (
    MEMBERS_KEY,
    REPLICA_KEY,
    StoreTransaction,
    Tables,
    decode_held,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.store.identity import Identity

_T = TypeVar("_T")
_IDENTITY = b"identity"
_READERS_MAX = 4096
# Of the held writes, what is read at a start; the replica looks through the rest by and by.
_HELD_MAX_WRITES = 100_000
# Data directories of earlier versions lack these.
_LATER_TABLES = ("snapshot", "expiries", "requests_a", "requests_b", "conflicts")


_pack = msgspec.msgpack.Encoder().encode
_unpack_replica = msgspec.msgpack.Decoder(tuple[str, tuple[FormerLine, ...]]).decode
_unpack_trimmed = msgspec.msgpack.Decoder(dict[str, int]).decode
_unpack_members = msgspec.msgpack.Decoder(tuple[SavedMember, ...]).decode


class Store:
    """An open data directory. Raises StoreError's branches from its methods, nothing of LMDB's."""

    def __init__(self, path: Path, *, cluster: str, node: str, max_bytes: int) -> None:
        """Open the data directory ``path``, or make it when it is empty.

        Raises StoreLockedError, StoreRefusedError or ConfigurationError, each with one line that says what to do.
        """
        self._path = path
        self._is_new = False
        self._has_overlay = False
        self._lock: int | None = identities.lock_directory(path)
        try:
            self.identity = self._open(cluster, node, max_bytes)
        except OSError as error:
            self.let_go()
            raise identities.why_unusable(path, error) from None
        except BaseException:
            self.let_go()
            raise
        self.is_new = self._is_new
        """Whether the data directory was made just now."""

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
        self._open_snapshot()
        self._name_conflicts()
        return identity

    def _create(self, identity: Identity, max_bytes: int) -> Identity:
        identities.begin_creation(self._path)
        self._open_database(max_bytes, create=True)
        try:
            with self._env.begin(write=True) as transaction:
                name_all(transaction, self._tables)
                transaction.put(_IDENTITY, sealed(msgspec.json.encode(identity)), db=self._tables.meta)
                transaction.put(POSITION_KEY, sealed(_pack(Position({}, *ZERO, 0))), db=self._tables.meta)
        except lmdb.Error as error:
            raise StoreRefusedError(f"no database can be made in {self._path} ({error}): check the disk") from None
        identities.end_creation(identity, self._path)
        self._is_new = True
        return identity

    def _open_database(self, max_bytes: int, *, create: bool) -> None:
        disk_space.reserve_lock_file(self._path / identities.DATA_FILES[1], _READERS_MAX)
        try:
            self._env = lmdb.open(
                str(self._path), map_size=max_bytes, max_dbs=16, max_readers=_READERS_MAX, create=create, mode=0o600
            )
            self._tables = Tables(
                *(self._env.open_db(name.encode(), create=create or name in _LATER_TABLES) for name in Tables._fields)
            )
        except lmdb.MemoryError:
            raise ConfigurationError(
                f"CAUSALKV_STORE_MAX_BYTES: {max_bytes} bytes are more than this process may map: lower it, or raise "
                "what limits it (ulimit -v)"
            ) from None
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
                read_position(transaction, self._tables)
        except (lmdb.Error, StoreCorruptedError) as error:
            raise StoreRefusedError(
                f"the database in {self._path} is damaged ({error}): restore the data directory"
            ) from None
        if inside != msgspec.json.encode(identity):
            raise StoreRefusedError(
                f"the database in {self._path} and {identities.IDENTITY_FILE} beside it belong to different replicas: "
                "restore both from the same copy"
            )

    def _open_snapshot(self) -> None:
        """Go on with a snapshot that is being merged; one that had not come whole begins anew."""
        with self._env.begin(write=True) as transaction:
            self._has_overlay = Overlay.find(transaction, self._tables) is not None
            if not self._has_overlay:
                transaction.drop(self._tables.snapshot, delete=False)

    def _name_conflicts(self) -> None:
        # A store without room starts all the same: reads go on, and the next start tries again.
        with contextlib.suppress(lmdb.Error), self._env.begin(write=True) as transaction:
            name_all(transaction, self._tables)

    # ------------------------------------------------------------------------------- reading

    @contextlib.contextmanager
    def reader(self) -> Iterator[StoreReader]:
        """A causal cut of what is committed; from any thread."""
        try:
            # An overlay may begin or end around the beginning of this transaction: looking once too often is no harm.
            had_overlay = self._has_overlay
            with self._env.begin() as transaction:
                yield StoreReader(transaction, self._tables, has_overlay=had_overlay or self._has_overlay)
        except lmdb.Error as error:
            raise StoreCorruptedError(f"the local store cannot be read ({error}): check the disk") from None

    def load(self) -> SavedReplica:
        """What the replica needs to go on. Raises StoreCorruptedError."""
        with self._env.begin() as transaction:
            position = read_position(transaction, self._tables)
            first_replica = replica_id(self.identity.node, self.identity.incarnation)
            replica, former = self._meta(transaction, REPLICA_KEY, _unpack_replica) or (first_replica, ())
            held = transaction.cursor(db=self._tables.held)
            return SavedReplica(
                replica,
                VectorClock(position.clock),
                HybridTimestamp(position.physical_ms, position.counter),
                position.confirmed_seq,
                tuple(decode_held(key, record) for key, record in itertools.islice(held, _HELD_MAX_WRITES)),
                former,
                VectorClock(self._meta(transaction, TRIMMED_KEY, _unpack_trimmed) or {}),
                self._meta(transaction, MEMBERS_KEY, _unpack_members) or (),
                transaction.stat(self._tables.held)["entries"] > _HELD_MAX_WRITES,
                read_generations(transaction, self._tables.meta).since_ms,
            )

    def _meta(self, transaction: Any, place: bytes, decode: Callable[[bytes], _T]) -> _T | None:
        record = transaction.get(place, db=self._tables.meta)
        what = f"the replica's {place.decode()}"
        return None if record is None else decoded(decode, unsealed(record, what), what)

    def held_count(self) -> int:
        """How many held writes are committed."""
        with self._env.begin() as transaction:
            return int(transaction.stat(self._tables.held)["entries"])

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
            with LazyTransaction(self._env) as transaction:
                staged = StoreTransaction(transaction, self._tables, has_overlay=self._has_overlay)
                yield staged
                staged.flush()
                # Readers must look for an overlay before there can be one, and as long as there may be.
                self._has_overlay = self._has_overlay or staged.overlay is not None
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

    @property
    def merges_snapshot(self) -> bool:
        """Whether a snapshot is adopted and not carried over whole."""
        return self._has_overlay

    def carry_over(self, max_keys: int) -> None:
        """Carry over some keys of the snapshot that is being merged. Raises as ``transaction`` does."""
        ended = False
        with self.transaction() as transaction:
            if transaction.overlay is None:
                ended = True
            elif transaction.overlay.carry_over(max_keys):
                transaction.overlay, ended = None, True
        if ended:
            self._has_overlay = False

    def let_go(self) -> None:
        """Give the directory free without a touch of the database; in a fork, where it is the parent's alone."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def close(self) -> None:
        """Close the database and give the directory free."""
        self._env.close()
        self.let_go()

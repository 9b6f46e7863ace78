"""What can be done with data: the methods that replicas and sessions share, on Python objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

from node.ack_room import AckLevel
from node.checks import KEYS_MAX, check_cursor
from node.clocks import wall_ms
from node.codec import REQUEST_ID_MAX_CHARACTERS
from node.core.conditions import IfAbsent, IfShown
from node.core.versions import counted
from node.embedded import values
from node.embedded.batch import Batch
from node.embedded.values import Incremented, Version, Written
from node.errors import InvalidRequestError
from node.http.causal_context import format_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from node.core.conditions import Condition
    from node.core.vector_clock import VectorClock
    from node.core.write import Operation
    from node.embedded.gate import Gate
    from node.embedded.values import Ack
    from node.embedded.watch import Watches
    from node.metrics import NodeMetrics
    from node.service import ReplicaService, WriteResult
    from node.store import Store

ACK_TIMEOUT_SECONDS = 5.0
ACK_TIMEOUT_MAX_SECONDS = 60.0
PAGE_KEYS = 500
_ACKS: dict[Ack, AckLevel] = {level.word: level for level in AckLevel}


class Access(NamedTuple):
    """A running replica, for all who use it."""

    gate: Gate
    service: ReplicaService
    store: Store
    metrics: NodeMetrics
    watches: Watches
    value_max_bytes: int


class WriteOptions(TypedDict, total=False):
    """What every write may say.

    ``ack``: return when the write is on this disk (``local``, the default), in every member's queue (``broker``), or
    applied by every member (``all``), or after ``ack_timeout_seconds`` (5; at most 60): it is done either way.
    ``request_id``: a name for this write; repeated under it, it is applied once.
    """

    ack: Ack
    ack_timeout_seconds: float
    request_id: str


class Operations(ABC):
    """Reads and writes on Python objects that JSON can carry: tuples come back as lists.

    Writes are durable here when they return. All methods may be called from any thread, and raise the errors of
    `node.errors`: InvalidRequestError for what cannot be, ContextNotReachedError when this replica has not applied in
    time what the session has seen, UnavailableError when it is closed; writes also LimitReachedError, StoreFullError,
    and OutcomeUnknownError.
    """

    wait_seconds = 5.0

    @property
    @abstractmethod
    def _access(self) -> Access:
        """The open replica."""

    @abstractmethod
    def _context(self) -> VectorClock:
        """What must be applied here first."""

    @abstractmethod
    def _seen(self, clock: VectorClock) -> None:
        """What the caller has seen now."""

    # --------------------------------------------------------------------------------------- keys

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, ``default`` when it has none."""
        access, name = self._access, values.key_of(key)
        with access.gate:
            versions, clock = access.service.reading.read(name, self._context(), self.wait_seconds)
        self._seen(clock)
        return values.object_of(versions[0].value) if versions else default

    def version(self, key: str) -> Version | None:
        """The value of a key with its clock, which ``if_vc`` takes; None when it has none."""
        return next(iter(self.siblings(key)), None)

    def siblings(self, key: str) -> list[Version]:
        """All concurrent values of a key, the one that ``get`` shows first; a later put replaces them."""
        access, name = self._access, values.key_of(key)
        with access.gate:
            versions, clock = access.service.reading.read(name, self._context(), self.wait_seconds)
        for version in versions:
            clock = clock.merge(version.clock)
        self._seen(clock)
        return values.shown_versions(versions, access.service.shown, wall_ms())

    def mget(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of 1 to 1000 keys at the same moment; those without a value are not in it.

        Raises AnswerTooLargeError beyond 16 MiB.
        """
        access, names = self._access, [values.key_of(key) for key in keys]
        if not 1 <= len(names) <= KEYS_MAX:
            raise InvalidRequestError(f"{len(names)} keys are given: ask for 1 to {KEYS_MAX} at a time")
        with access.gate:
            found, clock = access.service.reading.read_many(names, self._context(), self.wait_seconds)
        self._seen(clock)
        return {key: values.object_of(each[0].value) for key, each in zip(names, found, strict=True) if each}

    def scan(self, prefix: str = "", after: str = "") -> Iterator[tuple[str, Any]]:
        """All keys that begin with ``prefix`` and come behind ``after``, in byte order, with their values.

        They are read page by page: each page stands at one moment, all together do not; a key that is there all the
        time comes exactly once.
        """
        access, start = self._access, check_cursor(values.text_in(prefix, "prefix"), "prefix")
        behind = check_cursor(values.text_in(after, "after"), "after")
        while True:
            with access.gate:
                page = access.service.reading.scan(start, behind, PAGE_KEYS, self._context(), self.wait_seconds)
            self._seen(page.clock)
            for key, versions in page.entries:
                yield key, values.object_of(versions[0].value)
            if not page.has_more:
                return
            behind = page.entries[-1][0]

    def put(
        self,
        key: str,
        value: Any,
        *,
        ttl_seconds: float | None = None,
        if_absent: bool = False,
        if_vc: Sequence[int] | None = None,
        **how: Unpack[WriteOptions],
    ) -> Written:
        """Give a key a value, for ``ttl_seconds`` when given.

        ``if_absent``: only when it has none here; ``if_vc``: only when its value here is the version of this clock.
        Raises PreconditionFailedError when it is not so; of several writers at this replica exactly one gets through.
        """
        access = self._access
        operation = values.put(key, value, ttl_seconds, access.value_max_bytes)
        condition = _condition(operation.key, if_vc, access, is_absent=if_absent)
        return _written(self._write((operation,), how, condition), access)

    def delete(
        self, key: str, *, if_absent: bool = False, if_vc: Sequence[int] | None = None, **how: Unpack[WriteOptions]
    ) -> Written:
        """Remove what this replica, and the session, has of a key; no error when there is nothing. As ``put``."""
        operation = values.delete(key)
        condition = _condition(operation.key, if_vc, self._access, is_absent=if_absent)
        return _written(self._write((operation,), how, condition), self._access)

    @contextmanager
    def batch(self, **how: Unpack[WriteOptions]) -> Iterator[Batch]:
        """Several changes as one write: all or nothing, at the same moment on every node.

        ``with replica.batch() as batch: batch.put("x", 1); batch.incr("hits")``: it is written at the end of the
        block, unless the block raises; then ``batch.written`` says how.
        """
        access = self._access
        batch = Batch(access.value_max_bytes)
        yield batch
        if batch.operations:
            batch.written = _written(self._write(tuple(batch.operations), how), access)

    # ------------------------------------------------------------------------- counters and sets

    def incr(self, key: str, by: int = 1, **how: Unpack[WriteOptions]) -> Incremented:
        """Add ``by``, which may be negative, to a counter; concurrent increments all count."""
        access = self._access
        operation = values.increment(key, by)
        with access.gate:
            result = self._make((operation,), how)
            # Not as a read of its own: what is written must be said, also when the replica is being closed meanwhile.
            with access.store.reader() as cut:
                shares = cut.counter(operation.key)
        for share in shares:
            self._seen(share.clock)
        return Incremented(counted(shares), *_written(result, access))

    def counter(self, key: str) -> int:
        """What a counter stands at; 0 when nobody incremented it."""
        access, name = self._access, values.key_of(key)
        with access.gate:
            value, clock = access.service.reading.counter(name, self._context(), self.wait_seconds)
        self._seen(clock)
        return value

    def sadd(self, key: str, members: Iterable[Any], **how: Unpack[WriteOptions]) -> Written:
        """Add 1 to 1000 members to a set; an addition survives a removal that has not seen it."""
        return _written(self._write((values.addition(key, members),), how), self._access)

    def srem(self, key: str, members: Iterable[Any], **how: Unpack[WriteOptions]) -> Written:
        """Remove 1 to 1000 members from a set."""
        return _written(self._write((values.removal(key, members),), how), self._access)

    def smembers(self, key: str) -> list[Any]:
        """All members of a set, in the byte order of their JSON texts; a large set is read page by page."""
        access, name = self._access, values.key_of(key)
        members: list[Any] = []
        behind = ""
        while True:
            with access.gate:
                page = access.service.reading.members(name, behind, PAGE_KEYS, self._context(), self.wait_seconds)
            self._seen(page.clock)
            members += [values.object_of(member.encode()) for member, _ in page.entries]
            if not page.has_more:
                return members
            behind = page.entries[-1][0]

    # ----------------------------------------------------------------------------------- writing

    def _write(
        self, operations: tuple[Operation, ...], how: WriteOptions, condition: Condition | None = None
    ) -> WriteResult:
        with self._access.gate:
            return self._make(operations, how, condition)

    def _make(
        self, operations: tuple[Operation, ...], how: WriteOptions, condition: Condition | None = None
    ) -> WriteResult:
        """Inside of the gate."""
        level, timeout_seconds, request_id = _options(**how)
        result = self._access.service.write(
            operations,
            self._context(),
            self.wait_seconds,
            level,
            timeout_seconds,
            request_id=request_id,
            condition=condition,
        )
        self._seen(result.write.clock)
        return result


def _options(
    ack: Ack = "local", ack_timeout_seconds: float = ACK_TIMEOUT_SECONDS, request_id: str = ""
) -> tuple[AckLevel, float, str]:
    if ack not in _ACKS:
        raise InvalidRequestError(f"ack is {ack!r}: use {', '.join(map(repr, _ACKS))}")
    if ack_timeout_seconds != 0:
        values.number_in(ack_timeout_seconds, "ack_timeout_seconds", ACK_TIMEOUT_MAX_SECONDS)
    if len(values.text_in(request_id, "request_id")) > REQUEST_ID_MAX_CHARACTERS:
        raise InvalidRequestError(f"request_id has more than {REQUEST_ID_MAX_CHARACTERS} characters: use fewer")
    return _ACKS[ack], ack_timeout_seconds, request_id


def _condition(key: str, if_vc: Sequence[int] | None, access: Access, *, is_absent: bool) -> Condition | None:
    if is_absent and if_vc is not None:
        raise InvalidRequestError("if_vc and if_absent exclude each other: give one of them")
    if is_absent:
        return IfAbsent(key)
    if if_vc is None:
        return None
    if isinstance(if_vc, str) or not all(isinstance(number, int) for number in if_vc):
        raise InvalidRequestError(f"if_vc is {ascii(if_vc)[:80]}: use the vc that version() shows, such as [1, 0, 0]")
    return IfShown(key, tuple(if_vc), access.service.shown)


def _written(result: WriteResult, access: Access) -> Written:
    write = result.write
    return Written(access.service.shown(write.clock), result.acked.word, str(write.dot), format_context(write.clock))

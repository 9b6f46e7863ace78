"""Writes as JSON: how they travel, how history keeps them, and what a valid message is.

A message body, as an operator reads it in the RabbitMQ management UI::

    {"format": 3, "sender": "node1~t5k2m1",
     "writes": [{"replica": "node1~t5k2m1", "seq": 3,
                 "vector_clock": {"node1~t5k2m1": 3, "node2~t5k2m4": 1},
                 "timestamp": [1764000000000, 0],
                 "ops": [{"op": "put", "key": "x", "value": "5"}]}]}

Values stay the bytes that their writer encoded, on every node: equal states are equal byte for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from node.core.dot import Dot, is_replica_id
from node.core.hybrid_clock import COUNTER_MAX, PHYSICAL_MS_MAX, HybridTimestamp
from node.core.vector_clock import VectorClock
from node.core.write import Write
from node.errors import MessageRejectedError
from node.operation_codec import OPERATIONS_MAX, Seq, WireOperation, from_wire, to_wire
from node.senders import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.senders import SenderRule

FORMAT = 3
# Format 1 had no hello; 1 and 2 had only puts that last, and deletes.
READABLE_FORMATS = (1, 2, 3)
CONTENT_TYPE = "application/json"
APP_ID = "causalkv"
# How the message id of a hello ends; it begins with the replica id.
HELLO_SUFFIX = ":hello"
CLOCK_MAX_ENTRIES = 1024
# Arrays and objects inside each other in a write: a value of 128 levels, and the three levels around it.
NESTING_MAX = 131
REASON_MAX_CHARACTERS = 300
REQUEST_ID_MAX_CHARACTERS = 128


class _Write(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    replica: str
    seq: Seq
    vector_clock: dict[str, Seq]
    timestamp: tuple[
        Annotated[int, msgspec.Meta(ge=0, le=PHYSICAL_MS_MAX)], Annotated[int, msgspec.Meta(ge=0, le=COUNTER_MAX)]
    ]
    ops: Annotated[list[WireOperation], msgspec.Meta(min_length=1, max_length=OPERATIONS_MAX)]
    request_id: Annotated[str, msgspec.Meta(max_length=REQUEST_ID_MAX_CHARACTERS)] = ""


class _Name(msgspec.Struct, frozen=True, gc=False):
    replica: str
    seq: Seq


class _Message(msgspec.Struct, frozen=True):
    format: int
    sender: str
    writes: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=100_000)]


class _Hello(msgspec.Struct, frozen=True):
    format: int
    sender: str
    hello: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


_encode = msgspec.json.Encoder().encode
_decode_hello = msgspec.json.Decoder(_Hello).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_write = msgspec.json.Decoder(_Write).decode
_decode_name = msgspec.json.Decoder(_Name).decode
_decode_any = msgspec.json.Decoder().decode


# --------------------------------------------------------------------------------------- encoding


def encode_write(write: Write) -> bytes:
    """One write as it travels and as history keeps it; what it already carries encoded stays as it is."""
    if write.encoded:
        return write.encoded
    dot, clock, timestamp, operations, request_id, _ = write
    return _encode(
        _Write(
            dot.replica,
            dot.seq,
            clock.entries,  # type: ignore[arg-type]  # encoding only reads it
            timestamp,
            [to_wire(operation) for operation in operations],
            request_id,
        )
    )


def encode_message(sender: str, entries: Sequence[bytes]) -> bytes:
    """The body of a message that carries these encoded writes of replica ``sender``."""
    return b'{"format":%d,"sender":"%s","writes":[%s]}' % (FORMAT, sender.encode(), b",".join(entries))


def encode_hello(sender: str, session: str) -> bytes:
    """The body of a hello: whoever comes to it in its queue says how many writes of ``sender`` it knows."""
    return _encode(_Hello(FORMAT, sender, session))


# --------------------------------------------------------------------------------------- decoding


def decode_write(encoded: bytes) -> Write:
    """A write from its encoded form, every rule checked.

    Raises MessageRejectedError with the rule that is broken.
    """
    try:
        wire = _decode_write(encoded)
        ops = wire.ops
        # Nearly every write has one operation, and this is the hottest path of a node.
        operations = (from_wire(ops[0]),) if len(ops) == 1 else tuple([from_wire(op) for op in ops])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(_short(f"not a write: {error}")) from None
    clock = wire.vector_clock
    if clock.get(wire.replica) != wire.seq:
        raise MessageRejectedError(
            _short(f"the vector clock must hold the write's own dot, {wire.seq} for replica {wire.replica}")
        )
    replicas = list(clock)
    if len(replicas) > CLOCK_MAX_ENTRIES or not _KNOWN_REPLICA_IDS.issuperset(replicas):
        _check_replica_ids(replicas)
    in_order = replicas == sorted(replicas)
    return Write(
        Dot(wire.replica, wire.seq),
        VectorClock.trusted(clock) if in_order else VectorClock(clock),
        HybridTimestamp(*wire.timestamp),
        operations,
        wire.request_id,
        encoded,
    )


def decode_message(body: bytes, *, user_id: str | None = None, senders: SenderRule = ANYBODY) -> list[Write]:
    """The writes that a message carries, in order.

    ``user_id`` is the broker's proof of who published (None: no proof), and ``senders`` what it must be. Raises
    MessageRejectedError when the body cannot be decoded, breaks a rule, or does not come from the sender that it names.
    """
    message = _open_message(body, user_id, senders)
    entries = [bytes(raw) for raw in message.writes]
    for entry in entries:
        check_nesting(entry)
    writes = [decode_write(entry) for entry in entries]
    for write in writes:
        if write.dot.replica != message.sender:
            raise MessageRejectedError(f"sent by {message.sender}, but {write.dot} is a write of another replica")
    return writes


def decode_echo(
    body: bytes,
    replica: str,
    last_seq: int,
    *,
    user_id: str | None = None,
    senders: SenderRule = ANYBODY,
) -> list[int] | None:
    """The sequence numbers in a message that ``replica`` sent itself.

    None when another one sent it, or when it goes beyond ``last_seq``: then it must be decoded whole.
    A third of what a node receives are its own writes: to drop them, their names are enough. Raises
    MessageRejectedError as ``decode_message`` does.
    """
    message = _open_message(body, user_id, senders)
    if message.sender != replica:
        return None
    try:
        names = [_decode_name(raw) for raw in message.writes]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(_short(f"not a write: {error}")) from None
    for name in names:
        if name.replica != replica:
            raise MessageRejectedError(
                _short(f"sent by {replica}, but {name.replica}:{name.seq} is a write of another replica")
            )
    seqs = [name.seq for name in names]
    return seqs if max(seqs) <= last_seq else None


def decode_hello(body: bytes, *, user_id: str | None = None, senders: SenderRule = ANYBODY) -> tuple[str, str]:
    """Who says hello, and for which session of it. Raises MessageRejectedError."""
    try:
        hello = _decode_hello(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(_short(f"not a hello: {error}")) from None
    _check_envelope(hello, user_id, senders)
    return hello.sender, hello.hello


def _open_message(body: bytes, user_id: str | None, senders: SenderRule) -> _Message:
    try:
        message = _decode_message(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(_short(f"not a causalkv message: {error}")) from None
    _check_envelope(message, user_id, senders)
    return message


def _check_envelope(message: _Message | _Hello, user_id: str | None, senders: SenderRule) -> None:
    if message.format not in READABLE_FORMATS:
        raise MessageRejectedError(
            f"message format {message.format} is unknown here: this node reads formats "
            f"{', '.join(map(str, READABLE_FORMATS[:-1]))} and {READABLE_FORMATS[-1]}"
        )
    _check_replica_ids([message.sender])
    senders.check(message.sender, user_id)


def _short(reason: str) -> str:
    """A reason as logs and headers can bear it, however much of the message it quotes."""
    return reason if len(reason) <= REASON_MAX_CHARACTERS else f"{reason[:REASON_MAX_CHARACTERS]}…"


def check_nesting(entry: bytes) -> None:
    """Refuse what nests so deep that reading it again would depend on how much room a thread's stack has left.

    A held write is read again when it is released: what one thread could read and another cannot would look like
    damage, and what one node takes and another refuses would part them.
    """
    # A level takes two bytes; most longer writes have fewer brackets than levels are allowed. Both settle it quickly.
    if len(entry) <= 2 * NESTING_MAX or entry.count(b"[") + entry.count(b"{") <= NESTING_MAX:
        return
    try:
        layer = [_decode_any(entry)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRejectedError(_short(f"not a write: {error}")) from None
    for _ in range(NESTING_MAX + 1):
        containers = [item for item in layer if isinstance(item, list | dict)]
        if not containers:
            return
        layer = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    raise MessageRejectedError(f"a write nests deeper than {NESTING_MAX} levels: use fewer in its values")


# Replica ids that were checked: every write names the same few.
_KNOWN_REPLICA_IDS: set[str] = set()
_KNOWN_REPLICA_IDS_MAX = 10_000


def _check_replica_ids(replicas: list[str]) -> None:
    if len(replicas) > CLOCK_MAX_ENTRIES:
        raise MessageRejectedError(
            f"the vector clock has {len(replicas)} entries, at most {CLOCK_MAX_ENTRIES} are allowed"
        )
    for replica in replicas:
        if not is_replica_id(replica):
            raise MessageRejectedError(f"{replica[:100]!r} is not a replica id such as node1~t5k2m1")
    if len(_KNOWN_REPLICA_IDS) > _KNOWN_REPLICA_IDS_MAX:
        _KNOWN_REPLICA_IDS.clear()
    _KNOWN_REPLICA_IDS.update(replicas)

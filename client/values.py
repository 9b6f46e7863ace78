"""What a command line stores: a VALUE, or the operations of a batch."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from client.errors import UsageError
from client.operations import WRITTEN_OPERATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.operations import Operation

STANDARD_INPUT = "-"
# More than any node takes as one value.
INPUT_MAX_BYTES = 16 * 1024 * 1024


class ValueType(StrEnum):
    """How a VALUE is read: as it is, or as JSON."""

    STRING = "string"
    JSON = "json"


def read_value(text: str, value_type: ValueType) -> Any:
    """Return the value that a command line means; ``-`` reads standard input. Raises UsageError.

    JSON is checked and passed on as it is: read into Python's numbers, 1.10 would become 1.1.
    """
    if text == STANDARD_INPUT:
        # The line end that echo and editors add is not meant.
        text = _as_text(sys.stdin.buffer.read(INPUT_MAX_BYTES + 1), "standard input").removesuffix("\n")
    if value_type is ValueType.STRING:
        return text
    try:
        msgspec.json.decode(text)
        return msgspec.Raw(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UsageError(f"VALUE is not JSON: {error}; without --type json it is stored as a string") from None


class _Batch(msgspec.Struct):
    ops: list[msgspec.Raw]


def read_operations(file: str) -> list[Operation]:
    """Return the operations in a file: a JSON array of them, ``{"ops": [...]}``, or one a line.

    ``-`` is standard input. Values are passed on as they are spelt. Raises UsageError, which names the operation.
    """
    if file == STANDARD_INPUT:
        text = _as_text(sys.stdin.buffer.read(INPUT_MAX_BYTES + 1), "standard input")
    else:
        try:
            with Path(file).open("rb") as opened:
                text = _as_text(opened.read(INPUT_MAX_BYTES + 1), file)
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    operations = [_read_operation(place, spelt) for place, spelt in _operations_in(text)]
    if not operations:
        raise UsageError("there is no operation: a batch has 1 to 1000")
    return operations


def _operations_in(text: str) -> Iterator[tuple[str, str | msgspec.Raw]]:
    """Where each operation stands, and how it is spelt."""
    try:
        whole = msgspec.json.decode(text, type=list[msgspec.Raw] | _Batch)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"line {number}", line
        return
    for number, spelt in enumerate(whole.ops if isinstance(whole, _Batch) else whole, 1):
        yield f"operation {number}", spelt


def _read_operation(place: str, spelt: str | msgspec.Raw) -> Operation:
    try:
        operation: Operation = msgspec.json.decode(spelt, type=WRITTEN_OPERATION)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise UsageError(
            f'{place} is not right: {error}: use such as {{"op": "put", "key": "x", "value": 1}}, with put, delete, '
            "incr, sadd or srem"
        ) from None
    return operation


def _as_text(data: bytes, source: str) -> str:
    if len(data) > INPUT_MAX_BYTES:
        raise UsageError(f"{source} has more than {INPUT_MAX_BYTES} bytes: no node takes so much at once")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is not UTF-8 text: {error}") from None

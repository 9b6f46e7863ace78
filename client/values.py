"""The VALUE of a command line, as the JSON value that is stored."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Any

import msgspec

from client.errors import UsageError

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
        text = _read_standard_input()
    if value_type is ValueType.STRING:
        return text
    try:
        msgspec.json.decode(text)
        return msgspec.Raw(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UsageError(f"VALUE is not JSON: {error}; without --type json it is stored as a string") from None


def _read_standard_input() -> str:
    data = sys.stdin.buffer.read(INPUT_MAX_BYTES + 1)
    if len(data) > INPUT_MAX_BYTES:
        raise UsageError(f"standard input has more than {INPUT_MAX_BYTES} bytes: no node takes so large a value")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 text: {error}") from None
    # The line end that echo and editors add is not meant.
    return text.removesuffix("\n")

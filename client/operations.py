"""The operations of a batch, as values: ``session.batch([PutOp("x", 1), DeleteOp("y"), IncrOp("hits")])``."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003  # msgspec reads the annotations
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

ValueT = TypeVar("ValueT")


class PutOp(
    msgspec.Struct, Generic[ValueT], frozen=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="op", tag="put",
):  # fmt: skip
    """Store a JSON value under a key, for ``ttl_seconds`` when given."""

    key: str
    value: ValueT
    ttl_seconds: float | None = msgspec.field(default=None, name="ttl")


class DeleteOp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="delete"):
    """Delete what the session has seen of a key."""

    key: str


class IncrOp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="incr"):
    """Add ``by``, which may be negative, to a counter."""

    key: str
    by: int = 1


class SAddOp(
    msgspec.Struct, Generic[ValueT], frozen=True, forbid_unknown_fields=True, tag_field="op", tag="sadd"
):  # fmt: skip
    """Add members, any JSON values, to a set."""

    key: str
    members: Sequence[ValueT]


class SRemOp(
    msgspec.Struct, Generic[ValueT], frozen=True, forbid_unknown_fields=True, tag_field="op", tag="srem"
):  # fmt: skip
    """Remove members from a set."""

    key: str
    members: Sequence[ValueT]


Operation: TypeAlias = PutOp[Any] | DeleteOp | IncrOp | SAddOp[Any] | SRemOp[Any]
"""One operation of a batch."""

WRITTEN_OPERATION = PutOp[msgspec.Raw] | DeleteOp | IncrOp | SAddOp[msgspec.Raw] | SRemOp[msgspec.Raw]
"""What reads an operation from JSON and keeps its values word for word: 1.10 stays 1.10."""

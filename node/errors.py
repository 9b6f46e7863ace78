"""Every error that causalkv raises on purpose, in one tree.

A caller catches the branch it can act on; the shell turns each into one line for an operator or one
``{"error": …}`` for a client. The message always says what is wrong and what would be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.core.vector_clock import SequenceRange
    from node.core.versions import Versions


class CausalKVError(Exception):
    """Base of all errors raised on purpose."""


class ConfigurationError(CausalKVError):
    """A setting is missing, malformed, or contradicts another: the process ends with exit code 2."""


# ------------------------------------------------------------------------------------ local store


class StoreError(CausalKVError):
    """Something about the data directory or the database in it."""


class StoreRefusedError(StoreError):
    """The data directory is foreign, of another format, of another node, or damaged: not opened."""


class StoreMisplacedError(StoreRefusedError):
    """The data directory is no directory, foreign, or another node's: as a setting it ends the process with code 2."""


class StoreLockedError(StoreError):
    """Another process has this data directory open."""


class StoreCorruptedError(StoreError):
    """A record read back from the database fails its checksum: refused, never read as absent."""


class StoreFullError(StoreError):
    """The disk or the database's size limit is full: nothing of the transaction was written."""


class ReplicaFailedError(CausalKVError):
    """The replica met a fault of this program: the node stops, rather than stall in silence."""


# --------------------------------------------------------------------------------------- messages


class MessageRejectedError(CausalKVError):
    """A message cannot be decoded or validated, or does not come from the sender that it names."""


# --------------------------------------------------------------------------------------- requests


class RequestError(CausalKVError):
    """A request cannot be carried out; nothing of it was applied."""


class InvalidRequestError(RequestError):
    """The request is malformed: the message says what would be right."""


class TooLargeError(InvalidRequestError):
    """The value is larger than this node takes."""


class ContextNotReachedError(RequestError):
    """The request's causal context is ahead of this node, and stayed so for as long as it may wait.

    ``missing`` maps each replica id to the range of sequence numbers not applied here yet; ``unknown`` are those of
    them of which this node has never heard.
    """

    def __init__(self, message: str, missing: dict[str, SequenceRange], unknown: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = missing
        self.unknown = unknown


class PreconditionFailedError(RequestError):
    """The request's precondition is not met here; ``current`` are the siblings of its key, winner first."""

    def __init__(self, message: str, key: str, current: Versions) -> None:
        super().__init__(message)
        self.key = key
        self.current = current


class AnswerTooLargeError(RequestError):
    """The answer would be larger than one answer may be: the message says how to ask for less."""


class LimitReachedError(RequestError):
    """A stated limit of this node is reached; the same request may succeed later."""


class OutcomeUnknownError(RequestError):
    """A write was handed over and its fate is not known: it may still take effect, so nobody may repeat it blindly."""


class UnavailableError(RequestError):
    """This node cannot do it now (it starts or stops)."""


# -------------------------------------------------------------------------------------- transport


class TransportError(CausalKVError):
    """The broker refuses what this node needs of it (rights, a conflicting declaration)."""

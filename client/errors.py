"""Every error that the client raises on purpose, in one small tree.

Four branches, because a caller can act in four ways: correct the call (`UsageError`), accept that the key is not
there (`NotFoundError`), decide anew by the version that is there (`PreconditionFailedError`), or try later or
elsewhere (`ClusterError`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client.data_answers import Version


class ClientError(Exception):
    """Base of all errors raised on purpose."""


class NotFoundError(ClientError):
    """The key has no value at the node that answered."""


class PreconditionFailedError(ClientError):
    """The version at the node is not the one that ``if_vc`` or ``if_absent`` asks for; nothing was applied.

    ``current``: the version that is there, None when the key has none.
    """

    def __init__(self, message: str, *, key: str, current: Version | None) -> None:
        super().__init__(message)
        self.key = key
        self.current = current


# --------------------------------------------------------------------------- the caller's to correct


class UsageError(ClientError):
    """The call is wrong, and stays wrong however often it is repeated."""


class ConfigurationError(UsageError):
    """The nodes' addresses, or another setting, are malformed."""


class InvalidRequestError(UsageError):
    """A node refused the request as malformed, too large, or of the wrong type; nothing was applied."""


class InvalidTokenError(UsageError):
    """A text is not a causal token such as ``node1~t5k2m1=3,node2~t5k2m4=1``."""


class UnknownNodeError(UsageError):
    """All nodes answered, and none of them has the name that was asked for."""


class TransferFileError(UsageError):
    """A file that is to be imported is damaged, cut off, or no export; the message names the line."""


class SessionFileError(UsageError):
    """The file that keeps a session between invocations cannot be used; the message says what helps."""


# ------------------------------------------------------------------------------- the cluster could not


class ClusterError(ClientError):
    """The cluster could not do it now.

    ``is_safe_to_retry`` says that another attempt may succeed, and cannot apply a write twice.
    ``retry_after_seconds`` is what the node asked for, 0.0 when it asked for nothing.
    """

    is_safe_to_retry: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(ClusterError):
    """No connection came about: the node certainly did not see the request."""

    is_safe_to_retry = True


class AnswerLostError(ClusterError):
    """A read was sent and its answer did not arrive, or a stream broke off.

    Of a write or a removal this becomes an `OutcomeUnknownError` when asking again does not help.
    """

    is_safe_to_retry = True


class UnexpectedAnswerError(ClusterError):
    """A read was answered not as a causalkv node does; what this is of a write: see `AnswerLostError`."""

    is_safe_to_retry = True


class OutcomeUnknownError(ClusterError):
    """A write or a removal was sent, and nothing tells whether it was applied.

    The client has repeated it where that certainly does no harm, and nowhere else; see `client.failover`.
    """


class UnavailableError(ClusterError):
    """The node says that it cannot now (503), and has applied nothing."""

    is_safe_to_retry = True


class LimitReachedError(ClusterError):
    """A limit of the node is reached (429); it has applied nothing."""

    is_safe_to_retry = True


class DiskFullError(ClusterError):
    """The node's disk is full (507); it has applied nothing."""

    is_safe_to_retry = True


class ContextNotReachedError(UnavailableError):
    """The node has not applied, within the wait, all that the session has seen.

    ``missing`` maps each replica id to the first and last sequence number that the node lacks.
    """

    def __init__(
        self, message: str, *, missing: Mapping[str, tuple[int, int]], retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.missing = dict(missing)


class ForeignContextError(ClusterError):
    """The session has seen writes of replicas that no node has heard of: another, or a wiped, cluster."""


class NoNodeCouldError(ClusterError):
    """Every node was tried and none could; ``by_node`` has the reason of each, in the order of the attempts."""

    is_safe_to_retry = True

    def __init__(self, by_node: Mapping[str, ClusterError]) -> None:
        reasons = "; ".join(str(error) for error in by_node.values())
        retry_after_seconds = min((error.retry_after_seconds for error in by_node.values()), default=0.0)
        super().__init__(f"no node could do it: {reasons}", retry_after_seconds=retry_after_seconds)
        self.by_node = dict(by_node)

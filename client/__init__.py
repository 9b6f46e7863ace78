"""The client of causalkv: a library and a command line.

from client import Client

with Client() as client:
    session = client.session()
    session.put("x", "5")
    session.get("x", node="node2").value  # waits until node2 has it
"""

from client.answers import (
    AckLevel,
    CausalBuffer,
    Healing,
    HeldWrite,
    Member,
    MemberRemoved,
    Members,
    NodeStatus,
    Repair,
    Sibling,
    SnapshotProgress,
    Value,
    Written,
)
from client.causal_token import CausalToken
from client.client import Client, Reply
from client.errors import (
    AnswerLostError,
    ClientError,
    ClusterError,
    ConfigurationError,
    ContextNotReachedError,
    DiskFullError,
    ForeignContextError,
    InvalidRequestError,
    InvalidTokenError,
    LimitReachedError,
    NoNodeCouldError,
    NotFoundError,
    OutcomeUnknownError,
    SessionFileError,
    UnavailableError,
    UnexpectedAnswerError,
    UnknownNodeError,
    UnreachableError,
    UsageError,
)
from client.session import Session

__all__ = [
    "AckLevel",
    "AnswerLostError",
    "CausalBuffer",
    "CausalToken",
    "Client",
    "ClientError",
    "ClusterError",
    "ConfigurationError",
    "ContextNotReachedError",
    "DiskFullError",
    "ForeignContextError",
    "Healing",
    "HeldWrite",
    "InvalidRequestError",
    "InvalidTokenError",
    "LimitReachedError",
    "Member",
    "MemberRemoved",
    "Members",
    "NoNodeCouldError",
    "NodeStatus",
    "NotFoundError",
    "OutcomeUnknownError",
    "Repair",
    "Reply",
    "Session",
    "SessionFileError",
    "Sibling",
    "SnapshotProgress",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnknownNodeError",
    "UnreachableError",
    "UsageError",
    "Value",
    "Written",
]

"""The client of causalkv: a library and a command line.

from client import Client

with Client() as client:
    session = client.session()
    session.put("x", "5")
    session.get("x", node="node2").value  # waits until node2 has it
"""

from client.answers import CausalBuffer, HeldWrite, NodeStatus, Sibling, Value, Written
from client.causal_token import CausalToken
from client.client import Client, Reply, Session
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

__all__ = [
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
    "HeldWrite",
    "InvalidRequestError",
    "InvalidTokenError",
    "LimitReachedError",
    "NoNodeCouldError",
    "NodeStatus",
    "NotFoundError",
    "OutcomeUnknownError",
    "Reply",
    "Session",
    "SessionFileError",
    "Sibling",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnknownNodeError",
    "UnreachableError",
    "UsageError",
    "Value",
    "Written",
]

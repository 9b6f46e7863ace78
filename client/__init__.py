"""The client of causalkv: a library and a command line.

from client import Client

with Client() as client:
    session = client.session()
    session.put("x", "5")
    session.get("x", node="node2").value  # waits until node2 has it

`AsyncClient` is the same for asyncio.
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
from client.async_client import AsyncClient
from client.async_session import AsyncSession
from client.causal_token import CausalToken
from client.changes import Change, InitialStateEnd, Reset, WatchEvent
from client.client import Client
from client.cluster import Reply
from client.data_answers import CounterValue, Cut, Incremented, ScanPage, SetPage, Version
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
    PreconditionFailedError,
    SessionFileError,
    TransferFileError,
    UnavailableError,
    UnexpectedAnswerError,
    UnknownNodeError,
    UnreachableError,
    UsageError,
)
from client.node_events import EventPage, NodeEvent
from client.operations import DeleteOp, IncrOp, Operation, PutOp, SAddOp, SRemOp
from client.requests import WriteOptions
from client.session import Session
from client.watch import AsyncWatch, Watch

__all__ = [
    "AckLevel",
    "AnswerLostError",
    "AsyncClient",
    "AsyncSession",
    "AsyncWatch",
    "CausalBuffer",
    "CausalToken",
    "Change",
    "Client",
    "ClientError",
    "ClusterError",
    "ConfigurationError",
    "ContextNotReachedError",
    "CounterValue",
    "Cut",
    "DeleteOp",
    "DiskFullError",
    "EventPage",
    "ForeignContextError",
    "Healing",
    "HeldWrite",
    "IncrOp",
    "Incremented",
    "InitialStateEnd",
    "InvalidRequestError",
    "InvalidTokenError",
    "LimitReachedError",
    "Member",
    "MemberRemoved",
    "Members",
    "NoNodeCouldError",
    "NodeEvent",
    "NodeStatus",
    "NotFoundError",
    "Operation",
    "OutcomeUnknownError",
    "PreconditionFailedError",
    "PutOp",
    "Repair",
    "Reply",
    "Reset",
    "SAddOp",
    "SRemOp",
    "ScanPage",
    "Session",
    "SessionFileError",
    "SetPage",
    "Sibling",
    "SnapshotProgress",
    "TransferFileError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnknownNodeError",
    "UnreachableError",
    "UsageError",
    "Value",
    "Version",
    "Watch",
    "WatchEvent",
    "WriteOptions",
    "Written",
]

"""Why a connection failed, in words for an operator; and that pika stays behind one module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflowFailed, AMQPConnectorSocketConnectError

import node
from node.transport.rabbitmq import error_text

REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            exceptions.AMQPConnectionError(AMQPConnectionWorkflowFailed([AMQPConnectorSocketConnectError(REFUSED)])),
            "Connection refused",
        ),
        (exceptions.ProbableAuthenticationError("x"), "the broker refused the user or the password"),
        (exceptions.ConnectionClosedByBroker(320, "CONNECTION_FORCED - shutdown"), "CONNECTION_FORCED - shutdown"),
        (exceptions.AMQPHeartbeatTimeout("x"), "no heartbeat"),
        (exceptions.StreamLostError("x"), "the connection broke"),
        (AMQPConnectorSocketConnectError(TimeoutError("x")), "nothing answered in time"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_an_error_is_told_by_its_root_cause(error: BaseException, text: str) -> None:
    """What pika wraps around it is of no use to an operator."""
    assert text in error_text(error)


def test_only_one_module_imports_pika() -> None:
    """Everything else works against the port, or against protocols."""
    root = Path(node.__file__).parent
    importers = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if _imports_pika(path)}
    assert importers == {"transport/rabbitmq.py"}


def _imports_pika(path: Path) -> bool:
    for statement in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
        names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
        if any(name.split(".")[0] == "pika" for name in names):
            return True
    return False

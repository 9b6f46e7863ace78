"""Nodes on command, and the command line run against them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from typer.testing import CliRunner

from client import failover
from client.cli import app
from tests.support.client_kinds import KINDS, opener
from tests.unit.client.scripted_node import ScriptedNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.client_kinds import OpenClient


class Outcome(NamedTuple):
    """How an invocation ended."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between rounds; how often and where is tried again stays the same."""
    monkeypatch.setattr(failover, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture(params=KINDS)
def open_client(request: pytest.FixtureRequest) -> OpenClient:
    """Opens clients: the test is run for threads and for asyncio."""
    return opener(request.param)


@pytest.fixture
def nodes() -> Iterator[list[ScriptedNode]]:
    """Three scripted nodes, node1 to node3."""
    with ExitStack() as stack:
        yield [stack.enter_context(ScriptedNode(f"node{number}")) for number in (1, 2, 3)]


@pytest.fixture
def dead_url() -> Iterator[str]:
    """An address where nothing listens, and nothing can begin to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """Invoke the command line: ``run([urls], "get", "x")``, with sessions kept in a directory of the test."""
    monkeypatch.setenv("CAUSALKV_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("CAUSALKV_PROXY", raising=False)

    def invoke(urls: list[str], *arguments: str, stdin: bytes | None = None) -> Outcome:
        monkeypatch.setenv("CAUSALKV_URLS", ",".join(urls))
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return invoke

"""A cluster of real nodes, and the command line run against it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.client_kinds import KINDS, opener
from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.broker import PrivateBroker
    from tests.support.client_kinds import OpenClient


class Outcome(NamedTuple):
    """How an invocation ended."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def cluster(tmp_path: Path, broker: PrivateBroker, cluster_name: str) -> Iterator[ClusterUnderTest]:
    """A fresh cluster of three nodes."""
    nodes = ClusterUnderTest(tmp_path / "nodes", broker.url, cluster=cluster_name)
    with nodes as started:
        yield started


@pytest.fixture(params=KINDS)
def open_client(request: pytest.FixtureRequest) -> OpenClient:
    """Opens clients: the test is run for threads and for asyncio."""
    return opener(request.param)


@pytest.fixture
def run(cluster: ClusterUnderTest, tmp_path: Path) -> Callable[..., Outcome]:
    """Invoke the command line as a process of its own; the session is kept in a directory of the test."""
    environment = {**os.environ, "CAUSALKV_URLS": cluster.urls, "CAUSALKV_STATE_DIR": str(tmp_path / "state")}

    def invoke(*arguments: str, stdin: bytes = b"") -> Outcome:
        command = [sys.executable, "-m", "client", *arguments]
        ended = subprocess.run(command, env=environment, input=stdin, capture_output=True, check=False, timeout=180)
        return Outcome(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return invoke

"""A wrong configuration ends the process with exit code 2 and one line: no traceback, no password, no log around it."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from node.settings import Settings
from tests.integration.node.node_runs import Ending, environment, run_to_its_end

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "s3cret-word"  # noqa: S105  # it must not appear anywhere
BROKER = f"amqp://guest:{PASSWORD}@127.0.0.1:5672/%2F"

# One wrong value for each variable; the unit tests try more of them.
WRONG = {
    "NODE_ID": "node 1",
    "NODES": "node1,node1",
    "AMQP_URL": f"http://guest:{PASSWORD}@127.0.0.1",
    "TRUSTED_BROKER_USERS": "guest,",
    "QUEUE_TYPE": "mirrored",
    "HTTP_HOST": "192.0.2.1",
    "HTTP_PORT": "eighty",
    "CLUSTER": "a.b",
    "ADVERTISED_URL": "node1:8001",
    "FAULTS": "perhaps",
    "LOG_LEVEL": "loud",
    "LOG_FORMAT": "xml",
    "LOG_WRITES_PER_SECOND": "-1",
    "VALUE_MAX_BYTES": "1 MiB",
    "STORE_MAX_BYTES": "1",
    "OUTBOX_MAX_WRITES": "none",
    "HTTP_THREADS": "1",
    "HTTP_RUNNING_THREADS": "0",
    "HTTP_MAX_CONNECTIONS": "0",
    "WAITING_MAX_REQUESTS": "-5",
    "ACK_WAITING_MAX_REQUESTS": "0",
    "REQUESTS_MAX_REMEMBERED": "0",
    "WATCH_MAX_WATCHERS": "0",
    "WATCH_MAX_STATES": "300",
    "EVENTS_MAX": "99",
    "RESTORED": "perhaps",
    "EVENTS_MAX_STREAMS": "0",
    "HELD_MAX_WRITES": "0",
    "COMMIT_MAX_WRITES": "0",
    "PACK_MAX_WRITES": "0",
    "PACK_MAX_BYTES": "99999999999",
    "PUBLISH_WINDOW_MESSAGES": "0",
    "QUEUE_MAX_MESSAGES": "unlimited",
    "CLOCK_SKEW_WARN_SECONDS": "-1",
    "REPAIR_AFTER_SECONDS": "soon",
    "SNAPSHOT_FROM_WRITES": "0",
    "MEMBER_AWAY_SECONDS": "0",
    "HISTORY_KEEP_WRITES": "-1",
    "HISTORY_MAX_WRITES": "10",
    "PREFETCH_MESSAGES": "0",
    "BROKER_HEARTBEAT_SECONDS": "0",
}


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ending]:
    """How a node ends with each of the wrong values; all tried side by side."""
    directory = tmp_path_factory.mktemp("endings")

    def end(variable: str) -> Ending:
        return run_to_its_end(environment(directory / variable) | {f"CAUSALKV_{variable}": WRONG[variable]})

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(WRONG, pool.map(end, WRONG), strict=True))


def test_every_variable_is_tried() -> None:
    """A new setting needs its line above; but any path may be a data directory, and any text a password."""
    assert set(WRONG) == {name.upper() for name in Settings.model_fields} - {"DATA_DIR", "AMQP_PASSWORD"}


@pytest.mark.parametrize("variable", WRONG)
def test_a_wrong_variable_ends_the_process_with_one_line(endings: dict[str, Ending], variable: str) -> None:
    """It names the variable; exit code 2."""
    ending = endings[variable]
    assert ending.exit_code == 2
    assert ending.line.startswith(f"CAUSALKV_{variable}: ")
    assert PASSWORD not in ending.line


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({"CAUSALKV_NODE_ID": None}, [], "CAUSALKV_NODE_ID: is not set: this node's name, e.g. node1"),
        ({"CAUSALKV_DATA_DIR": ""}, [], "CAUSALKV_DATA_DIR: is set but empty"),
        ({}, ["--colour", "red"], "unknown argument: '--colour'"),
        ({}, [f"--amqp-ulr={BROKER}"], "unknown argument: '--amqp-ulr'"),
        ({}, ["--http-port", "0"], "CAUSALKV_HTTP_PORT: "),
        ({}, ["--http-port"], "expected one argument"),
        ({"CAUSALKV_NODE_ID": "rejected", "CAUSALKV_AMQP_URL": BROKER}, [], "CAUSALKV_NODE_ID: 'rejected' is the name"),
        ({"CAUSALKV_AMQP_URL": "amqp://broker/%2F", "CAUSALKV_AMQP_PASSWORD": PASSWORD}, [], "must name the user"),
        ({"CAUSALKV_AMQP_URL": f"{BROKER}?heartbeat=soon"}, [], "CAUSALKV_AMQP_URL: "),
        ({"CAUSALKV_FAULTS": "1", "CAUSALKV_CRASH_POINT": "somewhere@1"}, [], "CAUSALKV_CRASH_POINT: use <place>@<n>"),
    ],
)
def test_what_is_missing_unknown_or_contradicts_is_one_line(
    tmp_path: Path, changes: dict[str, str | None], arguments: list[str], words: str
) -> None:
    """As for a wrong value."""
    variables = environment(tmp_path / "data") | changes
    ending = run_to_its_end({name: value for name, value in variables.items() if value is not None}, *arguments)
    assert ending.exit_code == 2
    assert words in ending.line
    assert PASSWORD not in ending.line


def test_a_port_in_use_is_one_line_and_leaves_the_data_directory_free(tmp_path: Path) -> None:
    """What to do about it stands in it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for _ in range(2):
            ending = run_to_its_end(environment(tmp_path / "data", HTTP_PORT=str(port)))
            assert ending.exit_code == 2
            assert ending.line == (
                f"CAUSALKV_HTTP_PORT: 127.0.0.1:{port} is in use by another program: stop it, or choose another port"
            )


def test_a_refused_configuration_makes_no_data_directory(tmp_path: Path) -> None:
    """A mistyped start leaves nothing that a later one has to explain."""
    for wrong in ({"QUEUE_TYPE": "mirrored"}, {"NODE_ID": "rejected", "AMQP_URL": BROKER}):
        assert run_to_its_end(environment(tmp_path / "data", **wrong)).exit_code == 2
        assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("variable", "value", "arguments"),
    [("LOG_LEVEL", "loud", []), ("HTTP_THREADS", "1", []), ("NODE_ID", "node1", ["--base-port", "65535"])],
)
def test_the_in_process_cluster_refuses_a_wrong_configuration_too(
    tmp_path: Path, variable: str, value: str, arguments: list[str]
) -> None:
    """It reads the same variables."""
    variables = environment(tmp_path, **{variable: value})
    data = ["--data-dir", str(tmp_path)]
    ending = run_to_its_end(variables, *data, *arguments, module="node.in_process_cluster")
    assert ending.exit_code == 2
    lines = [line for line in ending.stderr.splitlines() if line.startswith("causalkv: ")]
    assert len(lines) == 1
    assert "Traceback" not in ending.stderr

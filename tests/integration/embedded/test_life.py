"""The life of an embedded replica in the program that embeds it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from node.errors import ConfigurationError, StoreLockedError, UnavailableError
from tests.integration.embedded.conftest import TIMEOUT_SECONDS
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node import Replica

STOP_SECONDS = 10.0
NOWHERE = "amqp://127.0.0.1:1/%2F"


def test_what_was_put_is_there_after_a_restart(make: Callable[..., Replica]) -> None:
    """A replica that was closed may be started again."""
    replica = make(nodes=("node1",))
    with replica:
        replica.put("x", 1)
    with pytest.raises(UnavailableError, match="closed"):
        replica.get("x")
    with replica:
        assert replica.get("x") == 1


def test_before_its_start_it_says_so(make: Callable[..., Replica]) -> None:
    """And opens nothing: the data directory is not made."""
    replica = make()
    with pytest.raises(UnavailableError, match="not started"):
        replica.put("x", 1)
    assert not replica.settings.data_path.exists()


def test_a_data_directory_in_use_is_refused(make: Callable[..., Replica]) -> None:
    """With one line; the replica that has it is not disturbed."""
    with make() as replica:
        with pytest.raises(StoreLockedError, match="in use") as raised:
            make().start()
        assert "\n" not in str(raised.value)
        replica.put("x", 1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dta_dir": "x"}, "dta_dir: there is no such setting"),
        ({"http_port": 8001}, "http_port: an embedded replica serves no HTTP"),
        ({"log_level": "debug"}, "log_level: "),
        ({"events_max": 500}, "events_max: an embedded replica serves no HTTP"),
        ({"amqp_url": "http://x"}, "CAUSALKV_AMQP_URL: use amqp://"),
        ({"nodes": ("a b",)}, "CAUSALKV_NODES: 'a b' is not a node id"),
        ({"value_max_bytes": 0}, "CAUSALKV_VALUE_MAX_BYTES"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    make: Callable[..., Replica], settings: dict[str, Any], says: str
) -> None:
    """As for a node; a name that does not exist is not passed over."""
    with pytest.raises(ConfigurationError) as raised:
        make(**settings)
    assert str(raised.value).startswith(says)
    assert "\n" not in str(raised.value)


def test_without_a_broker_it_reads_and_writes_and_closes_in_time(make: Callable[..., Replica]) -> None:
    """What it could not publish is published after the next start."""
    with make(amqp_url=NOWHERE) as replica:
        replica.put("x", 1)
        assert replica.get("x") == 1
        assert not replica.ready
        with pytest.raises(UnavailableError, match="not ready after"):
            replica.wait_ready(0.1)
        assert replica.status()["outbox"] == 1
        began = time.monotonic()
    assert time.monotonic() - began < STOP_SECONDS
    with make() as replica, make("node2") as other:
        replica.wait_ready(TIMEOUT_SECONDS)
        wait_until(lambda: other.get("x") == 1, "it is published", TIMEOUT_SECONDS)


def test_closing_answers_who_writes_and_gives_the_directory_free(make: Callable[..., Replica]) -> None:
    """A write that waits for peers to vouch for the replica's name is told that it was not made."""
    with make() as replica:
        replica.put("x", 1)
    replica = make(amqp_url=NOWHERE).start()
    ends: list[object] = []

    def write() -> None:
        try:
            ends.append(replica.incr("n"))
        except UnavailableError as error:
            ends.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: replica._access.gate._inside == 1 or bool(ends), "it writes", TIMEOUT_SECONDS)
    replica.close()
    writer.join(TIMEOUT_SECONDS)
    assert len(ends) == 1
    with make() as again:
        assert again.counter("n") == (0 if isinstance(ends[0], UnavailableError) else 1)


def test_it_leaves_the_logging_of_its_program_alone(
    make: Callable[..., Replica], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing on stdout or stderr; without a configuration of structlog, lines go to the standard library's loggers."""
    structlog.reset_defaults()
    with caplog.at_level(logging.INFO, logger="causalkv"), make(nodes=("node1",)) as replica:
        replica.put("x", 1)
        wait_until(lambda: "accepted" in caplog.text, "it is told", TIMEOUT_SECONDS)
    assert not structlog.is_configured()
    assert {record.name.partition(".")[0] for record in caplog.records} == {"causalkv"}
    assert capfd.readouterr() == ("", "")


def test_its_lines_go_where_the_program_sends_those_of_structlog(make: Callable[..., Replica]) -> None:
    """The configuration is the program's, also when it comes after the import."""
    try:
        with structlog.testing.capture_logs() as lines, make(nodes=("node1",)) as replica:
            replica.put("x", 1)
            wait_until(lambda: any(line["event"] == "accepted" for line in lines), "it is told", TIMEOUT_SECONDS)
    finally:
        structlog.reset_defaults()


def test_a_fork_cannot_use_the_replica_and_does_not_keep_its_directory(make: Callable[..., Replica]) -> None:
    """A child that outlives the replica must not keep others from the data directory."""
    replica = make(nodes=("node1",)).start()
    told_read, told_write = os.pipe()
    end_read, end_write = os.pipe()
    child = os.fork()
    if not child:
        try:
            replica.get("x")
        except UnavailableError as error:
            os.write(told_write, str(error).encode())
            replica.close()
        os.close(end_write)
        os.read(end_read, 1)
        os._exit(0)
    try:
        assert b"runs in the parent process" in os.read(told_read, 1000)
        replica.put("x", 1)
        replica.close()
        with make(nodes=("node1",)) as again:
            assert again.get("x") == 1
    finally:
        os.close(end_write)
        os.waitpid(child, 0)
        for descriptor in (told_read, told_write, end_read):
            os.close(descriptor)


INTERRUPTED = """
import sys
from node import Replica

with Replica("node1", nodes=("node1",), amqp_url="memory://", data_dir=sys.argv[1]) as replica:
    replica.put("x", 1)
    print("running", flush=True)
    for change in replica.watch():
        pass
"""


def test_ctrl_c_closes_it(tmp_path: Path, make: Callable[..., Replica]) -> None:
    """The program ends as Python programs do, in time, and what was put is there."""
    program = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(tmp_path / "data")], stdout=subprocess.PIPE)
    assert program.stdout is not None
    assert program.stdout.readline() == b"running\n"
    program.send_signal(signal.SIGINT)
    assert program.wait(STOP_SECONDS) == -signal.SIGINT
    program.stdout.close()
    with make(nodes=("node1",), data_dir=tmp_path / "data", cluster="causalkv") as replica:
        assert replica.get("x") == 1


def test_importing_the_core_does_not_import_the_shell() -> None:
    """``from node import Replica`` loads it when asked for: the simulator needs the core alone. HTTP it never loads."""
    program = (
        "import sys, node.core.replica; assert 'lmdb' not in sys.modules and 'structlog' not in sys.modules;"
        "from node import Replica; assert 'lmdb' in sys.modules;"
        "assert not {'flask', 'waitress', 'werkzeug'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

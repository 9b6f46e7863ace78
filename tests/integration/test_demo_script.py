"""./infra/demo for real: it plays the founding scenario, says where to look, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import socket
from typing import TYPE_CHECKING

import httpx
import pika
import pytest

from infra.brokers import start_in_docker
from infra.local_cluster import NODE_IDS, ports_of
from infra.ports import LOOPBACK, broker_answers, free_port, wait_until
from tests.integration.demo_process import demo, free_ports_in_a_row
from tests.support.broker import PrivateBroker, require_broker
from tests.support.docker import require_docker
from tests.support.founding_transcript import founding_transcript

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# How late the management API may be.
STATISTICS_SECONDS = 15.0
MEMORY = {"CAUSALKV_AMQP_URL": "memory://"}


@pytest.fixture(scope="module")
def given_broker() -> Iterator[PrivateBroker]:
    """A broker that somebody else runs."""
    require_broker()
    with PrivateBroker() as broker:
        yield broker


def declare_queue(broker: PrivateBroker, name: str) -> None:
    """Make a durable queue."""
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        connection.channel().queue_declare(name, durable=True)


@pytest.mark.broker
@pytest.mark.slow
def test_it_starts_an_installed_broker_plays_the_scenario_and_stops_everything(tmp_path: Path) -> None:
    """One command, from nothing to the transcript, and back to nothing."""
    require_broker()
    with demo(tmp_path) as run:
        assert run.exit_code() == 0, run.messages
        assert run.transcript == founding_transcript(1)
        for port in ports_of(run.base_port).values():
            assert f"http://127.0.0.1:{port}/status" in run.messages
        assert re.search(r"management +http://127\.0\.0\.1:\d+ \(user \w+, password \S+\)", run.messages)
        run.assert_nothing_is_left()


def assert_each_node_has_its_own_user(management: str, messages: str) -> None:
    """As the user that only looks sees it, who is named in the messages."""
    shown = re.search(r"to look and change nothing: user (\w+), password (\S+)", messages)
    assert shown

    def users() -> set[str]:
        answer = httpx.get(f"{management}/api/connections", auth=(shown[1], shown[2]), trust_env=False)
        return {connection.get("user") for connection in answer.raise_for_status().json()}

    wait_until(lambda: users() == set(NODE_IDS), STATISTICS_SECONDS, "a connection of each node's user")


@pytest.mark.broker
@pytest.mark.slow
def test_kept_it_runs_until_ctrl_c_and_tells_of_a_node_that_ends(tmp_path: Path) -> None:
    """The places that it names can be looked at; Ctrl-C is the regular end."""
    require_broker()
    with demo(tmp_path, "--keep") as run:
        run.wait_for_message("Running until Ctrl-C.")
        for node, port in ports_of(run.base_port).items():
            status = httpx.get(f"http://{LOOPBACK}:{port}/status", trust_env=False).json()
            assert (status["node"], status["broker"]) == (node, "connected")
        shown = re.search(r"management +(\S+) \(user (\w+), password (\S+)\)", run.messages)
        assert shown
        address, user, password = shown.groups()
        exchange = httpx.get(f"{address}/api/exchanges/%2F/causalkv.writes", auth=(user, password), trust_env=False)
        assert exchange.json()["type"] == "fanout"
        assert_each_node_has_its_own_user(address, run.messages)

        node3 = next(p for p in run.started() if p.environ().get("CAUSALKV_NODE_ID") == "node3")
        node3.kill()
        run.wait_for_message("node3 ended (exit code -9)")

        run.signal(signal.SIGINT)
        assert run.exit_code() == 0, run.messages
        run.assert_nothing_is_left()


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "Starting the installed RabbitMQ"),
        (signal.SIGINT, "Starting three nodes"),
        (signal.SIGTERM, "Running until Ctrl-C."),
    ],
)
def test_a_signal_stops_everything_at_any_moment(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    """Whatever was started by then is ended, and the exit code names the signal."""
    require_broker()
    with demo(tmp_path, "--keep") as run:
        run.wait_for_message(moment)
        run.signal(number)
        assert run.exit_code() == 128 + number, run.messages
        run.assert_nothing_is_left()


def test_without_a_broker_the_nodes_share_one_process_and_it_says_so(tmp_path: Path) -> None:
    """memory:// plays the same scenario."""
    with demo(tmp_path, environment=MEMORY) as run:
        assert run.exit_code() == 0, run.messages
        assert run.transcript == founding_transcript(1)
        assert "in-process fanout" in run.messages
        run.assert_nothing_is_left()


def test_a_port_in_use_is_named_with_the_process_that_has_it(tmp_path: Path) -> None:
    """Nothing is started when a node could not listen."""
    first = free_ports_in_a_row()
    with socket.create_server((LOOPBACK, first + 1)), demo(tmp_path, base_port=first, environment=MEMORY) as run:
        assert run.exit_code() == 1
        assert re.search(rf"port {first + 1} \(node2\) is in use by process \d+: \S", run.messages)
        assert "Traceback" not in run.messages
        assert list(tmp_path.iterdir()) == []


def test_a_node_that_cannot_start_is_shown_with_its_log(tmp_path: Path) -> None:
    """The reason is on the screen, in the node's own words."""
    with demo(tmp_path, environment=MEMORY | {"CAUSALKV_HTTP_THREADS": "many"}) as run:
        assert run.exit_code() == 1
        assert "CAUSALKV_HTTP_THREADS" in run.messages
        assert "Traceback" not in run.messages
        run.assert_nothing_is_left()


def test_a_given_broker_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path) -> None:
    """A broker that the user named is not replaced by another."""
    port = free_port()
    with demo(tmp_path, environment={"CAUSALKV_AMQP_URL": f"amqp://me:hidden@127.0.0.1:{port}/%2F"}) as run:
        assert run.exit_code() == 1
        assert f"no broker answers at amqp://127.0.0.1:{port}" in run.messages
        assert "hidden" not in run.messages
        run.assert_nothing_is_left()


@pytest.mark.parametrize("end", ["@127.0.0.1:notaport/%2F", "@[::1/%2F", "@/%2F"])
def test_an_address_that_is_none_is_an_error_without_its_password(tmp_path: Path, end: str) -> None:
    """One line that says what would be right; nothing is started."""
    with demo(tmp_path, environment={"CAUSALKV_AMQP_URL": f"amqp://me:hidden{end}"}) as run:
        assert run.exit_code() == 1
        assert "CAUSALKV_AMQP_URL" in run.messages
        assert "amqp://user:password@host:5672/%2F" in run.messages
        assert "Traceback" not in run.messages
        assert "hidden" not in run.messages
        run.assert_nothing_is_left()


@pytest.mark.broker
def test_a_given_broker_is_used_under_a_name_of_its_own_and_left_as_it_was(
    tmp_path: Path, given_broker: PrivateBroker
) -> None:
    """The cluster of somebody else on that broker is not touched, and no queue stays."""
    given_broker.ctl(
        "eval",
        'rabbit_amqqueue:declare({resource,<<"/">>,queue,<<"causalkv.node1">>}, true, false, [], none, <<"x">>).',
    )
    with demo(tmp_path, environment={"CAUSALKV_AMQP_URL": given_broker.url}) as run:
        assert run.exit_code() == 0, run.messages
        assert run.transcript == founding_transcript(1)
        run.assert_nothing_is_left()
    assert given_broker.ctl("list_queues", "name", "--no-table-headers").split() == ["causalkv.node1"]
    assert "causalkv" not in given_broker.ctl("list_exchanges", "name")


@pytest.mark.broker
@pytest.mark.slow
def test_a_data_folder_is_kept_and_the_next_run_goes_on_from_there(tmp_path: Path, given_broker: PrivateBroker) -> None:
    """The second run prints the continuation."""
    data = str(tmp_path / "data")
    for count in (1, 2):
        with demo(tmp_path / "tmp", "--data", data, environment={"CAUSALKV_AMQP_URL": given_broker.url}) as run:
            assert run.exit_code() == 0, run.messages
            assert run.transcript == founding_transcript(count)
            run.assert_nothing_is_left()


@pytest.mark.docker
@pytest.mark.slow
def test_a_broker_in_docker_is_ready_when_it_is_handed_over_and_gone_when_stopped(tmp_path: Path) -> None:
    """The way for machines with Docker and without RabbitMQ."""
    require_docker()
    broker = start_in_docker(tmp_path, data_is_kept=False)
    try:
        assert broker_answers(broker.amqp_url)
    finally:
        broker.stop()
    assert not broker_answers(broker.amqp_url)

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.errors import InfrastructureError, StartFailedError
from infra.ports import broker_answers
from infra.private_broker import PrivateBroker
from tests.support.broker import require_broker
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.broker, pytest.mark.slow]

# Helpers of the broker end by themselves when it is gone, a moment later.
TIMEOUT_SECONDS = 10.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    """A broker that is not started yet."""
    require_broker()
    private = PrivateBroker(tmp_path / "broker")
    yield private
    private.kill()


def processes_of(directory: Path) -> list[psutil.Process]:
    """The processes whose home is this broker's data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(directory) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_it_comes_back_with_its_data_after_a_crash_and_leaves_no_process(broker: PrivateBroker, tmp_path: Path) -> None:
    """Killed or stopped, what was durable is there at the next start, at the same address."""
    directory = tmp_path / "broker"
    address = broker.amqp_url
    broker.start()
    assert broker_answers(address)
    broker.ctl("add_vhost", "kept")

    broker.kill()
    wait_until(lambda: processes_of(directory) == [], "no process is left", TIMEOUT_SECONDS)
    assert not broker_answers(address)

    broker.start()
    assert broker.amqp_url == address
    assert "kept" in broker.ctl("list_vhosts", "name").split()
    broker.stop()
    wait_until(lambda: processes_of(directory) == [], "no process is left", TIMEOUT_SECONDS)


def test_its_folder_may_have_any_name(tmp_path: Path) -> None:
    """Letters beyond ASCII and blanks, in all that is named in its settings, users and rights included."""
    require_broker()
    private = PrivateBroker(tmp_path / "Bücher und mehr", cluster="causalkv")
    try:
        private.start()
        assert "node1" in private.ctl("list_users")
    finally:
        private.kill()


def test_it_listens_on_the_loopback_address_only_and_hides_its_password(broker: PrivateBroker, tmp_path: Path) -> None:
    """Neither other machines nor other users get in."""
    broker.start()
    listening = [
        connection.laddr.ip
        for process in processes_of(tmp_path / "broker")
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3  # AMQP, Erlang's distribution, epmd
    assert set(listening) <= {"127.0.0.1", "::1"}
    for secret in ("password", "rabbitmq.conf"):
        assert stat.S_IMODE((tmp_path / "broker" / secret).stat().st_mode) == 0o600


def test_a_start_that_fails_shows_the_log_and_leaves_nothing(broker: PrivateBroker, tmp_path: Path) -> None:
    """A broken setting is told in RabbitMQ's own words."""
    with (tmp_path / "broker" / "rabbitmq.conf").open("a", encoding="ascii") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(StartFailedError, match="no_such_setting"):
        broker.start()
    wait_until(lambda: processes_of(tmp_path / "broker") == [], "no process is left", TIMEOUT_SECONDS)


def test_a_refused_command_is_an_error_with_its_reason(broker: PrivateBroker) -> None:
    """The complaint of rabbitmqctl reaches the caller."""
    broker.start()
    with pytest.raises(InfrastructureError, match="no_such_vhost"):
        broker.ctl("delete_vhost", "no_such_vhost")

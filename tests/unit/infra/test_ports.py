from __future__ import annotations

import os
import socket
import threading

import pytest

from infra.errors import PortInUseError, StartFailedError
from infra.ports import LOOPBACK, accepts_connections, broker_answers, free_port, is_free, require_free, wait_until


def test_a_free_port_can_be_listened_on() -> None:
    """What is handed out is of use."""
    with socket.create_server((LOOPBACK, free_port())):
        pass


def test_a_port_with_a_listener_is_not_free() -> None:
    """Both questions agree about it."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert accepts_connections(port)
    assert is_free(port)
    assert not accepts_connections(port)


def test_every_taken_port_is_named_with_its_purpose_and_process() -> None:
    """A person learns at once all that must be stopped."""
    with socket.create_server((LOOPBACK, 0)) as first, socket.create_server((LOOPBACK, 0)) as second:
        taken = [server.getsockname()[1] for server in (first, second)]
        with pytest.raises(PortInUseError) as caught:
            require_free({taken[0]: "node1", free_port(): "node2", taken[1]: "node3"})
    lines = str(caught.value).splitlines()
    assert [line.split(" is in use")[0] for line in lines] == [f"port {taken[0]} (node1)", f"port {taken[1]} (node3)"]
    assert all(f"by process {os.getpid()}: " in line for line in lines)


def test_free_ports_are_accepted() -> None:
    """Nothing is said when nothing is wrong."""
    require_free({free_port(): "node1"})


def test_a_listener_that_does_not_speak_amqp_is_no_broker() -> None:
    """A port alone may belong to anything, or be ahead of the broker behind it."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert not broker_answers(f"amqp://user:password@{LOOPBACK}:{server.getsockname()[1]}/%2F")
        thread.join()


@pytest.mark.parametrize("url", ["amqp://", "amqp://127.0.0.1:1/%2F", "amqps://127.0.0.1:1/%2F"])
def test_no_broker_answers_where_nothing_listens(url: str) -> None:
    """An address without a listener is an answer, not an error."""
    assert not broker_answers(url)


def test_waiting_has_a_limit_that_names_what_was_waited_for() -> None:
    """Nobody waits for ever."""
    with pytest.raises(StartFailedError, match="the moon was not ready within 0 s"):
        wait_until(lambda: False, 0.0, "the moon")

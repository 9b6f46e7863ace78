"""Free and taken TCP ports on the loopback address, and waiting for what is behind them."""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import psutil

from infra.errors import PortInUseError, StartFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = "127.0.0.1"
# Where people look for RabbitMQ's management UI first.
MANAGEMENT_PORT = 15672
POLL_SECONDS = 0.1
# Linux gives connections ports from 32 768 on; those just below these are left to the tests.
OWN_PORTS = range(24_000, 32_000)
DRAWS = 100
_given: set[int] = set()
# For httpx where all is plain HTTP: without it each client loads the authorities of the whole web, which takes longer
# than what it is to ask.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


def free_port() -> int:
    """A port that nobody listens on now.

    Nothing holds it until the caller binds it. It is drawn below the ports that the kernel gives to connections, which
    would take it in between on a busy machine, and given to nobody else in this process.
    """
    for _ in range(DRAWS):
        port = secrets.choice(OWN_PORTS)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def require_free(wanted: dict[int, str]) -> None:
    """Check ports before anything is started; ``wanted`` maps a port to what it is for.

    Raises PortInUseError that names every taken port and, where the system tells, the process on it.
    """
    taken = [f"port {port} ({what}) is in use{_by_whom(port)}" for port, what in wanted.items() if not is_free(port)]
    if taken:
        raise PortInUseError("\n".join(taken))


def accepts_connections(port: int) -> bool:
    """Whether something listens on this loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def speaks_amqp(host: str, port: int, timeout_seconds: float = 1.0) -> bool:
    """Whether a broker answers an AMQP greeting there; a listening port alone may be ahead of its broker."""
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds) as connection:
            connection.sendall(AMQP_GREETING)
            return len(connection.recv(8)) > 0
    except OSError:
        return False


def answers_http(url: str) -> bool:
    """Whether a page is there."""
    try:
        return httpx.get(url, timeout=1.0, trust_env=False, verify=NO_TLS).is_success
    except httpx.HTTPError:
        return False


def broker_answers(amqp_url: str) -> bool:
    """Whether something listens at the address of an ``amqp://`` or ``amqps://`` broker."""
    parts = urlsplit(amqp_url)
    if parts.hostname is None:
        return False
    if parts.scheme == "amqp":
        return speaks_amqp(parts.hostname, parts.port or 5672, timeout_seconds=5)
    try:
        socket.create_connection((parts.hostname, parts.port or 5671), timeout=5).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
    """Ask again and again until the condition holds; StartFailedError after the timeout names ``what``."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StartFailedError(f"{what} was not ready within {timeout_seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def _by_whom(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return ""  # some systems show other users' sockets to root only
    for connection in connections:
        local = connection.laddr  # an empty tuple when the socket has no address
        if connection.status != psutil.CONN_LISTEN or not local or local.port != port or connection.pid is None:
            continue
        try:
            process = psutil.Process(connection.pid)
            command = " ".join(process.cmdline())[:80] or process.name()
        except psutil.Error:
            return f" by process {connection.pid}"
        return f" by process {connection.pid}: {command}"
    return ""

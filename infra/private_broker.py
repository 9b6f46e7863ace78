"""A RabbitMQ server of one's own: installed binaries, everything else private.

The broker that a distribution runs as a service has its users, data and settings; a demo or a test
must neither need nor touch them. So this one has its own data folder, node name, random password, ports
and name service (epmd), all on the loopback address, and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from infra.broker_users import BrokerUsers
from infra.errors import BrokerNotFoundError, InfrastructureError, StartFailedError
from infra.ports import LOOPBACK, accepts_connections, answers_http, free_port, speaks_amqp
from infra.processes import kill_group

if TYPE_CHECKING:
    from types import TracebackType

POLL_SECONDS = 0.05
LOG_TAIL_CHARACTERS = 2_000
COMPLAINT_LINES = 12
# Where servers live that are not on every user's PATH.
EXTRA_PATH = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/rabbitmq/sbin")


def find_server() -> Path | None:
    """The folder with ``rabbitmq-server`` and ``rabbitmqctl``, or None when RabbitMQ is not installed.

    Debian's commands are wrappers that insist on the system's user and folders; the scripts beside the
    wrapper's target do not, which is why links are followed.
    """
    search = os.pathsep.join((os.environ.get("PATH", ""), *EXTRA_PATH))
    command = shutil.which("rabbitmq-server", path=search)
    if command is None:
        return None
    scripts = Path(command).resolve().parent
    return scripts if (scripts / "rabbitmq-server").exists() else Path(command).parent


class PrivateBroker:
    """One private RabbitMQ server; may be stopped or killed and started again with its data and ports.

    ``directory`` holds data, settings and logs, and is the caller's to remove. ``management`` turns on the
    management UI. With ``cluster`` it has, besides its administrator, the users of ``infra/rabbitmq/definitions.json``,
    with rights to that cluster's exchanges and queues. Ports not given are free ones. Usable as a context manager.
    """

    def __init__(
        self,
        directory: Path,
        *,
        management: bool = False,
        cluster: str | None = None,
        amqp_port: int | None = None,
        management_port: int | None = None,
    ) -> None:
        scripts = find_server()
        if scripts is None:
            raise BrokerNotFoundError("RabbitMQ is not installed: on Debian, apt-get install rabbitmq-server")
        self._scripts = scripts
        self._directory = directory.absolute()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.amqp_port = amqp_port or free_port()
        self.management_port = (management_port or free_port()) if management else None
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self.user = "causalkv"
        self.password = self._load_password()
        self._cluster = cluster
        self.users = BrokerUsers.kept_in(self._directory / "passwords.json", self.user, self.password)
        self._environment = self._write_configuration()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def amqp_url(self) -> str:
        """Address with credentials, as CAUSALKV_AMQP_URL takes it."""
        return self.url_of(self.user)

    def url_of(self, user: str) -> str:
        """The same for another of its users."""
        return f"amqp://{user}:{self.users.passwords[user]}@{LOOPBACK}:{self.amqp_port}/%2F"

    @property
    def management_url(self) -> str | None:
        """Address of the management UI, None when it is off."""
        return f"http://{LOOPBACK}:{self.management_port}" if self.management_port else None

    @property
    def log_file(self) -> Path:
        """The server's own log."""
        return self._directory / "log" / "rabbit.log"

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives."""
        return self._server is not None and self._server.poll() is None

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Start the server and wait until it takes AMQP connections (and the UI answers, when on).

        Raises StartFailedError with the end of the log; nothing is left running then.
        """
        if self.is_running:
            return
        deadline = time.monotonic() + timeout_seconds
        try:
            self._start_epmd(deadline)
            with (self._directory / "console.log").open("ab") as console:
                self._server = self._spawn([str(self._scripts / "rabbitmq-server")], output=console.fileno())
            self._wait_until_ready(deadline)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """Shut the server down in order, and by force when that takes too long; safe to call twice."""
        if self._server is not None and self._server.poll() is None:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(timeout_seconds)
        self.kill()

    def restart(self) -> None:
        """Stop in order and start again, with the same data and ports."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End the server at once (SIGKILL to all of its processes), as a crash would; the data stays."""
        for process in (self._server, self._epmd):
            if process is not None:
                kill_group(process)
        self._server = self._epmd = None

    @property
    def commands(self) -> dict[str, str]:
        """The environment in which ``rabbitmqctl`` and its like are found, and mean this broker."""
        return self._environment | {"PATH": os.pathsep.join((str(self._scripts), self._environment["PATH"]))}

    def ctl(self, *arguments: str, timeout_seconds: float = 60.0) -> str:
        """What ``rabbitmqctl`` prints for these arguments, e.g. ``ctl("list_queues", "name")``.

        Raises InfrastructureError with its complaint when it fails.
        """
        done = subprocess.run(
            [str(self._scripts / "rabbitmqctl"), "--quiet", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode != 0:
            complaint = done.stderr.strip() or done.stdout.strip()
            raise InfrastructureError(f"rabbitmqctl {' '.join(arguments)}: {complaint}")
        return done.stdout

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -------------------------------------------------------------------------------- preparation

    def _load_password(self) -> str:
        """The password of this data folder: users are made only when a broker starts for the first time."""
        file = self._directory / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(12), encoding="ascii")
        return file.read_text(encoding="ascii")

    def _user_settings(self) -> list[str]:
        if self._cluster is None:
            return [
                f"default_user = {self.user}",
                f"default_pass = {self.password}",
                "default_user_tags.administrator = true",
            ]
        definitions = self._directory / "definitions.json"
        definitions.touch(mode=0o600)
        definitions.write_text(self.users.definitions(self._cluster), encoding="utf-8")
        return [f"load_definitions = {definitions}"]

    def _write_configuration(self) -> dict[str, str]:
        """Write the settings files; return the environment that makes all of RabbitMQ's scripts use them."""
        folder = self._directory
        lines = [
            f"listeners.tcp.default = {LOOPBACK}:{self.amqp_port}",
            "log.file.level = info",
            *self._user_settings(),
        ]
        if self.management_port:
            lines += [f"management.tcp.ip = {LOOPBACK}", f"management.tcp.port = {self.management_port}"]
        configuration = folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        plugins = folder / "enabled_plugins"
        plugins.write_text("[rabbitmq_management].\n" if self.management_port else "[].\n", encoding="ascii")
        for name in ("conf.d", "log", "data"):
            (folder / name).mkdir(exist_ok=True)

        # The caller's own RABBITMQ_… and systemd's socket belong to another broker.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_", "NOTIFY_SOCKET"))}
        return inherited | {
            "HOME": str(folder),  # the Erlang cookie lives there, so that no other Erlang node may connect
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_NODENAME": "causalkv@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(self.log_file),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            # No idle spinning: the broker shares its processors with the nodes that it serves.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            "+sbwt none +sbwtdcpu none +sbwtdio none",
        }

    # -------------------------------------------------------------------------------- processes

    def _spawn(self, command: list[str], *, output: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=self._environment,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the program that owns the broker, which stops it in order
        )

    def _start_epmd(self, deadline: float) -> None:
        """Run epmd as a child: one that Erlang starts by itself detaches and would outlive the broker."""
        command = shutil.which("epmd")
        if command is None:
            erl = shutil.which("erl")
            beside = sorted(Path(erl).resolve().parent.parent.glob("erts-*/bin/epmd")) if erl else []
            if not beside:
                raise BrokerNotFoundError("Erlang's epmd was not found beside RabbitMQ: is Erlang on the PATH?")
            command = str(beside[-1])
        self._epmd = self._spawn([command, "-port", str(self._epmd_port), "-address", LOOPBACK])
        while not accepts_connections(self._epmd_port):
            self._check(self._epmd, deadline, "epmd")
            time.sleep(POLL_SECONDS)

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._server is not None  # noqa: S101  # start() has just set it
        while not (speaks_amqp(LOOPBACK, self.amqp_port) and self._shows_management()):
            self._check(self._server, deadline, "RabbitMQ")
            time.sleep(POLL_SECONDS)

    def _shows_management(self) -> bool:
        return self.management_url is None or answers_http(self.management_url)

    def _check(self, process: subprocess.Popen[bytes], deadline: float, name: str) -> None:
        ended = process.poll()
        if ended is not None:
            raise StartFailedError(f"{name} ended with exit code {ended} while starting:\n{self._complaint()}")
        if time.monotonic() > deadline:
            raise StartFailedError(f"{name} was not ready in time:\n{self._complaint()}")

    def log_tail(self) -> str:
        """The end of what the server printed and logged."""
        return "\n".join(text[-LOG_TAIL_CHARACTERS:] for text in self._logs())

    def _complaint(self) -> str:
        """The first errors in the log, which name the cause; what Erlang logs after them does not."""
        errors = [line for text in self._logs() for line in text.splitlines() if "[error]" in line]
        return "\n".join(errors[:COMPLAINT_LINES]) or self.log_tail()

    def _logs(self) -> list[str]:
        logs = (self._directory / "console.log", self.log_file)
        return [log.read_text(encoding="utf-8", errors="replace") for log in logs if log.exists()]

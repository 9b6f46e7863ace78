"""What the blocks of a page are carried out against: nodes as processes, a broker alone, or Docker Compose.

Pages name the well-known ports, the guest of a fresh broker, and files in /etc. In what is carried out, and in what
should be printed, these are replaced by those of the stage.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.ports import free_port
from tests.integration.documentation.markdown import ROOT
from tests.integration.documentation.nginx import Nginx
from tests.support.broker import PrivateBroker
from tests.support.cluster import ClusterUnderTest
from tests.support.docker import require_docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

GUEST = "guest:guest@"
# Where the reader's machine is meant; inside of containers they stay.
PORTS_OF_PAGES = re.compile(r"((?:127\.0\.0\.1|localhost):|PORT=)(800[0-9]|8443|5671|5672|15672)\b")
FIRST_NODE_PORT = 8001
ALL_PROFILES = ("--profile", "*")
# What the commands of a page need of the project.
CHECKOUT = (".dockerignore", "client", "docker-compose.yml", "infra", "node", "requirements.txt")


class Stage:
    """Where blocks are carried out: ``environment`` for them, and what stands for what pages name."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory / "causalkv"
        self.directory.mkdir(parents=True)
        for name in CHECKOUT:
            _copy(ROOT / name, self.directory / name)
        self.environment = {
            "PYTHONPATH": str(ROOT),
            "CAUSALKV_STATE_DIR": str(directory / "state"),
            **environment,
        }
        self.ports: dict[str, int] = {}
        """What stands for a well-known port; others get a free one when they are first named."""
        self.login = GUEST
        self.settings_folder = "/etc/"
        """Where files of settings are; inside of containers it is what pages say."""
        self.use_file: Callable[[Path], None] = _nobody_uses

    def here(self, text: str) -> str:
        """The text of a page with the stage's own addresses and folders."""
        text = text.replace(GUEST, self.login).replace("/etc/", self.settings_folder)
        return PORTS_OF_PAGES.sub(lambda found: f"{found[1]}{self._port(found[2])}", text)

    def _port(self, well_known: str) -> int:
        if well_known not in self.ports:
            self.ports[well_known] = free_port()
        return self.ports[well_known]

    def install(self, path: str, text: str) -> None:
        """Put a page's file in its place, and have it used by whom it is for."""
        file = self.directory / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.here(text), encoding="utf-8")
        if path.startswith("/etc/"):
            self.use_file(file)


@contextmanager
def nodes_as_processes(directory: Path, broker: PrivateBroker, *, faults: bool) -> Iterator[Stage]:
    """node1 to node3, fresh, over a real broker, as ``./infra/demo --keep`` starts them."""
    name = f"docs-{secrets.token_hex(4)}"
    allowed = "1" if faults else "0"
    with ClusterUnderTest(directory / "nodes", broker.url, cluster=name, CAUSALKV_FAULTS=allowed) as cluster:
        environment = {"CAUSALKV_URLS": cluster.urls, "CAUSALKV_AMQP_URL": broker.url, "CAUSALKV_CLUSTER": name}
        stage = Stage(directory, environment)
        stage.ports = {str(FIRST_NODE_PORT + position): node.port for position, node in enumerate(cluster)}
        stage.ports["5672"] = broker.amqp_port
        stage.login = f"{broker.user}:{broker.password}@"
        yield stage


@contextmanager
def broker_of_its_own(directory: Path) -> Iterator[Stage]:
    """A broker, and perhaps nginx, that the page may configure; it starts its nodes itself."""
    stage = Stage(directory, {})
    with PrivateBroker() as broker:
        stage.ports["5672"] = broker.amqp_port
        stage.login = f"{broker.user}:{broker.password}@"
        stage.settings_folder = f"{stage.directory}/etc/"
        nginx = Nginx(directory / "nginx")

        def use(file: Path) -> None:
            if "rabbitmq" in file.parts:
                broker.configure(file.name, file.read_text(encoding="utf-8"))
                broker.restart()
            else:
                nginx.start(file, stage.ports["8443"])

        stage.use_file = use
        try:
            yield stage
        finally:
            nginx.stop()


@contextmanager
def docker_compose(directory: Path) -> Iterator[Stage]:
    """The project's docker-compose.yml under another name; the page itself brings it up."""
    require_docker()
    names = {"8001": "NODE1", "8002": "NODE2", "8003": "NODE3", "5672": "AMQP", "15672": "MANAGEMENT"}
    ports = {port: free_port() for port in names}
    environment = {
        "COMPOSE_PROJECT_NAME": f"causalkv-docs-{secrets.token_hex(4)}",
        "CAUSALKV_URLS": ",".join(f"http://127.0.0.1:{ports[port]}" for port in ("8001", "8002", "8003")),
        **{f"CAUSALKV_PORT_{name}": str(ports[port]) for port, name in names.items()},
    }
    stage = Stage(directory, environment)
    stage.ports = ports
    try:
        yield stage
    finally:
        _take_down(stage)


def _take_down(stage: Stage) -> None:
    """Remove all that belongs to the page's project, also what a file of the page itself added to it."""
    environment = {**os.environ, **stage.environment}

    def docker(*arguments: str) -> str:
        ended = subprocess.run(
            ["docker", *arguments],
            cwd=stage.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=240,
        )
        return ended.stdout

    docker("compose", *ALL_PROFILES, "down", "--volumes", "--remove-orphans")
    mine = f"label=com.docker.compose.project={stage.environment['COMPOSE_PROJECT_NAME']}"
    left = docker("volume", "ls", "--quiet", "--filter", mine).split()
    if left:
        docker("volume", "rm", *left)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def _nobody_uses(file: Path) -> None:
    raise AssertionError(f"nobody here uses {file}")

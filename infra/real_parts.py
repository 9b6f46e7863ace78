"""Which real parts the tests will meet on this machine: ``python -m infra.real_parts``.

RabbitMQ, Chromium, Prometheus and nginx are installed when they are missing and that can be done. With CI=true, a part
that should be there and cannot be used ends this with exit code 1: a green run must not mean that nothing real was
tried.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from infra import debian, docker_engine
from infra.chromium import find_chromium
from infra.errors import InfrastructureError
from infra.nginx_program import find_nginx
from infra.private_broker import find_server
from infra.prometheus_programs import find_promtool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def main() -> int:
    """Report each part in a line; the exit code says whether tests may begin."""
    parts = (_rabbitmq, _chromium, _prometheus, _nginx, _docker)
    problems = [problem for problem in (part() for part in parts) if problem]
    for problem in problems:
        _say(f"WARNING: {problem}")
    return 1 if problems and os.environ.get("CI") == "true" else 0


def _rabbitmq() -> str | None:
    problem = _install("RabbitMQ", debian.RABBITMQ, find_server, debian.install_rabbitmq)
    return problem or _found(
        "RabbitMQ", find_server(), "no RabbitMQ server is installed: TESTS WITH A REAL BROKER ARE SKIPPED"
    )


def _chromium() -> str | None:
    problem = _install("Chromium", debian.CHROMIUM, find_chromium, partial(debian.install, debian.CHROMIUM))
    return problem or _found(
        "Chromium", find_chromium(), "no Chromium is installed: TESTS OF THE DASHBOARD ARE SKIPPED"
    )


def _prometheus() -> str | None:
    problem = _install("Prometheus", debian.PROMETHEUS, find_promtool, debian.install_prometheus)
    return problem or _found(
        "Prometheus",
        find_promtool(),
        "no promtool is installed: TESTS OF ALERTS AND DASHBOARD QUERIES ARE SKIPPED",
    )


def _nginx() -> str | None:
    problem = _install("nginx", debian.NGINX, find_nginx, debian.install_nginx)
    return problem or _found("nginx", find_nginx(), "no nginx is installed: THE PROXY IN docs/security.md IS NOT TRIED")


def _install(name: str, package: str, find: Callable[[], Path | None], install: Callable[[], None]) -> str | None:
    """Install what is missing, where that can be done; why it did not work."""
    if find() is not None or not debian.can_install():
        return None
    _say(f"{name}: installing {package} with apt-get …")
    try:
        install()
    except InfrastructureError as error:
        return str(error)
    return None


def _found(name: str, found: Path | None, otherwise: str) -> str | None:
    if found is None:
        return otherwise
    _say(f"{name}: {found}")
    return None


def _docker() -> str | None:
    engine = docker_engine.engine_version()
    if engine is None:
        # No failure, also in CI: an engine is not among the things that can be installed everywhere.
        _say("Docker: NO ENGINE ANSWERS, SO THE END-TO-END TESTS ON DOCKER COMPOSE ARE SKIPPED")
        return None
    compose = docker_engine.compose_version()
    if compose is None:
        return f"Docker {engine} answers but has no Compose v2: END-TO-END TESTS CANNOT RUN"
    _say(f"Docker: engine {engine}, Compose {compose}")
    return None


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())

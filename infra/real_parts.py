"""Which real parts the tests will meet on this machine: ``python -m infra.real_parts``.

RabbitMQ is installed when it is missing and that can be done. With CI=true, a part that should be there and
cannot be used ends this with exit code 1: a green run must not mean that nothing real was tried.
"""

from __future__ import annotations

import os
import sys

from infra import debian, docker_engine
from infra.errors import InfrastructureError
from infra.private_broker import find_server


def main() -> int:
    """Report RabbitMQ and Docker, one line each; the exit code says whether tests may begin."""
    problems = [problem for problem in (_rabbitmq(), _docker()) if problem]
    for problem in problems:
        _say(f"WARNING: {problem}")
    return 1 if problems and os.environ.get("CI") == "true" else 0


def _rabbitmq() -> str | None:
    if find_server() is None and debian.can_install():
        _say(f"RabbitMQ: installing {debian.PACKAGE} with apt-get …")
        try:
            debian.install_rabbitmq()
        except InfrastructureError as error:
            return str(error)
    found = find_server()
    if found is None:
        return "no RabbitMQ server is installed: TESTS WITH A REAL BROKER ARE SKIPPED"
    _say(f"RabbitMQ: {found}")
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

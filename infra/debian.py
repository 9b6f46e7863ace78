"""Installing packages on a Debian-like system, without leaving a service behind.

Debian starts a service as soon as its package is installed, and again at every boot. Whoever runs a demo
asked for neither, so a service is kept from starting and then disabled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator

RABBITMQ = "rabbitmq-server"
CHROMIUM = "chromium-headless-shell"
PROMETHEUS = "prometheus"
NGINX = "nginx-light"
# Debian asks this program, when it exists, whether a package may start its service; 101 means no.
POLICY_PROGRAM = Path("/usr/sbin/policy-rc.d")
INSTALL_TIMEOUT_SECONDS = 900.0
SYSTEMCTL_TIMEOUT_SECONDS = 60.0
OUTPUT_TAIL_CHARACTERS = 2_000


def can_install() -> bool:
    """Whether this is a Debian-like system and the user may install packages."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def install(package: str) -> None:
    """Install a package of the system; a service that it brings is not started.

    Raises InfrastructureError with apt-get's last words.
    """
    with _no_services_started():
        if not _apt_get("install", "--yes", "--no-install-recommends", package):
            # Package lists are missing on a fresh machine, and stale on an old one.
            _apt_get("update")
            if not _apt_get("install", "--yes", "--no-install-recommends", package, loud=True):
                raise InfrastructureError(f"apt-get could not install {package}: see above")


def install_rabbitmq() -> None:
    """Install RabbitMQ. Raises InfrastructureError with apt-get's last words."""
    install(RABBITMQ)
    _disable("rabbitmq-server.service", "epmd.socket")


def install_prometheus() -> None:
    """Install Prometheus and promtool. Raises InfrastructureError with apt-get's last words."""
    install(PROMETHEUS)
    _disable("prometheus.service")


def install_nginx() -> None:
    """Install nginx. Raises InfrastructureError with apt-get's last words."""
    install(NGINX)
    _disable("nginx.service")


def _disable(*units: str) -> None:
    """Keep what a package brought from starting at boot."""
    if shutil.which("systemctl"):
        subprocess.run(
            ["systemctl", "disable", *units],  # noqa: S607  # found just above
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SYSTEMCTL_TIMEOUT_SECONDS,
            check=False,  # no systemd runs in a container: then nothing starts at boot either
        )


@contextlib.contextmanager
def _no_services_started() -> Iterator[None]:
    if POLICY_PROGRAM.exists():  # the system has a policy of its own
        yield
        return
    POLICY_PROGRAM.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY_PROGRAM.chmod(0o755)
    try:
        yield
    finally:
        POLICY_PROGRAM.unlink(missing_ok=True)


def _apt_get(*arguments: str, loud: bool = False) -> bool:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments],  # noqa: S607  # can_install() has found it
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(INSTALL_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise InfrastructureError(f"apt-get {arguments[0]} goes on after {INSTALL_TIMEOUT_SECONDS:.0f} s") from None
        except BaseException:
            # Not even Ctrl-C cuts it short: a half-installed package harms the whole system.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(INSTALL_TIMEOUT_SECONDS)
            raise
        if loud and process.returncode != 0:
            output.seek(0)
            sys.stderr.write(output.read()[-OUTPUT_TAIL_CHARACTERS:])
        return process.returncode == 0

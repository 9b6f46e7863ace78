"""nginx with a configuration that a page shows."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from infra.nginx_program import find_nginx
from infra.ports import accepts_connections
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 20.0
# Debian's has a place for each that only root may write to.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """A private server: one process in the foreground, with all that it writes in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, configuration: Path, port: int) -> None:
        """Serve what the file says, and wait until something listens on the port; without nginx a test ends here."""
        program = find_nginx()
        if program is None:
            message = "no nginx here: install it (on Debian: apt-get install nginx-light)"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(f"NOT TESTED from {configuration.name} on: {message}")
        self._directory.mkdir()
        places = "".join(f"    {name}_temp_path {self._directory}/{name};\n" for name in TEMPORARY)
        main = self._directory / "nginx.conf"
        main.write_text(
            f"{'user root;' if os.getuid() == 0 else ''}\n"
            f"daemon off;\npid {self._directory}/pid;\nerror_log {self._directory}/error.log;\nevents {{}}\n"
            f"http {{\n    access_log off;\n{places}    include {configuration};\n}}\n",
            encoding="utf-8",
        )
        self._process = subprocess.Popen([str(program), "-c", str(main), "-e", str(self._directory / "error.log")])
        process = self._process
        wait_until(
            lambda: accepts_connections(port) or process.poll() is not None, "nginx listens", START_SECONDS, self._log
        )
        assert process.poll() is None, self._log()

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)

    def _log(self) -> str:
        log = self._directory / "error.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""

"""A private Prometheus for tests: the project's own configuration, with other targets, and faster where wanted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from infra.ports import LOOPBACK, NO_TLS, free_port
from infra.prometheus_programs import find_prometheus
from tests.support.cluster import wait_until
from tests.support.observability import PROMETHEUS_DIRECTORY, require_promtool

if TYPE_CHECKING:
    from collections.abc import Mapping

START_SECONDS = 30.0
# Where a duration stands in rules and configuration: `for: 1m`, `[5m]`, `scrape_interval: 5s`.
DURATION = re.compile(r"(?P<before>\b(?:for|\w+_interval|scrape_timeout): |\[)(?P<number>\d+)(?P<unit>[sm])")
UNIT_MS = {"s": 1_000, "m": 60_000}


def sped_up(text: str, factor: int) -> str:
    """Rules or a configuration in which all times are shorter by this factor."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found['before']}{int(found['number']) * UNIT_MS[found['unit']] // factor}ms"

    return DURATION.sub(shorter, text)


class PrivatePrometheus:
    """Scrapes these nodes (urls by name) until the context is left; ``factor`` makes all its times shorter."""

    def __init__(self, urls: Mapping[str, str], *, factor: int = 1) -> None:
        require_promtool()
        program = find_prometheus()
        if program is None:
            pytest.fail("promtool is here and prometheus is not: they come with one package")
        self._directory = Path(tempfile.mkdtemp(prefix="causalkv-prometheus-"))
        for name in ("prometheus.yml", "alerts.yml"):
            text = (PROMETHEUS_DIRECTORY / name).read_text(encoding="utf-8")
            (self._directory / name).write_text(sped_up(text, factor) if factor > 1 else text, encoding="utf-8")
        self.list_nodes(urls)
        self._port = free_port()
        self._log = (self._directory / "log").open("wb")
        self._process = subprocess.Popen(
            [
                str(program),
                f"--config.file={self._directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self._port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._http = httpx.Client(
            base_url=f"http://{LOOPBACK}:{self._port}", timeout=30.0, trust_env=False, verify=NO_TLS
        )

    def __enter__(self) -> Self:
        try:
            wait_until(self._is_ready, "Prometheus is ready", START_SECONDS, self._end_of_log)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and remove what it kept."""
        self._process.kill()
        self._process.wait()
        self._http.close()
        self._log.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def list_nodes(self, urls: Mapping[str, str]) -> None:
        """Scrape these from now on, as an operator says by a change of the file that lists them."""
        targets = [{"targets": [url.removeprefix("http://")], "labels": {"node": node}} for node, url in urls.items()]
        (self._directory / "nodes.yml").write_text(json.dumps(targets), encoding="utf-8")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._end_of_log()
        try:
            return self._http.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def _end_of_log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")[-2_000:]

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """The present result of a query: series with their labels (``metric``) and their ``value``."""
        answer = self._http.post("/api/v1/query", data={"query": expr}).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire now, with their labels and annotations."""
        found: list[dict[str, Any]] = self._http.get("/api/v1/alerts").json()["data"]["alerts"]
        return [alert for alert in found if alert["state"] == "firing"]

    def firing(self) -> set[str]:
        """Their names."""
        return {alert["labels"]["alertname"] for alert in self.alerts()}

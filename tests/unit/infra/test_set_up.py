"""What ./infra/demo and ./infra/test say on machines that lack something."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra import debian, nginx_program, private_broker, real_parts
from infra.brokers import find_broker

PARTS = {"find_server", "find_chromium", "find_promtool", "find_nginx"}
ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no program is found: no RabbitMQ, no Docker, no apt-get."""
    for name in ("CAUSALKV_AMQP_URL", "CAUSALKV_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    for module in (private_broker, nginx_program):
        monkeypatch.setattr(module, "EXTRA_PATH", ())
    assert private_broker.find_server() is None
    assert not debian.can_install()


@pytest.mark.usefixtures("bare_machine")
def test_without_any_broker_the_in_process_fanout_is_used_and_announced(tmp_path: Path) -> None:
    """The last of the ways needs nothing."""
    said: list[str] = []
    broker = find_broker(tmp_path, data_is_kept=False, say=said.append)
    assert broker.is_memory
    assert "in-process fanout" in said[-1]


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(("ci", "exit_code"), [("true", 1), ("false", 0)])
def test_a_missing_part_is_a_warning_and_in_ci_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, exit_code: int
) -> None:
    """A green CI run must mean that a real broker, a real browser and a real promtool were used."""
    monkeypatch.setenv("CI", ci)
    assert real_parts.main() == exit_code
    said = capsys.readouterr().err
    assert "WARNING: no RabbitMQ server is installed" in said
    assert "WARNING: no Chromium is installed" in said
    assert "WARNING: no promtool is installed" in said
    assert "WARNING: no nginx is installed" in said


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize("missing", sorted(PARTS))
def test_each_missing_part_alone_fails_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str) -> None:
    """Neither stands for the other."""
    monkeypatch.setenv("CI", "true")
    for name in PARTS - {missing}:
        monkeypatch.setattr(real_parts, name, lambda: tmp_path)
    assert real_parts.main() == 1
    monkeypatch.setattr(real_parts, missing, lambda: tmp_path)
    assert real_parts.main() == 0


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_docker_engine_is_announced_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the output knows what was not tested."""
    real_parts.main()
    assert "Docker: NO ENGINE ANSWERS" in capsys.readouterr().err


def test_a_machine_without_a_recent_python_gets_one_clear_line(tmp_path: Path) -> None:
    """An old python3 is not used."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    old.chmod(0o755)
    shell = shutil.which("sh")
    assert shell
    done = subprocess.run(
        [shell, "-c", ". infra/environment.sh; find_python"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 or later was not found" in done.stderr


def test_the_python_named_by_the_user_comes_first(tmp_path: Path) -> None:
    """PYTHON chooses among several."""
    chosen = tmp_path / "mine"
    chosen.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    chosen.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", ". infra/environment.sh; find_python"],
        cwd=ROOT,
        env=os.environ | {"PYTHON": str(chosen)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(chosen)

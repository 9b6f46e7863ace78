from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DEFECT = ("--defect", "a delete removes concurrent versions")
PROJECT = Path(__file__).parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_the_command_reports_seeds_that_pass() -> None:
    """Exit code 0 and a count."""
    ran = _run("--seeds", "3", "--first-seed", "10")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 seeds, 0 failed" in ran.stdout


def test_the_command_names_failing_seeds_and_how_to_replay_them() -> None:
    """Exit code 1; the replay shows the same violation, with the schedule that led to it."""
    ran = _run("--seeds", "3", *DEFECT)
    assert ran.returncode == 1
    assert "replay: python -m tests.simulation --seed 0 --trace" in ran.stdout
    replayed = _run("--seed", "0", "--trace", *DEFECT)
    assert replayed.returncode == 1
    assert "I2 convergence" in replayed.stdout
    assert "node1  starts" in replayed.stdout


def test_the_command_shrinks_a_failing_schedule() -> None:
    """It prints what is left, and a command that replays just that."""
    ran = _run("--seed", "0", "--shrink", *DEFECT)
    assert ran.returncode == 1
    assert "what still fails:" in ran.stdout
    replay = next(line for line in ran.stdout.splitlines() if "replay:" in line)
    without = replay.split("--without ")[1].split()[0]
    replayed = _run("--seed", "0", "--without", without, *DEFECT)
    assert replayed.returncode == 1
    assert "I2 convergence" in replayed.stdout


@pytest.mark.parametrize(
    "options", [("--shrink",), ("--trace",), ("--without", "1"), ("--seed", "1", "--without", "x")]
)
def test_what_is_about_one_schedule_needs_its_seed(options: tuple[str, ...]) -> None:
    """A usage error, in words."""
    ran = _run(*options)
    assert ran.returncode == 2
    assert "--without" in ran.stderr


def test_an_unknown_defect_is_refused_with_the_list() -> None:
    """A usage error, not a run without a defect."""
    ran = _run("--defect", "no such thing")
    assert ran.returncode == 2
    assert "a delete removes concurrent versions" in ran.stderr

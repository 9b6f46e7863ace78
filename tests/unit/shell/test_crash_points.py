"""Crash points: armed by a variable, exact in their count, and harmless when not armed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from node.crash_points import AFTER_COMMIT, BEFORE_COMMIT, PLACES, VARIABLE, CrashPoints
from node.errors import ConfigurationError

COUNTING = """
import sys
from node.crash_points import CrashPoints
points = CrashPoints.from_environment({"CAUSALKV_CRASH_POINT": sys.argv[1]})
for number in range(1, 6):
    print(number, flush=True)
    points.passing("before-commit")
    points.passing("after-commit")
"""


def run(armed: str) -> tuple[int, list[str]]:
    """Pass two places five times; how the process ended, and what it did before."""
    result = subprocess.run(
        [sys.executable, "-c", COUNTING, armed], capture_output=True, text=True, timeout=30, check=False
    )
    return result.returncode, result.stdout.split()


@pytest.mark.parametrize("passes", [1, 3])
def test_the_process_dies_as_kill_9_does_at_the_nth_passing(passes: int) -> None:
    """Not sooner, and with no chance to clean up."""
    assert run(f"{AFTER_COMMIT}@{passes}") == (-signal.SIGKILL, [str(n) for n in range(1, passes + 1)])


def test_other_places_do_not_count() -> None:
    """Only the armed one does."""
    assert run("after-publish@1") == (0, ["1", "2", "3", "4", "5"])


def test_unarmed_places_are_harmless() -> None:
    """As in every node that runs for real."""
    for points in (CrashPoints(), CrashPoints.from_environment({})):
        for place in PLACES:
            points.passing(place)


@pytest.mark.parametrize(
    "text", ["", BEFORE_COMMIT, f"{BEFORE_COMMIT}@", f"{BEFORE_COMMIT}@0", f"{BEFORE_COMMIT}@-1", "@1", "nowhere@1"]
)
def test_a_malformed_variable_is_refused_with_the_places(text: str) -> None:
    """A crash test that never crashes would pass for the wrong reason."""
    with pytest.raises(ConfigurationError) as error:
        CrashPoints.from_environment({VARIABLE: text})
    assert str(error.value).startswith(f"{VARIABLE}: use <place>@<n> with one of ")
    for place in PLACES:
        assert place in str(error.value)

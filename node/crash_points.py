"""Places where a test may kill the node, as ``kill -9`` would.

Armed by ``CAUSALKV_CRASH_POINT=<place>@<n>`` together with ``CAUSALKV_FAULTS=1``: the process dies the n-th time that
it comes by that place. Unarmed, a place costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "CAUSALKV_CRASH_POINT"

BEFORE_COMMIT: Final = "before-commit"
AFTER_COMMIT: Final = "after-commit"
"""Of writes of its own, before they are published."""
AFTER_PUBLISH: Final = "after-publish"
BEFORE_ACKNOWLEDGE: Final = "before-acknowledge"
PLACES: Final = (BEFORE_COMMIT, AFTER_COMMIT, AFTER_PUBLISH, BEFORE_ACKNOWLEDGE)


class CrashPoints:
    """Which place is armed, and how often it may still be passed."""

    def __init__(self, place: str | None = None, passes: int = 1) -> None:
        self._place = place
        self._passes_left = passes

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CrashPoints:
        """What ``CAUSALKV_CRASH_POINT`` arms; raises ConfigurationError when it is malformed."""
        text = environment.get(VARIABLE)
        if text is None:
            return cls()
        place, _, passes = text.partition("@")
        if place not in PLACES or not passes.isdigit() or int(passes) < 1:
            raise ConfigurationError(f"{VARIABLE}: use <place>@<n> with one of {', '.join(PLACES)} (got {text[:80]!r})")
        return cls(place, int(passes))

    @property
    def is_armed(self) -> bool:
        """Whether the node is to die somewhere."""
        return self._place is not None

    def passing(self, place: str) -> None:
        """Die here if it is the time."""
        if place != self._place:
            return
        self._passes_left -= 1
        if self._passes_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

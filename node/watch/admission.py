"""How many may watch, and how many of them may be sent the whole state, at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from node.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable


class Place:
    """One watcher's place; giving it back twice is no harm."""

    def __init__(self, admission: Admission, *, has_state: bool) -> None:
        self._admission = admission
        self._has_state = has_state
        self._is_held = True

    def state_is_sent(self) -> None:
        """Another watcher may be sent the whole state."""
        with self._admission.lock:
            self._admission.states -= self._has_state
            self._has_state = False

    def give_back(self) -> None:
        """Another watcher may come."""
        self.state_is_sent()
        with self._admission.lock:
            self._admission.watchers -= self._is_held
            self._is_held = False


class Admission:
    """Counts places; safe from any thread."""

    def __init__(self, max_watchers: int, max_states: int, limit_reached: Callable[[str], None]) -> None:
        self.lock = threading.Lock()
        self.watchers = 0
        """Places that are taken."""
        self.states = 0
        """Those of them that wait for the whole state or are being sent it."""
        self._max_watchers = max_watchers
        self._max_states = max_states
        self._limit_reached = limit_reached

    def admit(self, *, wants_state: bool) -> Place:
        """A place. Raises UnavailableError when there is none: a limit is reached."""
        with self.lock:
            if self.watchers >= self._max_watchers:
                limit, why = "watch_max_watchers", f"{self._max_watchers} clients watch this node already"
            elif wants_state and self.states >= self._max_states:
                limit, why = "watch_max_states", f"{self._max_states} clients are being sent the whole state already"
            else:
                self.watchers += 1
                self.states += wants_state
                return Place(self, has_state=wants_state)
        self._limit_reached(limit)
        raise UnavailableError(f"{why}: try another node, or later")

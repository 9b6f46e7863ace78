"""After the broker refused a message: when everything unconfirmed is offered again."""

from __future__ import annotations

import time

from node.logs import get_logger

# From the first refusal on, doubled with each that follows before something is confirmed.
RETRY_SECONDS = (0.1, 5.0)


class Reopening:
    """For the replica's thread alone."""

    def __init__(self) -> None:
        self._log = get_logger("causalkv.replica")
        self._delay_seconds = RETRY_SECONDS[0]
        self.at: float | None = None
        """When publishing is opened again (steady time in seconds); None: it is not closed for this reason."""

    def refused(self, reason: str) -> None:
        """The broker did not take a message."""
        if self.at is not None:
            return
        self._log.warning(
            "the broker refused a message; everything unconfirmed is offered again",
            reason=reason,
            again_in_seconds=self._delay_seconds,
            what_to_do="look for a queue at its length limit, or one without a leader",
        )
        self.at = time.monotonic() + self._delay_seconds
        self._delay_seconds = min(2 * self._delay_seconds, RETRY_SECONDS[1])

    def confirmed(self) -> None:
        """The broker took something."""
        self._delay_seconds = RETRY_SECONDS[0]

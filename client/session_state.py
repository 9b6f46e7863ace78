"""What a session has seen; shared by the session of threads and that of asyncio."""

from __future__ import annotations

import threading

from client.causal_token import CausalToken


class SessionState:
    """A causal token that only grows; safe to use from several threads."""

    def __init__(self, token: CausalToken | str | None = None) -> None:
        """``token``: what was seen before, also as text; nothing by default. Raises InvalidTokenError."""
        self._token = CausalToken.parse(token) if isinstance(token, str) else token or CausalToken()
        self._lock = threading.Lock()

    @property
    def token(self) -> CausalToken:
        """What this session has seen; ``str(token)`` is the text of it."""
        return self._token

    def observe(self, token: CausalToken | str) -> None:
        """Take in what was seen elsewhere; the session's token never moves back. Raises InvalidTokenError."""
        seen = CausalToken.parse(token) if isinstance(token, str) else token
        with self._lock:
            self._token = self._token | seen

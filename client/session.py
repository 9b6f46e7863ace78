"""The causal session: it sends its causal token with every request and takes in the one of every answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from client import protocol
from client.answers import Value, Written
from client.protocol import Ack

if TYPE_CHECKING:
    from client.answers import AckLevel
    from client.causal_token import CausalToken
    from client.client import Client

AnswerT = TypeVar("AnswerT")


class Session:
    """A sequence of reads and writes in causal order; safe to use from several threads.

    The token can be handed to another process, which goes on from there:
    ``client.session(CausalToken.parse(text))``.
    """

    def __init__(self, client: Client, token: CausalToken) -> None:
        self._client = client
        self._token = token
        self._lock = threading.Lock()

    @property
    def token(self) -> CausalToken:
        """What this session has seen."""
        return self._token

    def observe(self, token: CausalToken) -> None:
        """Take in what was seen elsewhere; the session's token never moves back."""
        with self._lock:
            self._token = self._token | token

    def put(
        self,
        key: str,
        value: Any,
        *,
        node: str | None = None,
        ack: AckLevel | None = None,
        ack_timeout: float | None = None,
    ) -> Written:
        """Store a JSON value under a key.

        ``ack``: return when the write is on the node's disk (``local``, the default), in every member's queue
        (``broker``), or applied by every member (``all``), or after ``ack_timeout`` seconds (0 to 60; 5 by default),
        which come on top of the client's own limit. The write is done either way: ``acked`` in the answer says which
        level was reached.

        Raises OutcomeUnknownError when the answer was lost, and other errors of `client.errors` when
        nothing was applied.
        """
        return self._exchange(protocol.put_request(key, value, Ack(ack, ack_timeout)), Written, node)

    def get(self, key: str, *, siblings: bool = False, node: str | None = None) -> Value:
        """Read a key, as the node shows it once it has all that the session has seen.

        Raises NotFoundError when there is no value.
        """
        return self._exchange(protocol.get_request(key, siblings=siblings), Value, node)

    def delete(
        self, key: str, *, node: str | None = None, ack: AckLevel | None = None, ack_timeout: float | None = None
    ) -> Written:
        """Delete what the session has seen of a key; not an error when there is none.

        ``ack``, ``ack_timeout``, and what is raised: as for `put`.
        """
        return self._exchange(protocol.delete_request(key, Ack(ack, ack_timeout)), Written, node)

    def _exchange(self, request: protocol.Request, answer_type: type[AnswerT], node: str | None) -> AnswerT:
        return self._client.exchange(request, answer_type, node=node, session=self)

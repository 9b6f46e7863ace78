"""What a replica keeps in mind of expiries and requests, in dicts: a part of every ``ReplicaState`` of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.dot import node_id_of
from node.core.expiry import Expiring

if TYPE_CHECKING:
    from node.core.dot import Dot
    from node.core.requests import RememberedRequest


class DictMemory:
    """See ``ReplicaState`` for each method."""

    def __init__(self) -> None:
        self.expiries: dict[Expiring, None] = {}
        self.younger: dict[str, RememberedRequest] = {}
        self.older: dict[str, RememberedRequest] = {}
        self.requests_since_ms = 0

    def schedule_expiry(self, expires_ms: int, dot: Dot, key: str) -> None:
        """Keep when a version ends."""
        self.expiries[Expiring(expires_ms, dot, key)] = None

    def due_expiries(self, node: str, after: Expiring | None, until_ms: int, max_entries: int) -> list[Expiring]:
        """What has ended by then."""
        due = [
            each
            for each in self.expiries
            if node_id_of(each.dot.replica) == node and each.expires_ms <= until_ms and (after is None or each > after)
        ]
        return sorted(due)[:max_entries]

    def forget_expiry(self, expiring: Expiring) -> None:
        """It has been seen to."""
        self.expiries.pop(expiring, None)

    def request(self, request_id: str) -> RememberedRequest | None:
        """What a request came to."""
        return self.younger.get(request_id) or self.older.get(request_id)

    def remember_request(self, request_id: str, remembered: RememberedRequest) -> None:
        """Keep what a request came to; the first one counts, from now on."""
        if request_id not in self.younger:
            self.younger[request_id] = self.older.get(request_id, remembered)

    def younger_requests(self) -> int:
        """How many the younger generation has."""
        return len(self.younger)

    def forget_older_requests(self, now_ms: int) -> None:
        """Begin a new generation."""
        self.older, self.younger, self.requests_since_ms = self.younger, {}, now_ms

    def copy_memory_to(self, other: DictMemory) -> None:
        """Give another object the same content; all values are immutable."""
        other.expiries, other.younger, other.older = dict(self.expiries), dict(self.younger), dict(self.older)
        other.requests_since_ms = self.requests_since_ms

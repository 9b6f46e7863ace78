"""Messages that come late, so that causes arrive behind their effects.

One broker alone keeps causal order: without late messages no causal buffer would ever hold anything, and a load that
finds nothing wrong would say nothing about it. Nodes make messages late where faults are on (``CAUSALKV_FAULTS=1``).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec

from client.errors import ClusterError, NotFoundError
from client.protocol import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.client import Client

DELAY_SECONDS = (0.1, 0.4)
PATH = "/faults"


class _Faults(msgspec.Struct, frozen=True, kw_only=True):
    """The faults in force at a node."""

    delay: dict[str, float] = {}
    answer: dict[str, Any]


class LateMessages:
    """Delays on some links between nodes; ``drawn`` has those nodes where they can be had."""

    def __init__(self, client: Client, nodes: Sequence[str], seed: int) -> None:
        self.drawn: set[str] = set()
        self.of_others: list[str] = []
        """Nodes at which somebody else has delays in force: they are left alone, and serve as well."""
        self._client = client
        self._nodes = nodes
        self._random = random.Random(seed)  # noqa: S311  # a schedule, no secret

    def find(self) -> None:
        """Look where delays can be had, and are not in use by somebody else."""
        for node in self._nodes:
            try:
                found = self._client.exchange(Request("GET", PATH, _Faults, not_found_is_an_answer=True), node=node)
            except (NotFoundError, ClusterError):
                continue
            if found.delay:
                self.of_others.append(node)
            elif len(self._nodes) > 1:
                self.drawn.add(node)

    @property
    def is_any(self) -> bool:
        """Whether anything comes late."""
        return bool(self.drawn or self.of_others)

    def draw(self) -> None:
        """At each node, messages from one other node come late from now on, and those from the rest at once."""
        for node in sorted(self.drawn):
            late = self._random.choice([other for other in self._nodes if other != node])
            delays = {other: self._random.uniform(*DELAY_SECONDS) if other == late else 0.0 for other in self._nodes}
            self._set(node, delays)

    def end(self) -> list[str]:
        """Take the delays back; the nodes where that failed."""
        return [node for node in sorted(self.drawn) if not self._set(node, dict.fromkeys(self._nodes, 0.0))]

    def _set(self, node: str, delays: dict[str, float]) -> bool:
        try:
            self._client.exchange(
                Request("POST", PATH, _Faults, body=msgspec.json.encode({"delay": delays})), node=node
            )
        except ClusterError:
            return False  # a node that is away is for the load to notice
        return True

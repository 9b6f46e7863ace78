"""The faults that lessons inject into nodes, and how they are asked for (``/faults``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from client.errors import ClusterError, NotFoundError
from client.protocol import Request

if TYPE_CHECKING:
    from client.client import Client

PATH = "/faults"
HOW_TO_ALLOW = (
    "set CAUSALKV_FAULTS=1 for every node, as in `export CAUSALKV_FAULTS=1` before `docker compose up -d --wait` "
    "and all that follows, or `CAUSALKV_FAULTS=1 ./infra/demo --keep`"
)


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The faults in force at a node, by the node whose messages they act on."""

    delay: dict[str, float] = {}
    drop: dict[str, float] = {}
    duplicate: dict[str, float] = {}
    cut: bool = False
    wall_offset: float = 0.0

    @property
    def are_any(self) -> bool:
        """Whether anything is in force."""
        return self != InForce()


def ask(client: Client, node: str) -> InForce:
    """Read what is in force at a node. Raises ClusterError, also when the node allows no faults."""
    return _exchange(client, node, Request("GET", PATH, InForce, not_found_is_an_answer=True))


def inject(client: Client, node: str, **faults: Any) -> InForce:
    """Put faults in force, or end them (``clear=True``). Raises ClusterError, also when the node allows none."""
    # Repeatable: to ask twice for the same faults is to ask once.
    request = Request("POST", PATH, InForce, body=msgspec.json.encode(faults), not_found_is_an_answer=True)
    return _exchange(client, node, request)


def _exchange(client: Client, node: str, request: Request[InForce]) -> InForce:
    try:
        return client.exchange(request, node=node)
    except NotFoundError:
        raise ClusterError(
            f"this lesson needs faults on purpose, which {node} does not allow: {HOW_TO_ALLOW}"
        ) from None

"""causalkv's replica: a causally consistent key-value store that replicates through RabbitMQ.

``from node import Replica`` runs one inside a Python process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from node.embedded.replica import Replica

__all__ = ["Replica"]


def __getattr__(name: str) -> Any:
    """Import the replica with its store and its link only for those who ask for it: the core stays light."""
    if name != "Replica":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from node.embedded.replica import Replica  # noqa: PLC0415  # see above

    return Replica

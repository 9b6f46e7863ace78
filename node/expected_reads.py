"""What a transaction is going to read, so that the database is asked for all of it in a handful of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.core.events import LocalWrite, Received

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from node.core.places import Place


def places(events: Iterable[Any]) -> Iterator[Place]:
    """The places whose versions these events will read."""
    for event in events:
        if isinstance(event, LocalWrite):
            for operation in event.operations:
                yield from operation.places
        elif isinstance(event, Received):
            for write in event.writes:
                for operation in write.operations:
                    yield from operation.places


def request_ids(events: Iterable[Any]) -> Iterator[str]:
    """The requests that these events will look for."""
    for event in events:
        if isinstance(event, LocalWrite) and event.request_id:
            yield event.request_id
        elif isinstance(event, Received):
            yield from (write.request_id for write in event.writes if write.request_id)

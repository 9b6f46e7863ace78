"""A reader of server-sent events, on a thread of its own: what a client of ``/watch`` or ``/events`` sees, in order."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx

from infra.ports import NO_TLS
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TIMEOUT_SECONDS = 15.0


class Event(NamedTuple):
    """One event; ``position`` is what the client would resume from once it has it."""

    name: str
    data: Any
    position: str | None


def parsed(lines: Iterable[str], comment: Callable[[str], None]) -> Iterable[Event | str]:
    """Events as the standard reads them, and bare positions as texts."""
    name, data, last_id, changed = "message", [], None, False
    for line in lines:
        if line.startswith(":"):
            comment(line)
        elif line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                last_id, changed = value, True
        else:
            if data:
                yield Event(name, json.loads("\n".join(data)), last_id)
            elif changed and last_id is not None:
                yield last_id
            name, data, changed = "message", [], False


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines as the standard has them: httpx also ends them at characters that JSON may hold."""
    unread = b""
    for piece in pieces:
        *lines, unread = (unread + piece).split(b"\n")
        yield from (line.decode() for line in lines)


class EventStream:
    """One request to ``path``, resumed ``behind`` a position; use as a context manager.

    Fails when the answer is no stream.
    """

    def __init__(
        self,
        url: str,
        *,
        path: str = "/watch",
        behind: str | None = None,
        headers: dict[str, str] | None = None,
        **parameters: str,
    ) -> None:
        headers = {**(headers or {}), **({} if behind is None else {"Last-Event-ID": behind})}
        # A node says nothing for as long as its keep-alive: this is no deadline for what is waited for.
        self._client = httpx.Client(timeout=60.0, trust_env=False, verify=NO_TLS)
        request = self._client.build_request("GET", f"{url}{path}", params=parameters, headers=headers)
        self.response = self._client.send(request, stream=True)
        if not self.response.is_success:
            self.response.read()
            self._client.close()
            raise AssertionError(f"{self.response.status_code}: {self.response.text}")
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.position = behind
        """What the client would resume from."""
        self.ended: BaseException | str | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        try:
            for found in parsed(_lines(self.response.iter_bytes()), self.comments.append):
                if isinstance(found, Event):
                    self.events.append(found)
                self.position = found.position if isinstance(found, Event) else found
            self.ended = "in good order"
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            self.ended = error

    def close(self) -> None:
        """Go away."""
        # Closing alone would leave the reader waiting for what comes next.
        stream = self.response.extensions["network_stream"]
        sock = stream.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the node was quicker
            sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(TIMEOUT_SECONDS)
        self.response.close()
        self._client.close()

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The data of all changes so far, without those of the initial state."""
        return [event.data for event in list(self.events) if event.name == "message" and "initial" not in event.data]

    def wait_for(self, condition: Callable[[EventStream], bool], what: str) -> None:
        """Wait with a deadline."""
        wait_until(lambda: condition(self), what, TIMEOUT_SECONDS, lambda: f"{self.ended!r} {self.events[-5:]}")

    def wait_for_changes(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many changes; all that came."""
        self.wait_for(lambda stream: len(stream.changes) >= count, f"{count} changes came")
        return self.changes

    def wait_for_state(self) -> dict[str, Any]:
        """Wait for the end of the initial state; its winners by key."""
        self.wait_for(
            lambda stream: any(event.name == "end-of-initial-state" for event in stream.events), "the state came"
        )
        state: dict[str, Any] = {}
        for event in self.events:
            if event.name == "message" and event.data.get("initial"):
                state.setdefault(event.data["key"], event.data["value"])
        return state


def applied(state: dict[str, Any], changes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A client's picture of the winners, when nothing is concurrent: the state with these changes made to it."""
    picture = dict(state)
    for change in changes:
        if change["op"] == "put":
            picture[change["key"]] = change["value"]
        elif change["op"] == "delete":
            picture.pop(change["key"], None)
    return picture

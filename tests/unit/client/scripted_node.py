"""A node that fails on command: a real HTTP server for what a real node cannot be made to do at will."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

STALL_SECONDS_MAX = 20.0


@dataclass(frozen=True)
class Scripted:
    """One answer.

    ``hang_up``: read the request, then close the connection without a word. ``stall``: never answer. ``is_stream``: the
    body has no length; behind it the connection is closed, with ``stall`` it stays open and silent.
    """

    status_code: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False
    stall: bool = False
    is_stream: bool = False


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    path: str
    parameters: dict[str, str]
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The JSON that the request carried."""
        return json.loads(self.text)

    @property
    def content(self) -> Any:
        """The JSON that the request carried, without its request id, which is another each time."""
        return {name: value for name, value in self.body.items() if name != "request_id"}


def answer(
    content: Any, *, status_code: int = 200, context: str | None = None, retry_after: str | None = None
) -> Scripted:
    """An answer in the form of a node's."""
    headers = {"X-Causal-Context": context, "Retry-After": retry_after}
    present = {name: value for name, value in headers.items() if value is not None}
    return Scripted(status_code, json.dumps(content).encode(), present)


def stored(vc: list[int], context: str) -> Scripted:
    """The answer to a put."""
    return answer({"message": "Value stored with causal consistency", "vc": vc}, context=context)


def unavailable(text: str = "this node is joining") -> Scripted:
    """The 503 of a node that cannot serve yet."""
    return answer({"error": text}, status_code=503, retry_after="0")


def not_reached(replica: str, first: int, last: int) -> Scripted:
    """The 503 of a node that lacks what the session has seen."""
    content = {"error": f"waited for {replica}:{first}", "missing": {replica: {"first": first, "last": last}}}
    return answer(content, status_code=503, retry_after="0")


LOST = Scripted(hang_up=True)
STALLED = Scripted(stall=True)
GARBAGE = Scripted(body=b"<html>It works!</html>")


class ScriptedNode:
    """Answers each path with its scripted answers in turn, the last of them for ever; records what arrives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.replica = f"{name}~abcd"
        self.seen: list[Seen] = []
        self.arrived = threading.Condition()
        self._scripts: dict[str, deque[Scripted]] = {}
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.script("/status", self.status(clock={self.replica: 1}))

    def status(self, clock: dict[str, int], **more: Any) -> Scripted:
        """The answer to a status request, with ``more`` keys."""
        content = {
            "node": self.name, "incarnation": "abcd", "ready": True, "vc": [1, 0, 0], "clock": clock,
            "held": 0, "outbox": 0, "broker": "connected", "later": "keys may be added",
        }  # fmt: skip
        return answer({**content, **more})

    def script(self, path: str, *answers: Scripted) -> Self:
        """Set the answers to the requests of one path."""
        self._scripts[path] = deque(answers)
        return self

    def requests(self, path: str) -> list[Seen]:
        """What arrived at one path."""
        return [seen for seen in self.seen if seen.path == path]

    def wait_for_request(self, path: str, timeout_seconds: float = 60.0) -> None:
        """Return once a request for the path arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.requests(path), timeout_seconds), f"nothing asked for {path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, path: str) -> Scripted:
        script = self._scripts.get(path)
        if not script:
            return answer({"error": f"{path} is not scripted"}, status_code=404)
        return script.popleft() if len(script) > 1 else script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                parts = urlsplit(self.path)
                with node.arrived:
                    node.seen.append(Seen(parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body.decode()))
                    chosen = node._next(parts.path)
                    node.arrived.notify_all()
                if chosen.is_stream:
                    self._stream(chosen)
                    return
                if chosen.stall:
                    node._released.wait(STALL_SECONDS_MAX)
                if chosen.stall or chosen.hang_up:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(chosen.status_code)
                for name, value in chosen.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(chosen.body)))
                self.end_headers()
                self.wfile.write(chosen.body)

            def _stream(self, chosen: Scripted) -> None:
                self.close_connection = True
                self.send_response(chosen.status_code)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(chosen.body)
                if chosen.stall:
                    node._released.wait(STALL_SECONDS_MAX)
                self.connection.shutdown(socket.SHUT_RDWR)

            do_GET = do_POST = _respond  # noqa: N815  # names that http.server calls

            def log_message(self, *_: object) -> None:
                """Keep the tests' output quiet."""

        return Handler

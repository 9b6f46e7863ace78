"""A TCP proxy for tests: a network between a node and its broker that a test can cut, hold, or let lose bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class TcpProxy:
    """Passes bytes between a port of its own on the loopback address and a target."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._torn: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._is_cut = False
        self._swallows_requests = self._swallows_answers = False
        self._answers_pass = threading.Event()
        self._answers_pass.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Break all connections, and each new one as soon as it is made."""
        with self._lock:
            self._is_cut = True
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._connections.clear()
        self._answers_pass.set()

    def restore(self) -> None:
        """Let connections through again; break those that lost bytes, which make no sense any more."""
        with self._lock:
            self._is_cut = self._swallows_requests = self._swallows_answers = False
            for connection in self._torn:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._torn.clear()
            self._forgotten.clear()

    def swallow(self, *, requests: bool = False, answers: bool = False) -> None:
        """Let what is sent in these directions vanish, while all connections stay open, until ``restore``."""
        with self._lock:
            self._swallows_requests, self._swallows_answers = requests, answers

    def forget(self) -> None:
        """Let all that is sent over the present connections vanish, their ends too, until ``restore``.

        Neither side is told, and new connections work: so does a firewall that has lost its state.
        """
        with self._lock:
            self._forgotten.update(self._connections)

    def hold_answers(self) -> None:
        """Keep back what the target sends, on all connections."""
        self._answers_pass.clear()

    def release_answers(self) -> None:
        """Let what was kept back through, and what comes."""
        self._answers_pass.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                try:
                    self._join(near)
                except OSError:  # the target is away: so is this connection, and the next one may not be
                    near.close()

    def _join(self, near: socket.socket) -> None:
        far = socket.create_connection(self._target)
        with self._lock:
            if self._is_cut:
                near.close()
                far.close()
                return
            self._connections.update((near, far))
        threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
        threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:  # noqa: FBT001  # one caller
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer:
                    self._answers_pass.wait()
                if not self._is_swallowed(source, sink, is_answer):
                    sink.sendall(data)
        if self._is_swallowed(source, sink, is_answer):
            return  # that this end is gone is not told to the other one either
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        with self._lock:
            self._connections -= {source, sink}
            self._torn -= {source, sink}

    def _is_swallowed(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> bool:  # noqa: FBT001  # one caller
        with self._lock:
            swallows = self._swallows_answers if is_answer else self._swallows_requests
            if swallows or source in self._forgotten:
                self._torn.update((source, sink))
                return True
            return False

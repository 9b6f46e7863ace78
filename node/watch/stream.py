"""One watcher's connection, once the head of the answer is sent: bytes go out, what comes in is dropped."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

UNSENT_MAX_BYTES = 1024 * 1024
"""Beyond so much that a client has not taken, the next block cuts it off."""
STALLED_SECONDS = 60.0
"""A client that takes nothing for so long, while there is something for it, is cut off."""
_READ_BYTES = 65_536
_END_OF_CHUNKS = b"0\r\n\r\n"


class Block:
    """Some bytes for any number of streams; framed as a chunk of HTTP/1.1 once, when a stream wants it so."""

    __slots__ = ("_framed", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._framed: bytes | None = None

    @property
    def framed(self) -> bytes:
        """The bytes as one chunk."""
        if self._framed is None:
            self._framed = b"%x\r\n%b\r\n" % (len(self.raw), self.raw)
        return self._framed


class Stream:
    """A socket that is written without ever waiting for it; for one thread.

    What the socket does not take is kept, as references to the shared blocks, for ``flush``. A stream whose owner must
    look at it, because it is gone or because it waits or no longer waits for its socket, is put into ``attention``.
    """

    def __init__(self, sock: socket.socket, attention: set[Stream], *, is_chunked: bool) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.is_open = True
        self.was_too_slow = False
        self.unsent_bytes = 0
        self._attention = attention
        self._is_chunked = is_chunked
        self._unsent: deque[memoryview] = deque()
        self._waits = False
        self._progress_at = time.monotonic()

    def send(self, block: Block) -> None:
        """Send a block, now or later; nothing once the connection is gone."""
        if not self.is_open or not block.raw:
            return
        if self.unsent_bytes > UNSENT_MAX_BYTES:
            self.cut_off()
            return
        data = block.framed if self._is_chunked else block.raw
        self._unsent.append(memoryview(data))
        self.unsent_bytes += len(data)
        if len(self._unsent) == 1:
            self._progress_at = time.monotonic()
            self.flush()
            if self._unsent:
                self._waits = True
                self._attention.add(self)

    def flush(self) -> None:
        """Send what the socket takes."""
        while self._unsent:
            data = self._unsent[0]
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                return
            except OSError:
                self.give_up()
                return
            self._progress_at = time.monotonic()
            self.unsent_bytes -= sent
            if sent < len(data):
                self._unsent[0] = data[sent:]
                return
            self._unsent.popleft()
        if self._waits:
            self._waits = False
            self._attention.add(self)

    def drop_input(self) -> None:
        """Read what the client says, which means nothing here; at the end of it the client is gone."""
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.give_up()

    def is_stalled(self, now: float) -> bool:
        """Whether the client takes nothing although there is something for it."""
        return self.unsent_bytes > 0 and now - self._progress_at > STALLED_SECONDS

    def cut_off(self) -> None:
        """The client is too slow: what it has not taken is lost, and it may come again."""
        self.was_too_slow = True
        self.give_up()

    def end(self) -> None:
        """Close in good order: the client can tell that nothing was cut short, if it took all so far."""
        if self.is_open and self._is_chunked and not self._unsent:
            with contextlib.suppress(OSError):
                self.socket.send(_END_OF_CHUNKS)
        self.give_up()

    def give_up(self) -> None:
        """Nothing more is sent; the owner closes the socket."""
        self.is_open = False
        self._unsent.clear()
        self.unsent_bytes = 0
        self._attention.add(self)

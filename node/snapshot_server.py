"""Giving snapshots to peers: a causal cut of the local store, read and sent part by part as the peer asks.

An open cut keeps the database from reusing pages, so there are few at a time, and one that nobody asks on is closed.
A part is about as large as a pack of writes, unless one key alone is larger.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING

from node.control_codec import encode_snapshot_part
from node.core.dot import node_id_of
from node.errors import StoreError
from node.logs import REPORT_IT, get_logger, speak_for
from node.snapshot_codec import encode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.core.control import SnapshotWanted
    from node.store import Store, StoreReader

PART_BYTES = 512 * 1024
CUTS_MAX = 2
IDLE_SECONDS = 30.0
REQUESTS_MAX = 64


class _Cut:
    """One snapshot that a peer is taking."""

    def __init__(self, store: Store, request: str) -> None:
        self.request = request
        self.asked_at = time.monotonic()
        self.part = -1
        self.keys = 0
        self.body = b""
        self._open = contextlib.ExitStack()
        self._reader = self._open.enter_context(store.reader())
        self._entries = _encoded(self._reader)
        self._next: bytes | None = next(self._entries, None)

    def advance(self, sender: str, wanted: SnapshotWanted) -> None:
        """Make the next part."""
        entries: list[bytes] = []
        size_bytes = 0
        while self._next is not None and (not entries or size_bytes + len(self._next) <= PART_BYTES):
            entries.append(self._next)
            size_bytes += len(self._next)
            self._next = next(self._entries, None)
        self.part += 1
        self.keys += len(entries)
        self.body = encode_snapshot_part(
            sender, wanted, self._reader.clock(), self._reader.timestamp(), entries, is_last=self._next is None
        )

    def close(self) -> None:
        """Let the database reuse its pages."""
        self._open.close()


def _encoded(reader: StoreReader) -> Iterator[bytes]:
    for place, versions in reader.entries():
        yield encode_entry(place, versions)


class SnapshotServer:
    """Answers requests for parts of snapshots, on a thread of its own."""

    def __init__(self, store: Store, tell: Callable[[str, bytes], None], part_sent: Callable[[], None]) -> None:
        """``tell`` sends a body to a node; ``part_sent`` counts."""
        self._store = store
        self._tell = tell
        self._part_sent = part_sent
        self._requests: queue.Queue[tuple[str, SnapshotWanted] | None] = queue.Queue(REQUESTS_MAX)
        self._cuts: dict[str, _Cut] = {}
        self._log = get_logger("causalkv.snapshot")
        self._thread = threading.Thread(target=self._run, name="snapshot-server", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def give(self, sender: str, wanted: SnapshotWanted) -> None:
        """Send a part soon, in the name of replica ``sender``; a request too many is dropped, and comes again."""
        with contextlib.suppress(queue.Full):
            self._requests.put_nowait((sender, wanted))

    def stop(self, timeout_seconds: float) -> None:
        """Close what is open; a peer that was taking a snapshot asks somebody else."""
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._requests.put(None, timeout=timeout_seconds)
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                item = self._requests.get(timeout=IDLE_SECONDS / 4 if self._cuts else None)
                if item is None:
                    break
                self._serve(*item)
            self._close(lambda cut: time.monotonic() - cut.asked_at > IDLE_SECONDS)
        self._close(lambda _cut: True)

    def _serve(self, sender: str, wanted: SnapshotWanted) -> None:
        peer = node_id_of(wanted.sender)
        speak_for(node_id_of(sender))
        try:
            cut = self._cut_for(peer, wanted)
            if cut is None:
                return
            cut.asked_at = time.monotonic()
            if wanted.part == cut.part + 1:
                cut.advance(sender, wanted)
            if wanted.part == cut.part:
                self._tell(peer, cut.body)
                self._part_sent()
        except StoreError as error:
            self._log.error(
                "a snapshot for a peer cannot be read",
                peer=peer,
                reason=str(error),
                what_to_do="check the disk of this node's data directory; the peer asks another node meanwhile",
            )
            self._close(lambda cut: cut.request == wanted.request)
        except Exception:  # noqa: BLE001  # a thread that ends would leave the peers without snapshots, in silence
            self._log.exception("a snapshot for a peer failed", peer=peer, what_to_do=REPORT_IT)
            self._close(lambda cut: cut.request == wanted.request)

    def _cut_for(self, peer: str, wanted: SnapshotWanted) -> _Cut | None:
        """The cut that this request goes on with, or begins; None when it was closed, or too many are open."""
        cut = self._cuts.get(peer)
        if cut is not None and cut.request == wanted.request:
            return cut
        if wanted.part:
            return None
        self._close(lambda other: other is cut)
        if len(self._cuts) >= CUTS_MAX:
            self._log.info("a peer must wait for its snapshot", peer=peer, others=len(self._cuts))
            return None
        self._log.info("giving a snapshot", peer=peer)
        self._cuts[peer] = cut = _Cut(self._store, wanted.request)
        return cut

    def _close(self, which: Callable[[_Cut], bool]) -> None:
        for peer, cut in list(self._cuts.items()):
            if which(cut):
                cut.close()
                del self._cuts[peer]
                self._log.info("a snapshot was given or given up", peer=peer, parts=cut.part + 1, keys=cut.keys)

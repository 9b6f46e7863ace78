"""Whether the database file is as long as it says, before it is mapped into memory.

LMDB reads its file through a memory map: a file that was cut short does not raise an error, it kills the process
with SIGBUS. So the length is compared with what the meta pages say (LMDB 0.9's ``MDB_meta``). A file may be shorter
for a good reason: free pages at its end need not have been written. That case is settled by a child process
that reads every page in use.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# struct MDB_meta behind a page header of 16 bytes: magic, version, address, map size, two MDB_db of 48 bytes (the
# first one begins with the page size), last page number, transaction id.
_META = struct.Struct("<16x I I 8x 8x I 44x 48x Q Q")
_MAGIC = 0xBEEFC0DE
_PAGE_SIZES = range(512, 65_537)
_READ_EVERYTHING = """
import sys, lmdb
environment = lmdb.open(sys.argv[1], readonly=True, lock=False, max_dbs=64, map_size=int(sys.argv[2]))
names = [bytes(name) for name, _ in environment.begin().cursor()]
tables = [environment.open_db(name, create=False) for name in names]
with environment.begin() as transaction:
    for table in tables:
        for item in transaction.cursor(db=table):
            pass
"""
_CHECK_TIMEOUT_SECONDS = 600.0


def is_whole(data_file: Path, max_bytes: int) -> bool:
    """Whether every page in use can be read. ``max_bytes`` is the map size to read it with."""
    size_bytes = data_file.stat().st_size
    with data_file.open("rb") as file:
        needed_bytes = _needed_bytes(file.read(2 * _PAGE_SIZES.stop))
    if needed_bytes is None:
        return False
    return size_bytes >= needed_bytes or _every_page_can_be_read(data_file, max_bytes)


def _needed_bytes(head: bytes) -> int | None:
    """The length that the newer of the two meta pages asks for; None when there is no valid meta page."""
    if len(head) < _META.size:
        return None
    magic, _, page_bytes, *_ = _META.unpack_from(head)
    if magic != _MAGIC or page_bytes not in _PAGE_SIZES or len(head) < page_bytes + _META.size:
        return None
    metas = [_META.unpack_from(head, offset) for offset in (0, page_bytes)]
    if any(meta[0] != _MAGIC for meta in metas):
        return None
    _, _, _, last_page, _ = max(metas, key=lambda meta: int(meta[4]))
    return (int(last_page) + 1) * int(page_bytes)


def _every_page_can_be_read(data_file: Path, max_bytes: int) -> bool:
    command = [sys.executable, "-c", _READ_EVERYTHING, str(data_file.parent), str(max_bytes)]
    result = subprocess.run(  # noqa: S603  # our own interpreter, on a path that the operator chose
        command, capture_output=True, timeout=_CHECK_TIMEOUT_SECONDS, check=False
    )
    return result.returncode == 0

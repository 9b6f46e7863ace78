"""Whether there is room on the disk, asked where LMDB itself does not say.

A write that a full disk cuts short is "Input/output error" to LMDB, as if the disk were broken; and its lock file is
a memory map, where a page without room on the disk is no error at all, but SIGBUS.
"""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROBE_BYTES = 1024 * 1024
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
# LMDB's lock file: a head and 64 bytes for each reader.
_LOCK_HEAD_BYTES = 4096
_READER_BYTES = 64


def is_full(directory: Path) -> bool:
    """Whether the disk (or the quota) has no room for another ``PROBE_BYTES`` in this directory."""
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            _allocate(probe.fileno(), PROBE_BYTES)
    except OSError as error:
        return error.errno in NO_ROOM
    return False


def reserve_lock_file(path: Path, readers_max: int) -> None:
    """Give LMDB's lock file its room on the disk before it is mapped; raises OSError when there is none."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _allocate(descriptor, _LOCK_HEAD_BYTES + readers_max * _READER_BYTES)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, size_bytes: int) -> None:
    """Room on the disk for the first ``size_bytes`` of a file, whose content stays; raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size_bytes)
        return
    # macOS has no such call: what the file lacks at its end is written.
    end = os.fstat(descriptor).st_size
    if end < size_bytes and os.pwrite(descriptor, bytes(size_bytes - end), end) < size_bytes - end:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

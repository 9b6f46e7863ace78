"""The file that keeps a session's causal token between invocations of the command line.

One file per session name. A session belongs to the nodes that it was made with: the file has one token
per cluster, and a cluster is recognised by having an address in common. Invocations at the same time each
merge what they saw; a merge is done under a lock and replaces the file in one step, so that no crash leaves
half of it.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from client.causal_token import CausalToken
from client.errors import InvalidTokenError, SessionFileError, UsageError
from client.nodes import NODES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_DIRECTORY_VARIABLE = "CAUSALKV_STATE_DIR"
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
FORMAT = 1
# The clusters remembered under one name; beyond it the one used longest ago is forgotten, and starts anew.
CLUSTERS_MAX = 16
FILE_MAX_BYTES = 4 * 1024 * 1024
LOCK_TIMEOUT_SECONDS = 5.0
LOCK_POLL_SECONDS = 0.02


class ClusterEntry(msgspec.Struct, frozen=True):
    """What the session has seen at one cluster."""

    urls: list[str]
    token: str


class _Content(msgspec.Struct, frozen=True):
    """The file; clusters in the order of their last use, the latest last."""

    format: int
    clusters: list[ClusterEntry]


def state_directory() -> Path:
    """Return where sessions are kept: CAUSALKV_STATE_DIR, else causalkv under the user's state directory."""
    given = os.environ.get(STATE_DIRECTORY_VARIABLE)
    if given:
        return Path(given)
    platform = os.environ.get("XDG_STATE_HOME", "")
    if Path(platform).is_absolute():  # the XDG specification has relative ones ignored
        return Path(platform) / "causalkv"
    try:
        return Path.home() / ".local" / "state" / "causalkv"
    except RuntimeError:
        raise SessionFileError(f"no home directory to keep the session in: set {STATE_DIRECTORY_VARIABLE}") from None


class SessionFile:
    """The kept session of one name, seen from one cluster.

    Every method raises SessionFileError when the file or its directory cannot be used.
    """

    def __init__(self, name: str, urls: tuple[str, ...], directory: Path) -> None:
        if not NAME_PATTERN.fullmatch(name):
            raise UsageError(
                f"{name[:80]!r} is not a session's name: use 1 to 64 letters, digits, '_', '-' or '.', no '.' first"
            )
        self.name = name
        self.path = directory / f"{name}.json"
        self._urls = urls
        self._directory = directory

    def load(self) -> CausalToken:
        """Return the kept token, empty when there is none yet.

        Takes the lock, though reading needs none: a directory that cannot be written to is to be found out
        before a request is sent, not after.
        """
        with self._locked():
            entry = self._own_entry(self._read())
            return CausalToken() if entry is None else CausalToken.parse(entry.token)

    def save(self, token: CausalToken) -> None:
        """Merge a token into the kept one, which never moves back."""
        with self._locked():
            content = self._read()
            entry = self._own_entry(content)
            urls = list(self._urls)
            if entry is not None:
                token |= CausalToken.parse(entry.token)
                urls = list(dict.fromkeys([*urls, *entry.urls]))[:NODES_MAX]
            others = [other for other in content.clusters if other is not entry]
            clusters = [*others, ClusterEntry(urls, str(token))][-CLUSTERS_MAX:]
            self._replace(msgspec.json.encode(_Content(FORMAT, clusters)))

    def reset(self) -> bool:
        """Forget the session of this name, at all clusters, also when the file is corrupt; tell if there was one."""
        with self._locked():
            try:
                self.path.unlink()
            except FileNotFoundError:
                return False
            return True

    def _own_entry(self, content: _Content) -> ClusterEntry | None:
        """Find the cluster that shares an address with the current one; of several, the latest used."""
        own = set(self._urls)
        return next((entry for entry in reversed(content.clusters) if own.intersection(entry.urls)), None)

    def _read(self) -> _Content:
        try:
            with self.path.open("rb") as file:
                data = file.read(FILE_MAX_BYTES + 1)
        except FileNotFoundError:
            return _Content(FORMAT, [])
        try:
            content = msgspec.json.decode(data, type=_Content)
            for entry in content.clusters:
                CausalToken.parse(entry.token)
        except (msgspec.MsgspecError, UnicodeDecodeError, InvalidTokenError) as error:
            raise self._corrupt(str(error)) from None
        if content.format != FORMAT or len(data) > FILE_MAX_BYTES:
            raise self._corrupt(f"it has format {content.format} and {len(data)} bytes")
        return content

    def _corrupt(self, reason: str) -> SessionFileError:
        return SessionFileError(
            f"the session file {self.path} is damaged ({reason}): forget it with "
            f"`python -m client session reset --session {self.name}`, or go without with --no-session"
        )

    def _replace(self, data: bytes) -> None:
        """Put new content in place in one step, durable before it becomes visible."""
        # A fixed name is safe under the lock, and what a crash leaves behind is overwritten.
        draft = self.path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock that all invocations with this session name share."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Beside the session file, not the file itself: that is replaced, and a lock would stay on the old one.
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._wait_for_lock(descriptor)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SessionFileError(
                f"the session file {self.path} cannot be used: {error.strerror or error}: "
                f"set {STATE_DIRECTORY_VARIABLE} to a directory of yours, or go without with --no-session"
            ) from None

    def _wait_for_lock(self, descriptor: int) -> None:
        retrying = Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            stop=stop_after_delay(LOCK_TIMEOUT_SECONDS),
            wait=wait_fixed(LOCK_POLL_SECONDS),
        )
        try:
            retrying(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except RetryError:
            raise SessionFileError(
                f"another process has had {self.path.with_suffix('.lock')} locked for {LOCK_TIMEOUT_SECONDS:g} s: "
                "end it, or use another --session"
            ) from None

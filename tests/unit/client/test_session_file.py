from __future__ import annotations

import fcntl
import multiprocessing
import os
import stat
from typing import TYPE_CHECKING

import pytest

from client import session_file
from client.causal_token import CausalToken
from client.errors import SessionFileError, UsageError
from client.session_file import CLUSTERS_MAX, SessionFile, state_directory

if TYPE_CHECKING:
    from pathlib import Path

URLS = ("http://127.0.0.1:8001", "http://127.0.0.1:8002")
SEEN = CausalToken({"node1~abcd": 3})


def test_a_saved_token_is_loaded_by_the_next_invocation(tmp_path: Path) -> None:
    """A session goes on where the former invocation left it."""
    SessionFile("default", URLS, tmp_path).save(SEEN)
    assert SessionFile("default", URLS, tmp_path).load() == SEEN


def test_a_session_that_was_never_saved_has_seen_nothing(tmp_path: Path) -> None:
    """A new name begins a new session."""
    assert SessionFile("default", URLS, tmp_path / "new").load() == CausalToken()


def test_a_saved_token_never_moves_back(tmp_path: Path) -> None:
    """What a slower invocation saw earlier is merged in."""
    file = SessionFile("default", URLS, tmp_path)
    file.save(CausalToken({"node1~abcd": 3, "node2~abcd": 1}))
    file.save(CausalToken({"node1~abcd": 2, "node3~abcd": 1}))
    assert file.load() == CausalToken({"node1~abcd": 3, "node2~abcd": 1, "node3~abcd": 1})


def test_sessions_of_different_names_are_apart(tmp_path: Path) -> None:
    """What one session saw, another does not wait for."""
    SessionFile("alice", URLS, tmp_path).save(SEEN)
    assert SessionFile("bob", URLS, tmp_path).load() == CausalToken()


def test_a_session_does_not_follow_to_other_nodes(tmp_path: Path) -> None:
    """Another cluster knows nothing of the replicas of this one; each keeps its own token."""
    elsewhere = ("http://127.0.0.1:9001",)
    SessionFile("default", URLS, tmp_path).save(SEEN)
    assert SessionFile("default", elsewhere, tmp_path).load() == CausalToken()
    SessionFile("default", elsewhere, tmp_path).save(CausalToken({"other~abcd": 1}))
    assert SessionFile("default", URLS, tmp_path).load() == SEEN


def test_a_session_follows_to_a_cluster_that_shares_a_node(tmp_path: Path) -> None:
    """Naming some of the nodes, or one more, is still the same cluster."""
    SessionFile("default", URLS, tmp_path).save(SEEN)
    grown = (URLS[1], "http://127.0.0.1:8003")
    SessionFile("default", grown, tmp_path).save(CausalToken({"node3~abcd": 1}))
    assert SessionFile("default", URLS[:1], tmp_path).load() == CausalToken({"node1~abcd": 3, "node3~abcd": 1})


def test_the_cluster_used_longest_ago_is_forgotten_at_the_limit(tmp_path: Path) -> None:
    """The file does not grow with every cluster that ever was."""
    clusters = [(f"http://127.0.0.1:{port}",) for port in range(9000, 9000 + CLUSTERS_MAX + 1)]
    for urls in clusters:
        SessionFile("default", urls, tmp_path).save(SEEN)
    loaded = [bool(SessionFile("default", urls, tmp_path).load()) for urls in clusters]
    assert loaded == [False] + [True] * CLUSTERS_MAX


def test_only_the_user_can_read_the_file_and_its_directory(tmp_path: Path) -> None:
    """A token tells what somebody read and wrote."""
    old_mask = os.umask(0)
    try:
        file = SessionFile("default", URLS, tmp_path / "state")
        file.save(SEEN)
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_a_crash_before_the_file_is_replaced_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is never half of a file, and what a crash leaves behind does not stop the next save."""
    file = SessionFile("default", URLS, tmp_path)
    file.save(SEEN)
    more = SEEN | CausalToken({"node2~abcd": 1})

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            file.save(more)
    assert file.load() == SEEN
    file.save(more)
    assert file.load() == more


def _save_often(directory: Path, worker: int) -> None:
    # Nobody waits for his turn so long, but the lock knows no turns, and the disk may be busy.
    session_file.LOCK_TIMEOUT_SECONDS = 60.0
    for count in range(1, 21):
        SessionFile("default", URLS, directory).save(CausalToken({f"node{worker}~abcd": count}))


def test_invocations_at_the_same_time_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """Each merges what it saw into what the others saved."""
    processes = [
        multiprocessing.get_context("spawn").Process(target=_save_often, args=(tmp_path, n)) for n in (1, 2, 3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert SessionFile("default", URLS, tmp_path).load() == CausalToken({f"node{n}~abcd": 20 for n in (1, 2, 3)})


def test_a_lock_that_is_never_released_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stuck process cannot make others wait for ever."""
    monkeypatch.setattr(session_file, "LOCK_TIMEOUT_SECONDS", 0.1)
    file = SessionFile("default", URLS, tmp_path)
    with (tmp_path / "default.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SessionFileError, match="locked for"):
            file.load()
    assert file.load() == CausalToken()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff", b"[]", b'{"format": 1}', b'{"format": 2, "clusters": []}',
     b'{"format": 1, "clusters": [{"urls": ["http://127.0.0.1:9"], "token": "nonsense"}]}'],
)  # fmt: skip
def test_a_corrupt_file_is_refused_and_never_taken_for_empty(tmp_path: Path, content: bytes) -> None:
    """Going on without the token would silently break the session's promises; the error says how to reset."""
    file = SessionFile("alice", URLS, tmp_path)
    file.path.write_bytes(content)
    with pytest.raises(SessionFileError, match="session reset --session alice"):
        file.load()
    with pytest.raises(SessionFileError, match="damaged"):
        file.save(SEEN)
    assert file.path.read_bytes() == content


def test_a_corrupt_file_can_be_reset(tmp_path: Path) -> None:
    """The way out that the error names works."""
    file = SessionFile("default", URLS, tmp_path)
    file.path.write_bytes(b"nonsense")
    assert file.reset()
    assert file.load() == CausalToken()
    assert not file.reset()


def test_a_directory_that_cannot_be_used_is_found_out_at_the_start(tmp_path: Path) -> None:
    """Not after the request was sent."""
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(SessionFileError, match="--no-session"):
        SessionFile("default", URLS, tmp_path / "file").load()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "x" * 65, "a b", "ä"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """A session's name cannot lead out of the directory."""
    with pytest.raises(UsageError):
        SessionFile(name, URLS, tmp_path)


def test_sessions_are_kept_where_the_platform_keeps_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CAUSALKV_STATE_DIR, else the XDG state directory, else the home directory's."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CAUSALKV_STATE_DIR", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state_directory() == tmp_path / "home" / ".local" / "state" / "causalkv"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_directory() == tmp_path / "xdg" / "causalkv"
    monkeypatch.setenv("CAUSALKV_STATE_DIR", str(tmp_path / "own"))
    assert state_directory() == tmp_path / "own"

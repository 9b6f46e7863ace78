"""Errors that nobody foresaw: 503 in the same form as everything else, the reason in the log alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog
from flask import Flask
from waitress.task import WSGITask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.http.conftest import ServedNode

SECRET = "what went wrong inside"  # noqa: S105  # the words that must not reach a client


@pytest.fixture
def log() -> Iterator[list[dict[str, object]]]:
    """What is logged meanwhile."""
    with structlog.testing.capture_logs() as entries:
        yield entries  # type: ignore[misc]  # structlog's entries are dicts


def fail(*_: object, **__: object) -> None:
    """Raise what no code expects."""
    raise RuntimeError(SECRET)


def test_an_unforeseen_error_in_a_view_is_503(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch, log: list[dict[str, object]]
) -> None:
    """It is logged with its route, the token comes back, and nothing says that a write may be repeated."""
    monkeypatch.setattr(node.node.service.reading, "read", fail)
    answer = node.get("x", "n1~abcd=1")
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers
    assert answer.headers["X-Causal-Context"] == "n1~abcd=1"
    assert SECRET not in answer.text
    (entry,) = [each for each in log if each["log_level"] == "error"]
    assert entry["route"] == "/get"
    assert SECRET in str(entry["exc_info"])


@pytest.mark.parametrize("path", ["/nothing", "/healthz"])
def test_an_unforeseen_error_outside_of_every_view_is_503(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch, log: list[dict[str, object]], path: str
) -> None:
    """Where Flask itself would have answered 500, and where a request goes past Flask."""
    monkeypatch.setattr(Flask, "request_context", fail)
    monkeypatch.setattr(node.node.metrics, "http_request", fail)
    answer = node.http.get(path)
    assert answer.status_code == 503
    assert answer.headers["X-Causal-Context"] == ""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "error" in answer.json()
    assert SECRET not in answer.text
    assert [each for each in log if each["log_level"] == "error"]


def test_an_unforeseen_error_in_the_server_is_503(node: ServedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where waitress would have answered 500 in plain text."""
    monkeypatch.setattr(WSGITask, "get_environment", fail)
    answer = node.http.get("/healthz", headers={"X-Causal-Context": "n1~abcd=1"})
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"
    assert "error" in answer.json()
    assert SECRET not in answer.text

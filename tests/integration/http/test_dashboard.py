"""The dashboard as a node serves it; tests/browser looks at it in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.http.conftest import ServedNode


def test_the_page_is_served_at_the_root(node: ServedNode) -> None:
    """Whatever the query says, to GET and HEAD alike."""
    for path in ("/", "/?utm=1", "/?"):
        answer = node.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert 'content="node1"' in answer.text
    assert node.http.head("/").headers["Content-Length"] == str(len(node.http.get("/").content))
    assert node.http.post("/").status_code == 405


def test_the_files_of_the_page_are_served_below_it(node: ServedNode) -> None:
    """And nothing else is."""
    answer = node.http.get("/dashboard/app.js")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    for path in ("/dashboard", "/dashboard/", "/dashboard/none.js", "/dashboard/a/b", "/dashboard/..%2f__init__.py"):
        refused = node.http.get(path)
        assert refused.status_code == 404, path
        assert refused.json()["error"]


def test_status_says_what_the_page_needs_to_know(node: ServedNode) -> None:
    """Which limits were reached, and whether faults may be put in force: without a request that fails."""
    status = node.http.get("/status").json()
    assert status["limits_reached"] == {}
    assert status["faults_allowed"] is False

"""The conversation in docs/http.md, word for word."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.http.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).parents[3] / "docs" / "http.md"
EXAMPLE = re.compile(r"^ +(GET|POST) (\S+) *(.*)\n +(\d{3}) (\{.*)$", re.MULTILINE)
HEADER = re.compile(r"(X-[A-Za-z-]+): (\S+)")
LEFT_OUT = "…"


def examples() -> Iterator[tuple[str, str, str, int, dict[str, Any]]]:
    """Method, path, what follows it, status and body of the answer."""
    for method, path, more, status, answer in EXAMPLE.findall(REFERENCE.read_text()):
        yield method, path, more, int(status), json.loads(answer)


def test_the_reference_shows_what_a_node_answers(tmp_path: Path) -> None:
    """Each example follows the one before it, on a fresh node."""
    count = 0
    with serving(tmp_path) as node:
        for method, path, more, status, shown in examples():
            if method == "POST":
                answer = node.http.post(path, content=more, headers={"Content-Type": "application/json"})
            else:
                answer = node.http.get(path, headers=dict(HEADER.findall(more)))
            body = answer.json()
            if shown.get("error") == LEFT_OUT:
                shown["error"] = body["error"]
            if "ttl" in shown:
                assert shown["ttl"] - 60 < body.pop("ttl") <= shown.pop("ttl") + 1
            assert (answer.status_code, body) == (status, shown), (method, path, more)
            count += 1
    assert count == 25

"""What counts as printed: the comparison itself must be able to say no."""

from __future__ import annotations

import pytest

from tests.integration.documentation.printed import is_printed

TABLE = """
 node    ready   url
 ──────────────────────
 node1   yes     http://x
"""


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("x = 5\n", "x = 5\n"),
        ("x = 5", "x = 5   \n\n"),
        ("waits for node1~abc123:2", "waits for node1~zz9yx8:2"),
        ("k-00ff00 then k-00ff00", "k-123abc then k-123abc"),
        ("vc […]", "vc [1, 2, 3]"),
        ("since 2026-11-29T12:00:00.000Z", "since 2027-01-02T03:04:05.678Z"),
        ("first\n…\nlast", "first\nlast"),
        ("first\n…\nlast", "first\na\nb\nlast"),
        ("first\n…", "first\nand more\nof it"),
        (" node  ready  url\n ────\n node1  yes  http://x", TABLE),
    ],
)
def test_it_is_printed(shown: str, printed: str) -> None:
    """On either stream."""
    assert is_printed(shown, printed, "")
    assert is_printed(shown, "", printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("x = 5", ""),
        ("x = 5", "x = 6"),
        ("x = 5", "x = 55"),
        ("x = 5", "x = 5\ny = 6"),
        ("x = 5", "y = 6\nx = 5"),
        ("node1~abc123:2", "node1~abc123:3"),
        ("k-00ff00 then k-00ff00", "k-123abc then k-123abd"),
        ("vc […]", "vc 1, 2, 3"),
        ("vc […] end", "vc [1]\n end"),
        ("first\n…\nlast", "first\nlost"),
        ("a b", "a  b"),
    ],
)
def test_it_is_not_printed(shown: str, printed: str) -> None:
    """Neither too much nor too little, and nothing else."""
    assert not is_printed(shown, printed, "")
    assert not is_printed(shown, "", printed)


def test_both_streams_together_count() -> None:
    """As a terminal shows them, where a command says something on both."""
    assert is_printed("x = 5\ncausalkv: done", "x = 5\n", "causalkv: done\n")
    assert not is_printed("causalkv: done\nx = 5", "x = 5\n", "causalkv: done\n")

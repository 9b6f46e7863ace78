"""Whether a program prints what a page shows.

What differs from run to run is masked by its form: incarnations (``~06vwjk``) and suffixes of keys (``-d292bb``) stand
for any other, but equal ones for equal ones; a moment stands for any moment. ``…`` stands for anything in its line, and
alone in a line for any lines. How wide columns are, and where lines are blank, does not matter.
"""

from __future__ import annotations

import difflib
import re

LEFT_OUT = "…"
VARYING = "[a-z0-9]{6}"
MOMENT = r"\d{4}-\d\d-\d\dT[\d:.]+Z"
MASKED = re.compile(
    r"(?P<varying>(?<=~)[a-z0-9]{6}\b|(?<=[a-z]-)[0-9a-f]{6}\b)|(?P<left_out>…)|(?P<rule>─{2,})|(?P<blanks> {2,})"
    rf"|(?P<moment>{MOMENT})"
)
PRINTED = {"left_out": r"[^\n]*?", "rule": "─{2,}", "blanks": " {2,}", "moment": MOMENT}


def pattern_of(shown: str) -> re.Pattern[str]:
    """What a program may print where a page shows this text."""
    names: dict[str, str] = {}
    return re.compile("".join(_line_pattern(line, names) for line in shown.splitlines() if line.strip()))


def _line_pattern(line: str, names: dict[str, str]) -> str:
    if line.strip() == LEFT_OUT:
        return r"(?:[^\n]*\n)*?"
    parts: list[str] = []
    position = 0
    line = line.rstrip()
    for found in MASKED.finditer(line):
        parts.append(re.escape(line[position : found.start()]))
        position = found.end()
        kind = found.lastgroup
        if kind == "varying":
            is_known = found[0] in names
            name = names.setdefault(found[0], f"v{len(names)}")
            parts.append(f"(?P={name})" if is_known else f"(?P<{name}>{VARYING})")
        elif kind is not None:
            parts.append(PRINTED[kind])
    return "".join(parts) + re.escape(line[position:]) + "\n"


def difference(shown: str, printed: str) -> str:
    """What a page shows beside what was printed, for whoever has to mend one of them."""
    lines = difflib.unified_diff(
        shown.rstrip().splitlines(), printed.rstrip().splitlines(), "shown", "printed", lineterm="", n=100
    )
    return "\n".join(lines)


def is_printed(shown: str, stdout: str, stderr: str) -> bool:
    """Whether this is all that a program printed: on one of the two streams, or on both, one behind the other."""
    pattern = pattern_of(shown)
    return any(pattern.fullmatch(_trimmed(text)) for text in (stdout, stderr, stdout + stderr) if text.strip())


def _trimmed(printed: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines() if line.strip())

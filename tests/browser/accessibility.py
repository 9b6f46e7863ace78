"""Checks that find what keeps people out, as functions for the page: each returns what is wrong, in words."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

CHECK_NAMES = (_HERE / "check_names.js").read_text(encoding="utf-8")
CHECK_CONTRAST = (_HERE / "check_contrast.js").read_text(encoding="utf-8")

"""Prometheus and its tool, which test alert rules and queries: the system's, never downloaded from elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path


def find_promtool() -> Path | None:
    """Where the tool lies that checks rules and configurations; None: there is none."""
    return _find("promtool")


def find_prometheus() -> Path | None:
    """Where the server lies; None: there is none."""
    return _find("prometheus")


def _find(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None

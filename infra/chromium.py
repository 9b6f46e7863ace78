"""The browser in which the dashboard is tested: the system's Chromium, which is never downloaded from elsewhere.

The shell is the same engine without the browser's own windows, which cost as much as the page that is tested.
"""

from __future__ import annotations

import shutil
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable")


def find_chromium() -> Path | None:
    """Where the program lies; None: there is none."""
    return next((Path(found) for found in map(shutil.which, NAMES) if found), None)

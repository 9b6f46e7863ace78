"""The proxy that docs/security.md puts in front of a node: the system's nginx."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Not on every user's PATH.
EXTRA_PATH = ("/usr/sbin", "/usr/local/sbin")


def find_nginx() -> Path | None:
    """Where the program lies; None: there is none."""
    found = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), *EXTRA_PATH)))
    return Path(found) if found else None

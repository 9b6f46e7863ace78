"""The dashboard's files on a small server of their own, under the policy that a node sends with them."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

from infra.ports import LOOPBACK

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "node" / "dashboard"
PAGES = ROOT / "tests" / "browser" / "pages"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Handler(SimpleHTTPRequestHandler):
    """Serves the pages of the tests, and below /dashboard/ the files that a node serves."""

    def translate_path(self, path: str) -> str:
        """Where the file of a request lies."""
        name = urlsplit(path).path.lstrip("/")
        directory, _, file = name.rpartition("/")
        return str((DASHBOARD if directory == "dashboard" else PAGES) / Path(file).name)

    def end_headers(self) -> None:
        """The policy goes with every answer, and nothing is kept by the browser."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
        """Say nothing."""


class StaticFiles:
    """The server; use as a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer((LOOPBACK, 0), partial(_Handler, directory=str(PAGES)))
        self._thread = Thread(target=self._server.serve_forever, name="static-files", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

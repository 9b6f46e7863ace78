"""The dashboard: the page at ``/`` and its files, which are read once, and what a browser may do with them.

A sixth of the files is what people read: comments and indentation. Browsers get them without, and packed.

The Content-Security-Policy lets the page load its own files and nothing else, run no code that is written into it, and
talk to the members of the cluster alone. The page is told these members, because it cannot read its own policy: one
that joins later needs the page to be loaded again.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from werkzeug.http import parse_accept_header

import node
from node.http.answers import Reply
from node.http.errors import NotServedError
from node.http.routes import FAULT, MALFORMED, Documented, Route

if TYPE_CHECKING:
    from node.http.origins import MemberOrigins
    from node.http.routes import Exchange

DIRECTORY = Path(node.__file__).parent / "dashboard"
PAGE = "index.html"
FILES_PATH = "/dashboard/"
HTML = "text/html"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": f"{HTML}; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
# Where the page is told whose it is, and which origins it may talk to.
NODE_MARK = b"{{node}}"
ORIGINS_MARK = b"{{origins}}"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {origins}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
)
_SHOWN_CHARACTERS_MAX = 80
_BLOCK_COMMENT = re.compile(rb"^ */\*.*?\*/ *$", re.MULTILINE | re.DOTALL)
_LINE_COMMENT_OR_INDENT = re.compile(rb"^ *(//.*)?", re.MULTILINE)


class _File(NamedTuple):
    content: bytes
    packed: bytes
    content_type: str


class DashboardView:
    """The views on the page of ``node_id`` and its files."""

    def __init__(self, node_id: str, origins: MemberOrigins, directory: Path = DIRECTORY) -> None:
        self._origins = origins
        self._files = {file.name: _read(file) for file in sorted(directory.iterdir()) if file.suffix in CONTENT_TYPES}
        # Node ids and origins are made of characters that mean nothing in HTML.
        self._page = self._files.pop(PAGE).content.replace(NODE_MARK, node_id.encode())

    def routes(self) -> list[Route]:
        """The routes served here. The files are a part of the page, and described with it."""
        return [
            Route(
                "/",
                "GET",
                self.page,
                "The dashboard, for a browser; its files stand under /dashboard/",
                (Documented(200, "a page", (), HTML), MALFORMED, FAULT),
                query=None,
            ),
            Route(
                f"{FILES_PATH}<name>",
                "GET",
                self.file,
                "A file of the dashboard",
                (MALFORMED, Documented(404, "no such file"), FAULT),
                query=None,
                is_described=False,
            ),
        ]

    def page(self, _exchange: Exchange) -> Reply:
        """GET /."""
        page = self._page.replace(ORIGINS_MARK, " ".join(self._origins.listed).encode())
        return Reply(200, page, headers=self._headers(), content_type=CONTENT_TYPES[".html"])

    def file(self, exchange: Exchange) -> Reply:
        """GET /dashboard/<name>."""
        name = exchange.environ["PATH_INFO"].removeprefix(FILES_PATH)
        if name not in self._files:
            raise NotServedError(f"the dashboard has no file {name[:_SHOWN_CHARACTERS_MAX]!r}: open / in a browser")
        content, packed, content_type = self._files[name]
        headers = (*self._headers(), ("Vary", "Accept-Encoding"))
        if _takes_gzip(exchange.environ.get("HTTP_ACCEPT_ENCODING", "")):
            content, headers = packed, (*headers, ("Content-Encoding", "gzip"))
        return Reply(200, content, headers=headers, content_type=content_type)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        origins = " ".join(("'self'", *self._origins.listed))
        return ("Content-Security-Policy", _POLICY.format(origins=origins)), *_HEADERS


def _read(file: Path) -> _File:
    content = without_what_people_read(file.read_bytes()) if file.suffix in (".js", ".css") else file.read_bytes()
    return _File(content, gzip.compress(content, mtime=0), CONTENT_TYPES[file.suffix])


def without_what_people_read(source: bytes) -> bytes:
    """JavaScript or CSS without its indentation and the comments that fill whole lines; lines keep their numbers.

    For sources in which no text goes over several lines: a test looks after that.
    """
    bare = _BLOCK_COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), source)
    return _LINE_COMMENT_OR_INDENT.sub(b"", bare)


def _takes_gzip(accepted: str) -> bool:
    return parse_accept_header(accepted).quality("gzip") > 0

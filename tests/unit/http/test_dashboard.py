from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import pytest

from node.core.vector_clock import VectorClock
from node.http.answers import Reply
from node.http.dashboard import CONTENT_TYPES, DIRECTORY, PAGE, DashboardView, without_what_people_read
from node.http.errors import NotServedError
from node.http.origins import MemberOrigins
from node.http.routes import Exchange

if TYPE_CHECKING:
    from pathlib import Path


TOTAL_MAX_BYTES = 200 * 1024
FILES = sorted(DIRECTORY.iterdir())
SOURCES = [file for file in FILES if file.suffix in (".js", ".css", ".html")]
# What would load or run something else than the page's own files, or read data as HTML.
NOT_ALLOWED = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTML|srcdoc"
    r"|\bstyle=|\bon[a-z]+=\"|@import|\burl\(|importScripts|DOMParser"
)
ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/2000/svg)[a-z0-9]")


@pytest.fixture
def view() -> DashboardView:
    """The page of node1, which knows one other member."""
    return DashboardView("node1", MemberOrigins("http://127.0.0.1:8001", list))


def get(view: DashboardView, path: str, accepted: str = "") -> Reply:
    """The answer to a GET."""
    route = view.routes()[path != "/"]
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": accepted}
    reply = route.view(Exchange(environ, VectorClock(), 0))
    assert isinstance(reply, Reply)
    return reply


def policy(reply: Reply) -> dict[str, list[str]]:
    """The Content-Security-Policy of an answer, by directive."""
    text = dict(reply.headers)["Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in text.split(";"))}


def test_the_page_and_its_files_stay_small(view: DashboardView) -> None:
    """All of them together, as a browser gets them; packed they are a fraction of that."""
    names = ["/", *(f"/dashboard/{file.name}" for file in FILES if file.name != PAGE)]
    assert sum(len(get(view, name).body) for name in names) < TOTAL_MAX_BYTES
    assert sum(len(get(view, name, "gzip").body) for name in names) < TOTAL_MAX_BYTES / 2


def test_browsers_get_code_without_comments_and_indentation_on_the_same_lines() -> None:
    """What stands behind code on a line stays, as does everything within a text."""
    source = b"""// About it.
/**
 * What it does.
 */
export function f(a) {
  /* Why. */
  const text = "// no comment /* this neither */"; // but this
    return a
      * 2 /* and this */;
}
"""
    bare = without_what_people_read(source)
    assert bare.count(b"\n") == source.count(b"\n")
    assert bare.split(b"\n") == [
        b"",
        b"",
        b"",
        b"",
        b"export function f(a) {",
        b"",
        b'const text = "// no comment /* this neither */"; // but this',
        b"return a",
        b"* 2 /* and this */;",
        b"}",
        b"",
    ]


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix == ".js"], ids=lambda file: file.name)
def test_no_text_goes_over_several_lines(file: Path) -> None:
    """Within one, what looks like a comment or an indentation would not be one."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        assert line.count("`") % 2 == 0, number


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5, br", True),
        ("GZIP ; q=1.0", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("x-gzip", False),
    ],
)
def test_files_are_packed_for_who_takes_them_so(view: DashboardView, accepted: str, *, is_packed: bool) -> None:
    """Unpacked they are what they are for others."""
    reply = get(view, "/dashboard/app.js", accepted)
    headers = dict(reply.headers)
    assert headers["Vary"] == "Accept-Encoding"
    assert (headers.get("Content-Encoding") == "gzip") is is_packed
    content = gzip.decompress(reply.body) if is_packed else reply.body
    assert content == without_what_people_read((DIRECTORY / "app.js").read_bytes())


def test_every_file_of_the_page_is_served_with_its_type(view: DashboardView) -> None:
    """A browser told not to guess runs a module only when it is called JavaScript."""
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert {file.suffix for file in FILES} == set(CONTENT_TYPES)
    for file in FILES:
        if file.name != PAGE:
            reply = get(view, f"/dashboard/{file.name}")
            assert reply.status == 200
            assert reply.content_type == f"{types[file.suffix]}; charset=utf-8"
            source = file.read_bytes()
            assert reply.body == (source if file.suffix == ".svg" else without_what_people_read(source))


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/none.js",
        "/dashboard/index.html",
        "/dashboard/../settings.py",
        "/dashboard/..%2f..%2fsettings.py",
        "/dashboard//etc/passwd",
        "/dashboard/APP.JS",
    ],
)
def test_nothing_but_these_files_is_served(view: DashboardView, path: str) -> None:
    """Files are read at the start: a path leads nowhere else."""
    with pytest.raises(NotServedError, match="open / in a browser"):
        get(view, path)


def test_the_page_may_load_its_own_files_and_talk_to_members_alone(view: DashboardView) -> None:
    """No inline code, no other host, in no frame."""
    for path in ("/", "/dashboard/app.js"):
        found = policy(get(view, path))
        assert found == {
            "default-src": ["'none'"],
            "script-src": ["'self'"],
            "style-src": ["'self'"],
            "img-src": ["'self'"],
            "connect-src": ["'self'", "http://127.0.0.1:8001"],
            "base-uri": ["'none'"],
            "form-action": ["'none'"],
            "frame-ancestors": ["'none'"],
        }
        headers = dict(get(view, path).headers)
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_page_is_told_whose_it_is_and_whom_it_may_ask(view: DashboardView) -> None:
    """It cannot read its own policy."""
    page = get(view, "/").body.decode()
    assert '<meta name="causalkv-node" content="node1">' in page
    assert '<meta name="causalkv-origins" content="http://127.0.0.1:8001">' in page
    assert "{{" not in page


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_no_file_names_another_host_or_reads_data_as_html(file: Path) -> None:
    """What is shown is set as text; what is loaded is the page's own."""
    text = file.read_text(encoding="utf-8")
    assert NOT_ALLOWED.findall(text) == []
    assert ELSEWHERE.findall(text) == []


def test_every_module_and_style_that_is_named_is_there() -> None:
    """A name that is misspelt would end the page."""
    names = {file.name for file in FILES}
    page = (DIRECTORY / PAGE).read_text(encoding="utf-8")
    named = set(re.findall(r'(?:src|href)="dashboard/([^"]+)"', page))
    for file in SOURCES:
        named.update(re.findall(r'(?:from|import) "\./([^"]+)"', file.read_text(encoding="utf-8")))
    assert named <= names
    assert names - named == {PAGE}

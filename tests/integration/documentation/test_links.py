"""Every link in the project's pages leads somewhere, every picture is shown, and none comes from another host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.integration.documentation.markdown import ROOT, page_names, read_page
from tests.pictures.screenshots import PICTURE_MAX_BYTES, PICTURES

if TYPE_CHECKING:
    from tests.integration.documentation.markdown import Link

PAGES = (*page_names(), "ARCHITECTURE.md", "CHANGELOG.md")
ELSEWHERE = re.compile(r"https?://\S+")
# Addresses of the reader's own machine; all others are documents that somebody else keeps.
OWN_MACHINE = re.compile(r"http://(localhost|127\.0\.0\.1)\b")


def links(page: str) -> list[Link]:
    """Those that lead within the project."""
    return [link for link in read_page(page).links if not ELSEWHERE.fullmatch(link.target)]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_project_leads_to_a_file_and_a_heading(page: str) -> None:
    """Also those to a heading of the page itself."""
    for link in links(page):
        path, _, anchor = unquote(link.target).partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}:{link.line}: there is no {link.target}"
        assert file.resolve().is_relative_to(ROOT), f"{page}:{link.line}: {link.target} leads out of the project"
        if anchor:
            there = read_page(str(file.resolve().relative_to(ROOT)))
            assert anchor in there.anchors, f"{page}:{link.line}: {path or page} has no heading for #{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_links_to_other_hosts_are_https_and_none_of_them_is_a_picture(page: str) -> None:
    """But for the reader's own machine, and for those few documents that are served no other way."""
    for link in read_page(page).links:
        assert not (link.is_picture and ELSEWHERE.match(link.target)), f"{page}:{link.line}: a picture of another host"
        if link.target.startswith("http://") and not OWN_MACHINE.match(link.target):
            pytest.fail(f"{page}:{link.line}: {link.target} is not https")


def test_every_page_is_reached_from_the_readme() -> None:
    """Over any number of links."""
    reached, left = set[str](), ["README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        for link in links(page):
            file = ((ROOT / page).parent / link.target.partition("#")[0]).resolve()
            name = str(file.relative_to(ROOT))
            if file.suffix == ".md" and name not in reached:
                left.append(name)
    assert set(page_names()) <= reached


def test_every_picture_is_small_is_shown_and_says_in_words_what_it_shows() -> None:
    """For those who do not see it, too."""
    shown = set()
    for page in PAGES:
        for link in read_page(page).links:
            if link.is_picture:
                assert len(link.text) > 20, f"{page}:{link.line}: say in words what {link.target} shows"
                shown.add(((ROOT / page).parent / link.target).resolve())
    there = {path for path in PICTURES.iterdir() if path.suffix in (".png", ".svg")}
    assert shown == there
    for path in there:
        assert path.stat().st_size <= PICTURE_MAX_BYTES, path.name

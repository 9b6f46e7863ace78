"""The project's pages, taken apart: fenced blocks, headings with their anchors, links and pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[3]
TARGETS = {"a": "href", "img": "src"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; ``line`` is where its fence stands, ``heading`` the last one above it.

    ``language`` is the first word behind the fence, ``name`` what follows it.
    """

    page: str
    line: int
    heading: str
    language: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a page leads; ``is_picture``: what is there is shown in the page."""

    page: str
    line: int
    target: str
    text: str
    is_picture: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``anchors`` are the addresses of its headings, in their order."""

    name: str
    blocks: tuple[Block, ...]
    indented: tuple[int, ...]
    headings: tuple[str, ...]
    anchors: tuple[str, ...]
    links: tuple[Link, ...]


def page_names() -> list[str]:
    """README.md and all of docs/, as paths from the project's root."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@cache
def read_page(name: str) -> Page:
    """Take a page apart."""
    tokens = MarkdownIt("commonmark").enable("table").parse((ROOT / name).read_text(encoding="utf-8"))
    headings = tuple(_headings(tokens))
    return Page(
        name,
        tuple(_blocks(name, tokens)),
        tuple(_line(token) for token in tokens if token.type == "code_block"),
        headings,
        tuple(_anchors(headings)),
        tuple(_links(name, tokens)),
    )


def _blocks(page: str, tokens: list[Token]) -> Iterator[Block]:
    heading = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            heading = _plain(token)
        if token.type == "fence":
            language, _, name = token.info.strip().partition(" ")
            yield Block(page, _line(token), heading, language, name.strip(), token.content)


def _headings(tokens: list[Token]) -> Iterator[str]:
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            yield _plain(token)


def _anchors(headings: tuple[str, ...]) -> Iterator[str]:
    """The addresses that GitHub gives to headings: the second of the same name gets a number."""
    given: dict[str, int] = {}
    for heading in headings:
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = given.get(anchor, 0)
        given[anchor] = count + 1
        yield f"{anchor}-{count}" if count else anchor


def _links(page: str, tokens: list[Token]) -> Iterator[Link]:
    for token in tokens:
        children = token.children or []
        for position, child in enumerate(children):
            target = child.attrs.get(TARGETS.get(child.tag, ""))
            if isinstance(target, str):
                text = child.content if child.type == "image" else _plain_of(children[position + 1 : position + 2])
                yield Link(page, _line(token), target, text, child.type == "image")


def _plain(token: Token) -> str:
    return _plain_of(token.children or [])


def _plain_of(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "code_inline", "image"))


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0

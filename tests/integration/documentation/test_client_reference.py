"""docs/client.md against the program: every command, option, method and error is there, and there are no others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

from client import AsyncClient, AsyncSession, Client, Session, Watch, errors
from client.cli import app
from client.invocation import (
    BROKEN_PIPE_EXIT,
    CLUSTER_EXIT,
    INTERRUPTED_EXIT,
    NOT_FOUND_EXIT,
    USAGE_EXIT,
    VIOLATION_EXIT,
)
from client.requests import WriteOptions
from tests.integration.documentation.markdown import ROOT, read_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer._click import Command

PAGE = "docs/client.md"
COMMON = {"--node", "--session", "--no-session", "--json", "--timeout"}
# Typer's own, and the other spelling of an option that is named.
SAID_OF_ALL = {"--install-completion", "--show-completion", "--no-late", "-y", "-f"}


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose head begins so, without its head."""
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {header}"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def quoted(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def commands(command: Command, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command with its options."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, {text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)}
        return
    for word, one in below.items():
        yield from commands(one, f"{name} {word}".strip())


def test_every_command_is_documented_with_its_own_options_and_no_other() -> None:
    """As the table has them."""
    documented = {}
    for command, _, options in rows("command"):
        words = re.match(r"[a-z ]+", quoted(command)[0])
        assert words
        documented[words[0].strip()] = set(quoted(options))
    there = {}
    for name, known in commands(typer.main.get_command(app)):
        there[name] = {text for text in known if text.startswith("-")} - COMMON - SAID_OF_ALL
    assert documented == there


def test_the_options_of_all_commands_are_documented() -> None:
    """Below the table."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    for option in COMMON | {"--install-completion"}:
        assert f"`{option}" in text


def test_the_exit_codes_are_those_of_the_program() -> None:
    """One row for each."""
    codes = [int(row[0]) for row in rows("exit code")]
    known = [NOT_FOUND_EXIT, USAGE_EXIT, CLUSTER_EXIT, VIOLATION_EXIT, INTERRUPTED_EXIT, BROKEN_PIPE_EXIT]
    assert codes == [0, *known]


def test_every_method_is_documented_and_the_asyncio_twin_has_the_same() -> None:
    """Of clients, sessions and watches."""
    client = {re.sub(r"\(.*", "", name) for row in rows("`Client(") for name in quoted(row[0])}
    assert client == public(Client) == public(AsyncClient)
    table = rows("`Session`")
    session = {re.sub(r"\(.*", "", name) for row in table for name in quoted(row[0])}
    assert session == public(Session) == public(AsyncSession)
    [watch] = [row[1] for row in table if row[0] == "`watch`"]
    assert {re.sub(r"\(.*", "", name) for name in quoted(watch.partition("has")[2])} == public(Watch) - {"begin"}


def test_every_option_of_a_write_is_documented() -> None:
    """In the sentence below the tables."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    [sentence] = re.findall(r"^Every write takes (.*?)\. Clients", text, re.MULTILINE | re.DOTALL)
    assert set(quoted(sentence)) == set(WriteOptions.__annotations__)


def test_the_tree_of_errors_is_that_of_the_program() -> None:
    """Names and places; what stands beside a name is for people."""
    [block] = [block for block in read_page(PAGE).blocks if block.name == "errors"]
    shown = [re.match(r"( *)(\w+)", line) for line in block.text.splitlines()]
    assert [(len(line[1]) // 4, line[2]) for line in shown if line] == list(tree(errors.ClientError))


def tree(kind: type[errors.ClientError], depth: int = 0) -> Iterator[tuple[int, str]]:
    """An error and those below it that `client.errors` defines."""
    yield depth, kind.__name__
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below, depth + 1)


def public(kind: type) -> set[str]:
    """What a class offers."""
    return {name for name in dir(kind) if not name.startswith("_")}

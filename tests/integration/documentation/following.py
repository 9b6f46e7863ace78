"""Following a page: its blocks are carried out in their order, and what it shows must be what is printed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.integration.documentation.markdown import read_page
from tests.integration.documentation.plan import COVERED_ELSEWHERE, FILES, PLACES, PRINTED, RUNNABLE
from tests.integration.documentation.printed import difference, is_printed
from tests.integration.documentation.stages import broker_of_its_own, docker_compose, nodes_as_processes
from tests.integration.documentation.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.integration.documentation.markdown import Block
    from tests.integration.documentation.plan import Place
    from tests.integration.documentation.stages import Stage
    from tests.integration.documentation.terminal import Printed
    from tests.support.broker import PrivateBroker

COMPOSE = "docker compose"


def place_of(block: Block) -> Place:
    """Where a block is carried out."""
    places = PLACES[block.page]
    if len(places) == 1:
        return places[0]
    [elsewhere] = [place for place in places if place != "compose"]
    return "compose" if COMPOSE in block.text else elsewhere


def steps(page: str, place: Place) -> list[tuple[Block, list[Block]]]:
    """The blocks of a page that are carried out at this place, each with those that show what it prints."""
    found: list[tuple[Block, list[Block]]] = []
    for block in read_page(page).blocks:
        if block.language in (*RUNNABLE, *FILES):
            found.append((block, []))
        elif block.language in PRINTED and not block.name:
            assert found, f"{block}: shows what is printed, but there is nothing above it that prints"
            found[-1][1].append(block)
    return [(block, shown) for block, shown in found if place_of(block) == place]


@contextmanager
def stage_for(place: Place, directory: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """What blocks are carried out against."""
    if place == "compose":
        with docker_compose(directory) as stage:
            yield stage
        return
    if place == "own broker":
        with broker_of_its_own(directory) as stage:
            yield stage
        return
    broker: PrivateBroker = request.getfixturevalue("broker")
    with nodes_as_processes(directory, broker, faults=place == "nodes with faults") as stage:
        yield stage


def follow(page: str, place: Place, directory: Path, request: pytest.FixtureRequest) -> None:
    """Do what a page says at one place, as somebody who reads it from its beginning to its end."""
    with stage_for(place, directory, request) as stage:
        terminal = Terminal(stage.directory, stage.environment)
        try:
            for block, shown in steps(page, place):
                carry_out(block, shown, terminal, stage)
        finally:
            complaints = terminal.close()
        assert not complaints


def carry_out(block: Block, shown: list[Block], terminal: Terminal, stage: Stage) -> None:
    """Do what one block says."""
    if block.language in FILES:
        stage.install(block.name, block.text)
        return
    text = stage.here(_with_what_is_covered_elsewhere(block))
    printed = terminal.shell(text) if block.language == "sh" else terminal.python(text)
    why = f"{block}: exit code {printed.exit_code}\n{_all(printed)}"
    assert printed.exit_code == 0, f"{why}{terminal.said_elsewhere()}"
    for expected in shown:
        wanted = stage.here(expected.text)
        assert is_printed(wanted, printed.stdout, printed.stderr), f"{expected}:\n{difference(wanted, _all(printed))}"


def _with_what_is_covered_elsewhere(block: Block) -> str:
    instead = {covered.command: covered.instead for covered in COVERED_ELSEWHERE if covered.page == block.page}
    return "".join(f"{instead.get(command_of(line), line)}\n" for line in block.text.splitlines())


def command_of(line: str) -> str:
    """A line without its comment."""
    return line.partition(" #")[0].strip()


def _all(printed: Printed) -> str:
    return printed.stdout + printed.stderr

"""What the test of the pages knows of them is true: no block is skipped in silence, nothing is planned for nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.documentation.following import command_of, steps
from tests.integration.documentation.markdown import ROOT, page_names, read_page
from tests.integration.documentation.plan import COVERED_ELSEWHERE, FILES, NAMED, PARSED, PLACES, PRINTED, RUNNABLE

if TYPE_CHECKING:
    from tests.integration.documentation.plan import CoveredElsewhere


@pytest.mark.parametrize("page", page_names())
def test_no_block_of_a_page_is_skipped_in_silence(page: str) -> None:
    """Each has a kind that says what is done with it, and each page with something to carry out has its place."""
    for block in read_page(page).blocks:
        known = (*RUNNABLE, *PRINTED, *FILES, *PARSED)
        assert block.language in known, f"{block}: {block.language!r} is no kind of block: use one of {known}"
        if block.language in PRINTED:
            assert not block.name or (page, block.name) in NAMED, f"{block}: nobody holds the text {block.name!r}"
        elif block.language in FILES:
            assert block.name, f"{block}: say behind {block.language} where the file belongs"
        else:
            assert not block.name, f"{block}: {block.language} takes no name"
        assert block.language not in (*RUNNABLE, *FILES) or page in PLACES, f"{page} is to be followed: give it a place"
        for line in block.text.splitlines() if block.language == "sh" else ():
            assert not command_of(line).endswith("&"), f"{block}: nobody ends {line!r}: say that it runs until Ctrl-C"


def test_what_is_only_shown_is_well_formed() -> None:
    """JSON is parsed."""
    for page in page_names():
        for block in read_page(page).blocks:
            if block.language == "json":
                json.loads(block.text)


def test_indented_blocks_stand_only_where_a_test_of_their_own_reads_them() -> None:
    """The conversation in docs/http.md; elsewhere they would be neither carried out nor compared."""
    assert [page for page in page_names() if read_page(page).indented] == ["docs/http.md"]


def test_every_place_has_something_to_carry_out() -> None:
    """A page that lost its blocks leaves the plan, too."""
    for page, places in PLACES.items():
        for place in places:
            assert steps(page, place), f"{page} has nothing for {place}"


@pytest.mark.parametrize("covered", COVERED_ELSEWHERE, ids=lambda covered: f"{covered.page}: {covered.command}")
def test_what_is_covered_elsewhere_still_stands_in_its_page_and_has_its_test(covered: CoveredElsewhere) -> None:
    """Word for word: a command that changed must be looked at anew."""
    commands = [command_of(line) for block in read_page(covered.page).blocks for line in block.text.splitlines()]
    assert covered.command in commands
    _assert_is_there(covered.test)


@pytest.mark.parametrize("named", NAMED, ids=str)
def test_a_text_with_a_name_is_there_and_has_its_test(named: tuple[str, str]) -> None:
    """What is held by name is held by somebody."""
    page, name = named
    assert name in [block.name for block in read_page(page).blocks]
    _assert_is_there(NAMED[named])


def _assert_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not name or f"def {name}(" in text, f"there is no {test}"

"""Every block of README.md and docs/ is carried out against real nodes, and prints what stands below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.documentation.following import follow
from tests.integration.documentation.plan import PLACES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.documentation.plan import Place

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PLANNED = [(page, place) for page in PLACES for place in PLACES[page] if place != "compose"]


@pytest.mark.parametrize(("page", "place"), PLANNED, ids=str)
def test_the_blocks_of_a_page_work_and_print_what_it_shows(
    page: str, place: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In their order, as somebody who follows the page."""
    follow(page, place, tmp_path, request)

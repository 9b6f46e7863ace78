"""Those blocks of README.md and docs/ that need Docker Compose are carried out with it; see ``test_pages``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.documentation.following import follow
from tests.integration.documentation.plan import PLACES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("page", [page for page in PLACES if "compose" in PLACES[page]])
def test_the_blocks_of_a_page_work_and_print_what_it_shows(
    page: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In their order, as somebody who follows the page."""
    follow(page, "compose", tmp_path, request)

"""The pictures in docs/pictures are made by commands, and show what the system prints today."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.pictures.command_line import PLAYED, make
from tests.pictures.screenshots import PICTURE_MAX_BYTES, PICTURES
from tests.support.cluster import ClusterUnderTest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import PrivateBroker

ADDRESS = re.compile(r"\w+://[^\s\"'<)]+")
# The name of a language, not an address that anybody asks.
SVG = "http://www.w3.org/2000/svg"


@pytest.mark.broker
def test_the_pictures_of_the_command_line_can_be_made_anew(
    tmp_path: Path, broker: PrivateBroker, cluster_name: str
) -> None:
    """Small, with nothing of another host in them, and with as many lines as those in docs have."""
    with ClusterUnderTest(tmp_path / "nodes", broker.url, cluster=cluster_name, CAUSALKV_FAULTS="1") as cluster:
        make(tmp_path, cluster.urls)
    for picture in PLAYED:
        made, kept = ((folder / picture.name).read_text(encoding="utf-8") for folder in (tmp_path, PICTURES))
        assert {found for found in ADDRESS.findall(made) if found != SVG} == set()
        assert len(made.encode()) <= PICTURE_MAX_BYTES
        assert lines(made) == lines(kept), f"{picture.name} is old: python -m tests.pictures.command_line"


def lines(svg: str) -> int:
    """How many lines of text a picture has."""
    return len(re.findall(r'id="t-line-\d+"', svg))

"""The pictures of RabbitMQ's management UI in docs can be made anew, from what ``docker compose up`` gives."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.e2e.compose_cluster import NODES, eventually
from tests.pictures import management
from tests.pictures.screenshots import PICTURE_MAX_BYTES, PICTURES, WINDOW, chromium

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.compose_cluster import ComposeCluster

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return int(width), int(height)


def test_all_that_the_guide_shows_can_be_seen_by_the_user_that_looks(cluster: ComposeCluster, tmp_path: Path) -> None:
    """Whoever makes them waits for what each is about, and fails when it is not there; about as large as in docs."""
    with chromium() as browser:
        management.make(tmp_path, cluster, browser)
    for name in management.NAMES:
        made, kept = tmp_path / name, PICTURES / name
        assert made.stat().st_size <= PICTURE_MAX_BYTES
        assert kept.stat().st_size <= PICTURE_MAX_BYTES
        assert size(made)[0] == size(kept)[0] == WINDOW["width"]
        assert abs(size(made)[1] - size(kept)[1]) <= 60, f"{name} is old: python -m tests.pictures.management"
    for node in NODES:
        eventually(lambda node=node: cluster.is_ready(node), f"{node} is ready again")  # type: ignore[misc]  # bound at once

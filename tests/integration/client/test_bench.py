"""``client bench`` against real nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from client.bench.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.client.conftest import Outcome
    from tests.support.cluster import ClusterUnderTest

    Run = Callable[..., Outcome]

pytestmark = pytest.mark.broker


def test_every_case_that_the_nodes_serve_is_measured_without_errors(cluster: ClusterUnderTest, run: Run) -> None:
    """What they do not serve is skipped with a word; no key is left behind."""
    served = cluster["node1"].http.get("/openapi.json").json()["paths"]
    outcome = run("bench", "--seconds", "1", "--connections", "8", "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    report = json.loads(outcome.stdout)
    assert report["nodes"] == ["node1", "node2", "node3"]
    assert report["generator"]["ceiling_per_second"] > 0
    assert report["cases"].keys() == set(CASES)
    for name, found in report["cases"].items():
        if CASES[name].route not in served:
            assert CASES[name].route in found["skipped"]
            continue
        if found["errors"] or not found["requests"]:
            # A second may be too short for a busy machine; what is wrong is wrong in ten, too.
            again = run("bench", "--seconds", "10", "--connections", "8", "--only", name, "--json")
            found = json.loads(again.stdout)["cases"][name]  # noqa: PLW2901  # in place of what it was
        assert (found["errors"], found["first_error"]) == (0, ""), name
        assert found["requests"] > 0, name
        assert 0 < found["p50_ms"] <= found["p99_ms"], name
        assert found["operations_per_second"] == pytest.approx(
            found["requests_per_second"] * CASES[name].operations, rel=0.01
        )
    cluster.quiesce()


def test_a_person_gets_a_table_of_what_was_asked_for(run: Run) -> None:
    """And hears what the generator can do by itself."""
    outcome = run("bench", "--seconds", "0.3", "--only", "get", "--connections", "2")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert " get " in outcome.stdout
    assert " put " not in outcome.stdout
    assert "requests/s against a server that does nothing" in outcome.stdout

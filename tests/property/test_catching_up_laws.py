"""Whatever two replicas received of a history: once they have talked, both have all that either could apply."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from node.core.effects import SnapshotAdopted
from tests.support.strategies import History, histories, parts
from tests.unit.core.builders import Bench, only
from tests.unit.core.exchange import Exchange

# Each missing origin may have to wait its two seconds, one after the other.
ENOUGH_MS = 20_000


def _bench(node: str, history: History, part: list[int]) -> Bench:
    bench = Bench(node, founding=("here", "there"))
    for index in part:
        bench.receive(history.writes[index])
    return bench


def _forget_history(bench: Bench) -> None:
    """As if every member had had it all."""
    bench.disk.trimmed = bench.replica.clock
    bench.disk.kept.clear()
    bench.restart()


def _expected(history: History, *arrived: list[int]) -> tuple[Bench, set[int]]:
    """A replica that applied what can be applied of all that arrived anywhere, and the indexes of these writes."""
    applied = history.closed_part({index for part in arrived for index in part})
    return _bench("expected", history, sorted(applied)), applied


@given(histories(), st.data())
def test_repair_gives_exactly_the_missing_writes_and_each_of_them_once(history: History, data: st.DataObject) -> None:
    """Both ways, with writes held back on both sides; then both have the same state."""
    one, other = data.draw(parts(history)), data.draw(parts(history))
    here, there = _bench("here", history, one), _bench("there", history, other)
    exchange = Exchange(here, there)
    exchange.pass_time(ENOUGH_MS)
    expected, applied = _expected(history, one, other)
    assert here.disk.fingerprint() == there.disk.fingerprint() == expected.disk.fingerprint()
    missing = [history.writes[index].dot for part in (one, other) for index in applied - set(part)]
    assert sorted(exchange.writes_given) == sorted(missing)
    event(f"{len(missing)} writes given")


@given(histories(), st.data())
def test_a_snapshot_merged_into_a_replica_is_all_its_writes_applied(history: History, data: st.DataObject) -> None:
    """Whatever was applied or held here, and whoever of the two still has history."""
    one, other = data.draw(parts(history)), data.draw(parts(history))
    here, there = _bench("here", history, one), _bench("there", history, other)
    _forget_history(there)
    if data.draw(st.booleans(), label="nobody has history"):
        _forget_history(here)
    exchange = Exchange(here, there)
    exchange.pass_time(ENOUGH_MS)
    expected, applied = _expected(history, one, other)
    assert here.disk.fingerprint() == there.disk.fingerprint() == expected.disk.fingerprint()
    for bench, arrived in ((here, one), (there, other)):
        held = {history.writes[index].dot for index in set(arrived) - applied}
        assert {each.dot for each in bench.replica.held} == held == set(bench.disk.held)
    adopted = sum(len(only(effects, SnapshotAdopted)) for effects in exchange.effects.values())
    event(f"{adopted} snapshots")


@given(histories(), st.data())
def test_after_catching_up_the_rest_of_the_history_falls_into_place(history: History, data: st.DataObject) -> None:
    """Everything arrives once more, in any order: duplicates are dropped, and nothing stays held."""
    here = _bench("here", history, data.draw(parts(history)))
    there = _bench("there", history, data.draw(parts(history)))
    _forget_history(there)
    Exchange(here, there).pass_time(ENOUGH_MS)
    everything = range(len(history.writes))
    for index in data.draw(st.permutations(everything)):
        here.receive(history.writes[index])
    assert here.disk.fingerprint() == _expected(history, list(everything))[0].disk.fingerprint()
    assert len(here.replica.held) == 0

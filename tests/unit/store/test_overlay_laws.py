"""Whatever is written, carried over, adopted or crashed while a snapshot is merged: readers see the merge of dicts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from node.core.dot import Dot
from node.core.places import CounterPlace, MemberPlace, Place
from node.core.vector_clock import VectorClock
from node.core.versions import Versions, merged
from node.store.records import encode_versions, version_key
from tests.unit.store.merging import (
    ENDLESS_KEYS,
    State,
    adopt,
    open_store,
    records,
    shown,
    staged_records,
    version,
    write_state,
)

# Neighbours in byte order, keys that begin alike, keys that the database cannot hold; places of every type.
KEYS: tuple[Place, ...] = (
    *("a", "a\x00", "ab", "é", "k" * 511, "k" * 512, "k" * 700 + "1", "k" * 700 + "2"),
    *(CounterPlace("a"), CounterPlace("k" * 700)),
    *(MemberPlace("a", "1"), MemberPlace("a", "m" * 900), MemberPlace("k" * 700, "m" * 900)),
)
SEQ_MAX = 8


class Carry(NamedTuple):
    """Carry some keys over."""

    keys: int


class Put(NamedTuple):
    """Write keys in one transaction; each keeps those of its siblings that ``spared`` says."""

    keys: tuple[Place, ...]
    spared: tuple[bool, ...]
    is_delete: bool


class Reopen(NamedTuple):
    """The process ends, and starts again."""


class Snapshot(NamedTuple):
    """A peer's state: which of the writes of ``p`` and ``q`` it knows, and which of these are still there."""

    known: tuple[int, int]
    standing: frozenset[Dot]


Action = Carry | Put | Reopen | Snapshot

counts = st.tuples(st.integers(0, SEQ_MAX), st.integers(0, SEQ_MAX))
all_dots = [Dot(replica, seq) for replica in "pq" for seq in range(1, SEQ_MAX + 1)]
snapshots = st.builds(Snapshot, counts, st.frozensets(st.sampled_from(all_dots)))
actions = st.one_of(
    st.builds(Carry, st.integers(1, 4)),
    st.builds(
        Put,
        st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True).map(tuple),
        st.tuples(st.booleans(), st.booleans()),
        st.booleans(),
    ),
    st.builds(Reopen),
    snapshots,
)


class World:
    """A store, and beside it a dict in which everything happens at once."""

    def __init__(self, path: Path, places: dict[Dot, Place], begin: Snapshot) -> None:
        self._path = path
        self._places = places
        self.store = open_store(path)
        self.model = self._state(begin)
        self.known = _clock(begin)
        write_state(self.store, self.model)

    def _state(self, snapshot: Snapshot) -> State:
        state: State = {}
        clock = _clock(snapshot)
        for dot in sorted(snapshot.standing):
            if clock.covers(dot):
                key = self._places[dot]
                # A replica's later version of a key has replaced its earlier one.
                others = [each for each in state.get(key, ()) if each.dot.replica != dot.replica]
                state[key] = _ranked((*others, version(dot)))
        return state

    def do(self, action: Action) -> None:
        """One step in both."""
        match action:
            case Carry():
                self.store.carry_over(action.keys)
            case Reopen():
                self.store.close()
                self.store = open_store(self._path)
            case Put():
                self._write(action)
            case Snapshot():
                there, known_there = self._state(action), _clock(action)
                adopt(self.store, there, self.known, known_there)
                both = {
                    key: merged(self.model.get(key, ()), self.known, there.get(key, ()), known_there) for key in KEYS
                }
                self.model = {key: siblings for key, siblings in both.items() if siblings}
                self.known = self.known.merge(known_there)

    def _write(self, action: Put) -> None:
        # A write of replica r that nobody else has; it covers some of what it finds, and is concurrent with the rest.
        dot = Dot("r", self.known["r"] + 1)
        self.known = self.known.advanced_to(dot)
        with self.store.transaction() as transaction:
            transaction.expect(action.keys)
            for key in action.keys:
                found = transaction.versions(key)
                assert found == self.model.get(key, ())
                assert list(transaction.dots(key)) == [each.dot for each in found]
                kept = [each for each, is_spared in zip(found, (*action.spared, False), strict=False) if is_spared]
                siblings = _ranked((*kept, *(() if action.is_delete else (version(dot),))))
                transaction.set_versions(key, siblings)
                self.model[key] = siblings
        self.model = {key: siblings for key, siblings in self.model.items() if siblings}

    def check(self) -> None:
        """Readers see exactly the dict."""
        assert shown(self.store) == self.model
        with self.store.reader() as cut:
            assert [cut.versions(key) for key in KEYS] == [self.model.get(key, ()) for key in KEYS]
            assert dict(cut.conflicts("")).items() <= self.conflicts().items()

    def conflicts(self) -> dict[Place, Versions]:
        """The keys with several versions."""
        return {place: found for place, found in self.model.items() if isinstance(place, str) and len(found) > 1}


def _clock(snapshot: Snapshot) -> VectorClock:
    return VectorClock({replica: count for replica, count in zip("pq", snapshot.known, strict=True) if count})


def _ranked(siblings: Versions) -> Versions:
    return tuple(sorted(siblings, key=lambda each: (each.timestamp, each.dot.replica), reverse=True))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(KEYS), min_size=len(all_dots), max_size=len(all_dots)),
    snapshots,
    st.lists(actions, min_size=1, max_size=8),
)
def test_a_merge_on_disk_is_the_merge_of_dicts_at_every_moment_and_byte_for_byte(
    places: list[Place], begin: Snapshot, steps: list[Action]
) -> None:
    """After each step readers see the merge; at the end the table holds its records and nothing else."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory) / "data", dict(zip(all_dots, places, strict=True)), begin)
        for step in steps:
            world.do(step)
            world.check()
        world.store.carry_over(ENDLESS_KEYS)
        world.check()
        expected = {version_key(key): encode_versions(key, siblings) for key, siblings in world.model.items()}
        assert records(world.store) == expected
        assert staged_records(world.store) == 0
        with world.store.reader() as cut:
            assert dict(cut.conflicts("")) == world.conflicts()
            assert cut.conflict_count() == len(world.conflicts())
        world.store.close()

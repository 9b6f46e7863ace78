"""Which keys hold more than one version, so that nobody has to look through all keys to find them.

The table names places in the table of versions. It may name one too many, never one too few: who reads it looks at
the versions themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.errors import StoreCorruptedError
from node.store.records import dots_of_record, is_register, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.core.places import Place
    from node.core.versions import Versions
    from node.store.transaction import Tables

_KNOWN_KEY = b"conflicts known"
_NOTHING = b""


class Conflicts:
    """The table in one write transaction."""

    def __init__(self, transaction: Any, table: Any) -> None:
        self._transaction = transaction
        self._table = table
        self._may_be_named: set[Place] = set()

    def seen(self, place: Place) -> None:
        """A place that had more than one version, or may have had."""
        self._may_be_named.add(place)

    def changed(self, staged: Mapping[Place, Versions]) -> None:
        """These are the versions of these places now."""
        self._name(version_key(place) for place, siblings in staged.items() if len(siblings) > 1)
        if self._may_be_named:
            staged_too = self._may_be_named & staged.keys()
            self._forget(version_key(place) for place in staged_too if len(staged[place]) <= 1)

    def merged(self, versions: Iterable[tuple[bytes, Versions]]) -> None:
        """These are the versions of these places now, whatever they were."""
        several = {key: len(siblings) > 1 for key, siblings in versions}
        self._name(key for key, are_several in several.items() if are_several)
        self._forget(key for key, are_several in several.items() if not are_several)

    def _name(self, keys: Iterable[bytes]) -> None:
        registers = sorted(filter(is_register, keys))
        if registers:
            self._transaction.cursor(db=self._table).putmulti([(key, _NOTHING) for key in registers])

    def _forget(self, keys: Iterable[bytes]) -> None:
        registers = sorted(filter(is_register, keys))
        if registers:
            # Mostly none of them is there, and one call finds that out.
            for key, _ in self._transaction.cursor(db=self._table).getmulti(registers):
                self._transaction.delete(key, db=self._table)


def name_all(transaction: Any, tables: Tables) -> None:
    """Fill the table, once, in a database that was made before there was one."""
    if transaction.get(_KNOWN_KEY, db=tables.meta) is not None:
        return
    several = [
        (key, _NOTHING)
        for key, record in transaction.cursor(db=tables.versions)
        if is_register(key) and _are_several(record)
    ]
    transaction.cursor(db=tables.conflicts).putmulti(several)
    transaction.put(_KNOWN_KEY, _NOTHING, db=tables.meta)


def _are_several(record: bytes) -> bool:
    try:
        return len(dots_of_record(record)) > 1
    except StoreCorruptedError:  # whoever reads the key hears of it
        return True


def named_after(transaction: Any, table: Any, behind: bytes) -> Iterator[bytes]:
    """The places named behind one, in the order of the table of versions; empty: from the first."""
    cursor = transaction.cursor(db=table)
    if cursor.set_range(behind) if behind else cursor.first():
        yield from (key for key in cursor.iternext(keys=True, values=False) if key != behind)

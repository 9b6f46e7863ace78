"""Where places stand in the table: never two in one spot, keys and members in byte order, however long they are."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.core.places import CounterPlace, MemberPlace
from node.core.vector_clock import VectorClock
from node.errors import StoreCorruptedError
from node.operation_codec import KEY_MAX_BYTES, MEMBER_MAX_BYTES
from node.store.records import LMDB_KEY_MAX_BYTES, decode_dots, decode_versions, encode_versions, version_key
from tests.unit.store.merging import adopt, open_store, shown, versions, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.core.places import Place
    from node.store import Store

ONE = versions("p:1")

# Lengths around every cut, beginnings that agree, and characters of one to four bytes.
_LENGTHS = (1, 2, 221, 222, 223, 253, 254, 255, 477, 478, 479, 480, 509, 510, 511, 512, 1023, 1024)
_ENDS = ("", "\x00", "a", "b", "é", "日", "😀", "\U0010ffff", "\x00a")


def _texts(max_bytes: int) -> st.SearchStrategy[str]:
    long = st.builds(
        lambda fill, length, end: _shortened(fill * length + end, max_bytes),
        st.sampled_from(["k", "é", "日"]),
        st.sampled_from(_LENGTHS),
        st.sampled_from(_ENDS),
    )
    return st.text(min_size=1, max_size=5) | long | long


def _shortened(text: str, max_bytes: int) -> str:
    """The end of a text, as much as fits."""
    return text.encode()[-max_bytes:].decode(errors="ignore")


keys = _texts(KEY_MAX_BYTES)
members = _texts(MEMBER_MAX_BYTES)
places: st.SearchStrategy[Place] = st.one_of(keys, st.builds(CounterPlace, keys), st.builds(MemberPlace, keys, members))


@given(places, places)
@example("k" * 511, "k" * 512)
@example(CounterPlace("k"), MemberPlace("k", "k"))
@example(MemberPlace("k", "ab"), MemberPlace("ka", "b"))
@example(MemberPlace("k" * 254, "m"), MemberPlace("k" * 255, "m"))
def test_two_places_never_stand_in_one_spot(one: Place, other: Place) -> None:
    """Whatever their types and their lengths."""
    assert (version_key(one) == version_key(other)) == (one == other)


@given(places)
def test_a_place_fits_into_the_table(place: Place) -> None:
    """The database itself has no room for more."""
    assert 0 < len(version_key(place)) <= LMDB_KEY_MAX_BYTES


@given(places, places)
def test_a_record_knows_its_place(one: Place, other: Place) -> None:
    """It comes back under its own, and is refused under any other."""
    record = encode_versions(one, ONE)
    assert decode_versions(record, one) == ONE
    assert decode_dots(record, one) == [ONE[0].dot]
    if one != other:
        for decode in (decode_versions, decode_dots):
            with pytest.raises(StoreCorruptedError, match="belongs to"):
                decode(record, other)


# Sought among 200 million: the digest of this key is text.
MADE_ON_PURPOSE = "k" * 512 + "000196514562"


def cut_plainly(name: bytes, max_bytes: int) -> bytes:
    """A name cut, its digest as it comes."""
    digest = hashlib.sha256(name).digest()
    return name[: max_bytes - len(digest)] + digest


def test_no_other_name_can_be_what_a_cut_name_looks_like() -> None:
    """A digest that happens to be text makes a name of full length that would meet the cut one."""
    long = MADE_ON_PURPOSE
    twin = cut_plainly(long.encode(), LMDB_KEY_MAX_BYTES).decode()
    assert len(twin.encode()) == LMDB_KEY_MAX_BYTES
    assert version_key(long) != version_key(twin)


# ---------------------------------------------------------------------------------------- in order


def _stores(directory: str, content: list[Place]) -> Iterator[Store]:
    """The same content: in the own table; half of it in a snapshot that is being merged; and half carried over."""
    plain = open_store(Path(directory) / "plain")
    write_state(plain, dict.fromkeys(content, ONE))
    yield plain
    plain.close()
    merging = open_store(Path(directory) / "merging")
    write_state(merging, dict.fromkeys(content[::2], ONE))
    adopt(merging, dict.fromkeys(content[1::2], versions("q:1")), VectorClock({"p": 1}), VectorClock({"q": 1}))
    yield merging
    merging.carry_over(max(1, len(content) // 2))
    yield merging
    merging.close()


def _in_byte_order(texts: list[str]) -> list[str]:
    return sorted(texts, key=str.encode)


@settings(max_examples=60, deadline=None)
@given(st.lists(places, max_size=25, unique=True), st.just("") | keys, st.sampled_from(["", "k", "k" * 479, "é", "kk"]))
def test_a_scan_gives_keys_in_byte_order_from_any_key_on(content: list[Place], after: str, prefix: str) -> None:
    """Keys that are cut too, of any prefix, behind any key, and while a snapshot is merged; registers alone."""
    registers = _in_byte_order([place for place in content if isinstance(place, str)])
    expected = [key for key in registers if key.startswith(prefix) and key.encode() > after.encode()]
    with tempfile.TemporaryDirectory() as directory:
        for store in _stores(directory, content):
            with store.reader() as cut_of_all:
                assert [key for key, _ in cut_of_all.scan(prefix, after)] == expected
                assert all(len(found) == 1 for _, found in cut_of_all.scan(prefix, after))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["s", "k" * 254, "k" * 255, "k" * 1024]),
    st.lists(members, max_size=20, unique=True),
    st.lists(places, max_size=5, unique=True),
    st.just("") | members,
)
def test_the_members_of_a_set_come_in_byte_order_from_any_member_on(
    key: str, named: list[str], others: list[Place], after: str
) -> None:
    """Those of this set alone, also when its name is cut."""
    content: list[Place] = [MemberPlace(key, member) for member in named]
    content += [place for place in others if not (isinstance(place, MemberPlace) and place.key == key)]
    content += [MemberPlace(key + "!", "m"), MemberPlace(key[:-1] + "!", "m")]
    content = list(dict.fromkeys(content))
    expected = [member for member in _in_byte_order(named) if member.encode() > after.encode()]
    with tempfile.TemporaryDirectory() as directory:
        for store in _stores(directory, content):
            with store.reader() as cut_of_all:
                assert [member for member, _ in cut_of_all.members(key, after)] == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(places, max_size=25, unique=True))
def test_every_place_is_listed_once_and_found_by_its_name(content: list[Place]) -> None:
    """Of all types: this is what a snapshot is made of."""
    with tempfile.TemporaryDirectory() as directory:
        for store in _stores(directory, content):
            assert set(shown(store)) == set(content)


def test_a_page_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """Asking behind the last key of each page gives every key once, in order, also among keys that begin alike."""
    store = open_store(tmp_path)
    content = [f"{'k' * 600}{number:03}" for number in range(50)] + [f"a{number}" for number in range(30)]
    write_state(store, dict.fromkeys(content, ONE))
    found: list[str] = []
    with store.reader() as cut_of_all:
        while page := [key for key, _ in itertools.islice(cut_of_all.scan("", found[-1] if found else ""), 7)]:
            found += page
    assert found == _in_byte_order(content)
    store.close()

"""What is encoded comes back the same, byte for byte where bytes count."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from node.codec import decode_echo, decode_message, decode_write, encode_message, encode_write
from node.core.write import Put, Write
from node.operation_codec import KEY_MAX_BYTES, SEQ_MAX
from tests.support.writes import NODE1, NODE2, delete_write, put_write, write_of
from tests.unit.shell.messages import SENDER, body_of, valid_message, valid_write, value_texts, writes


def without_encoding(write: Write) -> Write:
    """The write as its maker had it."""
    return write._replace(encoded=b"")


@given(writes())
def test_a_write_comes_back_as_it_was(write: Write) -> None:
    """Unicode keys, keys of full length and nested values included; values keep their bytes."""
    encoded = encode_write(write)
    decoded = decode_write(encoded)
    assert without_encoding(decoded) == write
    assert decoded.encoded == encoded
    assert encode_write(decoded) == encoded


@given(st.lists(writes(SENDER), min_size=1, max_size=4))
def test_a_message_carries_its_writes_in_order(made: list[Write]) -> None:
    """What a message carries is what its sender handed over."""
    body = encode_message(SENDER, [encode_write(write) for write in made])
    assert [without_encoding(write) for write in decode_message(body)] == made
    assert decode_echo(body, SENDER, SEQ_MAX) == [write.dot.seq for write in made]
    assert decode_echo(body, NODE1, SEQ_MAX) is None


@given(value_texts)
def test_a_value_is_never_re_encoded(text: bytes) -> None:
    """Equal states are equal byte for byte, so spelling and spaces inside a value are kept."""
    operation = decode_write(encode_write(put_write(NODE1, 1, value=text))).operations[0]
    assert isinstance(operation, Put)
    assert operation.value == text


def test_keys_of_full_length_pass() -> None:
    """The limit counts bytes, not characters."""
    for key in ("k" * KEY_MAX_BYTES, "é" * (KEY_MAX_BYTES // 2), "😀" * (KEY_MAX_BYTES // 4)):
        assert decode_write(encode_write(put_write(NODE1, 1, key))).keys == (key,)


def test_numbers_keep_what_python_would_round() -> None:
    """A value is text to the nodes: neither trailing zeros nor integers beyond 64 bits are touched."""
    for text in (b"1.10", b"123456789012345678901234567890", b"1E3", b'"\\u00e9"'):
        operation = decode_write(encode_write(put_write(NODE1, 1, value=text))).operations[0]
        assert isinstance(operation, Put)
        assert operation.value == text


def test_a_body_reads_well_for_an_operator() -> None:
    """The management UI shows keys, values and the vector clock as they are."""
    first, second = put_write(NODE2, 1, "x", b'"5"', node1=3), delete_write(NODE2, 2, "y")
    body = encode_message(NODE2, [encode_write(first), encode_write(second)])
    assert json.loads(body) == {
        "format": 3,
        "sender": NODE2,
        "writes": [
            {
                "replica": NODE2,
                "seq": 1,
                "vector_clock": {NODE1: 3, NODE2: 1},
                "timestamp": [1_700_000_000_001, 0],
                "ops": [{"op": "put", "key": "x", "value": "5"}],
            },
            {
                "replica": NODE2,
                "seq": 2,
                "vector_clock": {NODE2: 2},
                "timestamp": [1_700_000_000_002, 0],
                "ops": [{"op": "delete", "key": "y"}],
            },
        ],
    }


def test_unknown_fields_are_tolerated_everywhere() -> None:
    """A later version may say more without older nodes rejecting it."""
    write = valid_write() | {"signature": "…"}
    write["ops"][0]["ttl"] = 5
    message = valid_message(write) | {"compressed": False, "more": [{"deep": [1]}]}
    assert [each.dot.seq for each in decode_message(body_of(message))] == [1]


def test_clocks_are_put_in_order_whatever_the_order_in_the_message() -> None:
    """Equal clocks are equal, and are stored alike."""
    write = valid_write() | {"vector_clock": {SENDER: 1, "node1~aaaaaa": 3}}
    decoded = decode_message(body_of(valid_message(write)))[0]
    assert list(decoded.clock) == ["node1~aaaaaa", SENDER]
    assert decoded.clock == decode_message(body_of(valid_message()))[0].clock


def test_a_write_of_many_operations_comes_back() -> None:
    """A batch is one write."""
    write = write_of(NODE1, 1, tuple(Put(f"k{n}", b'{"a":[{"b":%d}]}' % n) for n in range(500)))
    message = encode_message(NODE1, [encode_write(write)])
    assert without_encoding(decode_message(message)[0]) == write

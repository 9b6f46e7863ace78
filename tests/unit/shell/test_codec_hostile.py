"""Bodies that nobody meant well: each is refused with a reason, and nothing but a refusal comes out."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.codec import decode_echo, decode_message, decode_write
from node.errors import MessageRejectedError
from node.operation_codec import SEQ_MAX
from tests.unit.shell.messages import SENDER, body_of, json_values, valid_message, valid_write

VALID = body_of(valid_message(valid_write(1), valid_write(2)))


def is_refused(body: bytes) -> bool:
    """Whether a body is refused; anything but writes or a refusal fails the test."""
    for decode in (decode_write, lambda raw: decode_echo(raw, SENDER, SEQ_MAX)):
        with contextlib.suppress(MessageRejectedError):
            decode(body)
    try:
        writes = decode_message(body)
    except MessageRejectedError:
        return True
    assert all(write.dot.replica == SENDER for write in writes)
    return False


@given(st.binary(max_size=300))
@example(b"")
@example(b"\x00" * 100)
@example(b"\xff\xfe[\x00")
@example(b"\xef\xbb\xbf" + VALID)
@example(VALID.decode().encode("utf-16"))
def test_random_bytes_are_refused(body: bytes) -> None:
    """A body of any bytes."""
    assert is_refused(body)


@given(json_values)
def test_valid_json_of_another_shape_is_refused(value: Any) -> None:
    """Whatever it is, it is no message."""
    assert is_refused(json.dumps(value).encode())


@given(st.integers(0, len(VALID) - 1))
def test_a_truncated_message_is_refused(length: int) -> None:
    """Cut anywhere."""
    assert is_refused(VALID[:length])


@given(st.integers(0, len(VALID) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_message_never_surprises(place: int, inserted: bytes, removed: int) -> None:
    """It may still be a message; if not, it is refused."""
    is_refused(VALID[:place] + inserted + VALID[place + removed :])


@given(json_values, st.sampled_from(["format", "sender", "writes"]))
def test_any_value_in_a_field_of_the_envelope_never_surprises(value: Any, field: str) -> None:
    """Types, sizes and shapes of all kinds."""
    is_refused(body_of(valid_message() | {field: value}))


@given(json_values, st.sampled_from(["replica", "seq", "vector_clock", "timestamp", "ops"]))
def test_any_value_in_a_field_of_a_write_never_surprises(value: Any, field: str) -> None:
    """Types, sizes and shapes of all kinds."""
    is_refused(body_of(valid_message(valid_write() | {field: value})))


def with_value(text: bytes) -> bytes:
    """A message whose value is this text, whatever it is."""
    write = valid_write() | {"ops": [{"op": "put", "key": "x", "value": "HERE"}]}
    return body_of(valid_message(write)).replace(b'"HERE"', text)


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"1e" + b"9" * 1000,
        b"9" * 5000,
        b"01",
        b"+1",
        b".5",
        b"'x'",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800": 1}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'"a\nb"',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 1000,
        b"[1,]",
        b"{1: 2}",
        b"",
        b"nul",
    ],
    ids=lambda value: str(value[:20]),
)
def test_a_value_that_some_client_could_not_read_is_refused(value: bytes) -> None:
    """Numbers beyond all ranges, lone surrogates, bytes that are not UTF-8, depth without end, not JSON."""
    assert is_refused(with_value(value))


@pytest.mark.parametrize(
    "value", [b'{"a": 1, "a": 2}', b'"\\u0000"', b'"\\ud83d\\ude00"', b"1e-400", b"-0", b"9" * 300, b"1." + b"0" * 9999]
)
def test_a_value_that_is_only_strange_passes(value: bytes) -> None:
    """Duplicate names, escapes, tiny and long numbers are JSON; every node keeps the same bytes."""
    assert not is_refused(with_value(value))


@pytest.mark.parametrize("text", [b"9" * 5000, b"1e400", b"-" + b"9" * 5000, b"1E3", b"null"])
@pytest.mark.parametrize("field", [b'"seq": 1', b'"format": 1', b'"node1~aaaaaa": 3'])
def test_numbers_beyond_all_ranges_are_refused_in_every_field(field: bytes, text: bytes) -> None:
    """Python's own limits on numbers do not show."""
    name = field.partition(b":")[0]
    body = body_of(valid_message())
    assert field in body
    assert is_refused(body.replace(field, name + b": " + text))


def test_a_name_given_twice_means_the_last_one() -> None:
    """On every node alike, so that no two of them read the same message differently."""
    body = body_of(valid_message())
    assert not is_refused(body.replace(b'"seq": 1', b'"seq": 7, "seq": 1'))
    assert is_refused(body.replace(b'"seq": 1', b'"seq": 1, "seq": 7'))
    assert not is_refused(body.replace(b'"node2~bbbbbb": 1', b'"node2~bbbbbb": 9, "node2~bbbbbb": 1'))


def test_a_refusal_never_quotes_much_of_the_message() -> None:
    """The reason travels in a header and stands in logs."""
    for body in (
        body_of(valid_message() | {"sender": "x" * 1_000_000}),
        body_of(valid_message(valid_write() | {"vector_clock": {SENDER: 1, "y" * 1_000_000: 1}})),
        body_of(valid_message(valid_write() | {"ops": [{"op": "z" * 1_000_000}]})),
        body_of(valid_message(valid_write() | {"replica": "r" * 1_000_000})),
    ):
        with pytest.raises(MessageRejectedError) as error:
            decode_message(body)
        assert len(str(error.value)) < 1000

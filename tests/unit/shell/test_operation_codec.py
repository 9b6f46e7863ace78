"""Operations as they travel: what each of them may say, and the one text of a set's member."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.codec import decode_message, decode_write, encode_write
from node.core.write import AddMembers, Increment, Put, RemoveMembers
from node.errors import MessageRejectedError
from node.operation_codec import INCREMENT_MAX, KEY_MAX_BYTES, MEMBER_MAX_BYTES, SEQ_MAX, TTL_MAX_MS, canonical
from tests.support.writes import NODE1, write_of
from tests.unit.shell.messages import body_of, json_values, valid_message, valid_write, value_texts

ADD = {"op": "sadd", "key": "s"}
EXPIRE = {"op": "expire", "key": "x", "replica": "node1~aaaaaa", "seq": 3}


def _refusal(operation: dict[str, Any], instead: bytes = b"") -> str:
    """Why a message with this operation is refused; ``instead`` is the text that stands for ``"HERE"``."""
    body = body_of(valid_message(valid_write() | {"ops": [operation]}))
    if instead:
        assert b'"HERE"' in body
        body = body.replace(b'"HERE"', instead)
    with pytest.raises(MessageRejectedError) as error:
        decode_message(body)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 1_000
    return text


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "incr", "key": "c"}, "missing required field `by`"),
        ({"op": "incr", "key": "c", "by": INCREMENT_MAX + 1}, f"Expected `int` <= {INCREMENT_MAX}"),
        ({"op": "incr", "key": "c", "by": -INCREMENT_MAX - 1}, f"Expected `int` >= -{INCREMENT_MAX}"),
        ({"op": "incr", "key": "c", "by": 10**400}, "Expected `int`"),
        ({"op": "incr", "key": "c", "by": 1.5}, "Expected `int`, got `float`"),
        ({"op": "incr", "key": "c", "by": "1"}, "Expected `int`, got `str`"),
        ({"op": "incr", "key": "c", "by": True}, "Expected `int`, got `bool`"),
        ({"op": "incr", "key": "", "by": 1}, "length >= 1"),
        ({"op": "put", "key": "x", "value": 1, "ttl_ms": -1}, "Expected `int` >= 0"),
        ({"op": "put", "key": "x", "value": 1, "ttl_ms": TTL_MAX_MS + 1}, f"Expected `int` <= {TTL_MAX_MS}"),
        ({"op": "put", "key": "x", "value": 1, "ttl_ms": 10**30}, "Expected `int`"),
        ({"op": "put", "key": "x", "value": 1, "ttl_ms": 0.5}, "Expected `int`, got `float`"),
        ({"op": "put", "key": "x", "value": 1, "ttl_ms": None}, "Expected `int`, got `null`"),
        (EXPIRE | {"replica": "node1"}, "'node1' is not a replica id such as node1~t5k2m1"),
        (EXPIRE | {"replica": ""}, "is not a replica id"),
        (EXPIRE | {"replica": "r" * 10_000}, "is not a replica id"),
        (EXPIRE | {"replica": 7}, "Expected `str`, got `int`"),
        (EXPIRE | {"seq": 0}, "Expected `int` >= 1"),
        (EXPIRE | {"seq": SEQ_MAX + 1}, f"Expected `int` <= {SEQ_MAX}"),
        ({"op": "expire", "key": "x"}, "missing required field"),
        (ADD, "missing required field `members`"),
        (ADD | {"members": []}, "length >= 1"),
        (ADD | {"members": {}}, "Expected `array`, got `object`"),
        (ADD | {"members": "a"}, "Expected `array`, got `str`"),
        (ADD | {"members": ["m" * (MEMBER_MAX_BYTES - 1)]}, f"longer than {MEMBER_MAX_BYTES} bytes"),
        (ADD | {"members": ["é" * (MEMBER_MAX_BYTES // 2)]}, f"longer than {MEMBER_MAX_BYTES} bytes"),
        (ADD | {"op": "srem", "members": [["m"] * MEMBER_MAX_BYTES]}, f"longer than {MEMBER_MAX_BYTES} bytes"),
        (ADD | {"op": "srem", "members": []}, "length >= 1"),
        (ADD | {"key": "é" * 513, "members": [1]}, f"a key is longer than {KEY_MAX_BYTES} bytes"),
    ],
    ids=str,
)
def test_an_operation_that_breaks_a_rule_is_refused(operation: dict[str, Any], words: str) -> None:
    """Each field of each operation; the reason says what would be right, and does not quote much."""
    assert words in _refusal(operation)


@pytest.mark.parametrize(
    "member",
    [
        *(b"NaN", b"Infinity", b"1e400", b"01", b"+1", b"'x'", b"nul", b"[1,]", b"{1: 2}", b"[" * 50),
        *(b'"\\ud800"', b'{"\\udc00": 1}', b'"\xff"', b'"\xed\xa0\x80"', b'"a\nb"'),
        *(b"[" * 500 + b"]" * 500, b'{"a":' * 500 + b"1" + b"}" * 500),
    ],
    ids=lambda member: str(member[:20]),
)
@pytest.mark.parametrize("kind", ["sadd", "srem"])
def test_a_member_that_is_no_json_for_everybody_is_refused(kind: str, member: bytes) -> None:
    """Not JSON, numbers beyond all ranges, lone surrogates, depth without end: as values are."""
    _refusal({"op": kind, "key": "s", "members": [1, "HERE"]}, member)


def test_the_extremes_of_each_operation_pass() -> None:
    """What the limits say is allowed."""
    longest = '"' + "m" * (MEMBER_MAX_BYTES - 2) + '"'
    write = write_of(
        NODE1,
        1,
        (
            Put("x", b"1", TTL_MAX_MS),
            Increment("é" * 512, -INCREMENT_MAX),
            Increment("c", INCREMENT_MAX),
            AddMembers("s", (longest, "null", "{}", "[]")),
            RemoveMembers("s", ("0",) * 1_000),
        ),
    )
    assert decode_write(encode_write(write)).operations == write.operations


def test_a_put_for_good_looks_as_it_did_before_there_were_others() -> None:
    """A node of an earlier version reads it, and history takes no more room."""
    assert b"ttl" not in encode_write(write_of(NODE1, 1, (Put("x", b"1"),)))
    assert b"request_id" not in encode_write(write_of(NODE1, 1, (Put("x", b"1"),)))


@pytest.mark.parametrize("request_id", ["r", "😀" * 128, ""])
def test_the_name_of_a_request_travels_with_its_write(request_id: str) -> None:
    """Up to 128 characters of any kind."""
    write = write_of(NODE1, 1, (Put("x", b"1"),))._replace(request_id=request_id)
    assert decode_write(encode_write(write)).request_id == request_id


@pytest.mark.parametrize("request_id", ["r" * 129, 7, None, ["r"]])
def test_a_name_that_is_too_long_or_no_text_is_refused(request_id: Any) -> None:
    """It would be kept by every node for an hour and more."""
    with pytest.raises(MessageRejectedError, match="request_id"):
        decode_message(body_of(valid_message(valid_write() | {"request_id": request_id})))


# ---------------------------------------------------------------------------------- canonical texts


@given(json_values, st.booleans(), st.sampled_from([None, 3]))
def test_all_spellings_of_a_value_are_one_member(value: Any, ascii_only: bool, indent: int | None) -> None:  # noqa: FBT001  # drawn
    """Blanks, escapes, and the order in which an object names its members say nothing."""
    spelled = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert canonical(spelled) == canonical(json.dumps(value, sort_keys=True).encode())


@given(value_texts)
@example(b"-0")
@example(b"-0.0")
@example(b"1e2")
@example(b"1e-400")
@example(b"123456789012345678901234567890")
@example(b"123456789012345678901234567890.0")
@example(b'{"a": 1, "a": 2}')
@example(b'"\\u2028\\ud83d\\ude00"')
def test_a_canonical_text_is_its_own(text: bytes) -> None:
    """So that every node that reads a member again names the same place."""
    once = canonical(text)
    assert canonical(once.encode()) == once
    assert json.loads(once) == json.loads(text)


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1.0"), ("1", '"1"'), ("null", '"null"'), ("[]", "{}"), ('""', "null")]
)
def test_values_of_different_types_are_different_members(one: str, other: str) -> None:
    """Also where some languages take them for equal."""
    assert canonical(one.encode()) != canonical(other.encode())


def test_members_of_a_message_are_taken_in_their_canonical_text() -> None:
    """Whoever made the message."""
    operation = ADD | {"members": [{"b": 1, "a": [1.50, "é"]}]}
    (write,) = decode_message(body_of(valid_message(valid_write() | {"ops": [operation]})))
    assert write.operations == (AddMembers("s", ('{"a":[1.5,"é"],"b":1}',)),)

"""Every rule that a message must keep, broken alone: the refusal says which one it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from node.codec import (
    CLOCK_MAX_ENTRIES,
    NESTING_MAX,
    decode_echo,
    decode_hello,
    decode_message,
    decode_write,
    encode_hello,
)
from node.core.hybrid_clock import PHYSICAL_MS_MAX
from node.errors import MessageRejectedError
from node.operation_codec import KEY_MAX_BYTES, SEQ_MAX
from node.senders import SenderRule
from tests.unit.shell.messages import SENDER, body_of, valid_message, valid_write

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED_USER = SenderRule(node_users=frozenset({"node1", "node2", "node3"}))
OWN_USERS = replace(SHARED_USER, proof_required=True)
ABSENT = object()


def changed(target: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy with one field changed, or left out when the value is ABSENT."""
    copy = {name: old for name, old in target.items() if name != field}
    return copy if value is ABSENT else copy | {field: value}


def refusal(body: bytes, decode: Callable[[bytes], object] = decode_message) -> str:
    """Why a body is refused; fails the test when it is not."""
    with pytest.raises(MessageRejectedError) as error:
        decode(body)
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("format", ABSENT, "missing required field `format`"),
        ("format", 4, "message format 4 is unknown here: this node reads formats 1, 2 and 3"),
        ("format", 0, "message format 0 is unknown here"),
        ("format", "1", "Expected `int`, got `str` - at `$.format`"),
        ("sender", ABSENT, "missing required field `sender`"),
        ("sender", 7, "Expected `str`, got `int` - at `$.sender`"),
        ("sender", "node2", "'node2' is not a replica id such as node1~t5k2m1"),
        ("sender", "node2~", "is not a replica id"),
        ("sender", "", "is not a replica id"),
        ("writes", ABSENT, "missing required field `writes`"),
        ("writes", [], "length >= 1 - at `$.writes`"),
        ("writes", {}, "Expected `array`, got `object` - at `$.writes`"),
        ("writes", [7], "not a write: Expected `object`, got `int`"),
        ("writes", [None], "not a write"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused(field: str, value: Any, words: str) -> None:
    """Each field of the envelope."""
    assert words in refusal(body_of(changed(valid_message(), field, value)))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("replica", ABSENT, "missing required field `replica`"),
        ("replica", 7, "Expected `str`, got `int` - at `$.replica`"),
        ("replica", "node3~cccccc", "must hold the write's own dot, 1 for replica node3~cccccc"),
        ("seq", ABSENT, "missing required field `seq`"),
        ("seq", 0, "Expected `int` >= 1 - at `$.seq`"),
        ("seq", -1, "Expected `int` >= 1 - at `$.seq`"),
        ("seq", SEQ_MAX + 1, f"Expected `int` <= {SEQ_MAX} - at `$.seq`"),
        ("seq", "1", "Expected `int`, got `str` - at `$.seq`"),
        ("seq", 1.5, "Expected `int`, got `float` - at `$.seq`"),
        ("seq", True, "Expected `int`, got `bool` - at `$.seq`"),
        ("seq", 2, "the vector clock must hold the write's own dot, 2 for replica node2~bbbbbb"),
        ("vector_clock", ABSENT, "missing required field `vector_clock`"),
        ("vector_clock", [], "Expected `object`, got `array` - at `$.vector_clock`"),
        ("vector_clock", {}, "must hold the write's own dot, 1 for replica node2~bbbbbb"),
        ("vector_clock", {SENDER: 2}, "must hold the write's own dot, 1 for replica node2~bbbbbb"),
        ("vector_clock", {SENDER: 1, "node1~aaaaaa": 0}, "Expected `int` >= 1 - at `$.vector_clock[...]`"),
        ("vector_clock", {SENDER: 1, "node1~aaaaaa": -3}, "Expected `int` >= 1 - at `$.vector_clock[...]`"),
        ("vector_clock", {SENDER: 1, "node1~aaaaaa": SEQ_MAX + 1}, f"Expected `int` <= {SEQ_MAX}"),
        ("vector_clock", {SENDER: 1, "node1~aaaaaa": "3"}, "Expected `int`, got `str` - at `$.vector_clock[...]`"),
        ("vector_clock", {SENDER: 1, "node1": 3}, "'node1' is not a replica id such as node1~t5k2m1"),
        (
            "vector_clock",
            {SENDER: 1} | {f"node1~{n:06}": 1 for n in range(CLOCK_MAX_ENTRIES)},
            f"the vector clock has {CLOCK_MAX_ENTRIES + 1} entries, at most {CLOCK_MAX_ENTRIES} are allowed",
        ),
        ("timestamp", ABSENT, "missing required field `timestamp`"),
        ("timestamp", [1], "`array` of length 2"),
        ("timestamp", [1, 2, 3], "`array` of length 2"),
        ("timestamp", [-1, 0], "Expected `int` >= 0 - at `$.timestamp[0]`"),
        ("timestamp", [PHYSICAL_MS_MAX + 1, 0], f"Expected `int` <= {PHYSICAL_MS_MAX} - at `$.timestamp[0]`"),
        ("timestamp", [0, -1], "Expected `int` >= 0 - at `$.timestamp[1]`"),
        ("timestamp", ["now", 0], "Expected `int`, got `str` - at `$.timestamp[0]`"),
        ("ops", ABSENT, "missing required field `ops`"),
        ("ops", [], "length >= 1 - at `$.ops`"),
        ("ops", {"op": "delete", "key": "x"}, "Expected `array`, got `object` - at `$.ops`"),
        ("ops", [{"key": "x", "value": 1}], "missing required field `op` - at `$.ops[0]`"),
        ("ops", [{"op": "append", "key": "x"}], "Invalid value 'append' - at `$.ops[0].op`"),
        ("ops", [{"op": "put", "value": 1}], "missing required field `key` - at `$.ops[0]`"),
        ("ops", [{"op": "put", "key": "x"}], "missing required field `value` - at `$.ops[0]`"),
        ("ops", [{"op": "delete", "key": ""}], "length >= 1 - at `$.ops[0].key`"),
        ("ops", [{"op": "delete", "key": 5}], "Expected `str`, got `int` - at `$.ops[0].key`"),
        ("ops", [{"op": "delete", "key": "k" * (KEY_MAX_BYTES + 1)}], f"length <= {KEY_MAX_BYTES}"),
        ("ops", [{"op": "delete", "key": "é" * 513}], f"a key is longer than {KEY_MAX_BYTES} bytes"),
    ],
)
def test_a_write_that_breaks_a_rule_is_refused(field: str, value: Any, words: str) -> None:
    """Each field of a write, whether it comes in a message or out of the store."""
    write = changed(valid_write(), field, value)
    assert words in refusal(body_of(write), decode_write)
    assert words in refusal(body_of(valid_message(write)))


@pytest.mark.parametrize("format_", [1, 2, 3])
def test_messages_of_the_previous_formats_are_read(format_: int) -> None:
    """The nodes of a cluster are replaced one after the other."""
    assert len(decode_message(body_of(valid_message() | {"format": format_}))) == 1


def test_one_bad_write_refuses_the_whole_message() -> None:
    """Nothing of a message takes effect unless all of it can."""
    assert "`$.seq`" in refusal(body_of(valid_message(valid_write(), valid_write() | {"seq": 0})))


def test_a_write_of_another_replica_than_the_sender_is_refused() -> None:
    """Nobody hands on the writes of others over the fanout."""
    other = valid_write() | {"replica": "node3~cccccc", "vector_clock": {"node3~cccccc": 1}}
    text = refusal(body_of(valid_message(valid_write(), other)))
    assert text == "sent by node2~bbbbbb, but node3~cccccc:1 is a write of another replica"
    echo = refusal(body_of(valid_message(valid_write(), other)), lambda body: decode_echo(body, SENDER, SEQ_MAX))
    assert echo == text


def refusals(user_id: str | None, senders: SenderRule) -> list[str]:
    """Why each kind of message on the writes exchange is refused when this broker user published it."""
    body, hello = body_of(valid_message()), encode_hello(SENDER, "session")
    return [
        refusal(body, lambda body: decode_message(body, user_id=user_id, senders=senders)),
        refusal(body, lambda body: decode_echo(body, SENDER, SEQ_MAX, user_id=user_id, senders=senders)),
        refusal(hello, lambda body: decode_hello(body, user_id=user_id, senders=senders)),
    ]


@pytest.mark.parametrize("senders", [SHARED_USER, OWN_USERS])
def test_a_message_of_another_nodes_broker_user_is_refused(senders: SenderRule) -> None:
    """Where each node has a broker user of its own, the broker proves who published."""
    assert decode_message(body_of(valid_message()), user_id="node2", senders=senders)
    assert set(refusals("node3", senders)) == {"published by user node3, but names node2~bbbbbb as its sender"}


@pytest.mark.parametrize("user_id", ["guest", None])
def test_a_shared_broker_user_proves_nothing_and_passes(user_id: str | None) -> None:
    """As with the broker's default user, or behind a federation that clears the property."""
    assert decode_message(body_of(valid_message()), user_id=user_id, senders=SHARED_USER)


def test_where_each_node_has_its_own_broker_user_a_message_without_a_proof_is_refused() -> None:
    """Else whoever may publish would only have to leave the property out."""
    [reason] = set(refusals(None, OWN_USERS))
    assert reason == (
        "names node2~bbbbbb as its sender without a proof: each node has a broker user of its own, so publish as "
        "user node2, with the property user_id"
    )


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_has_a_limit_that_no_stack_decides(opening: str, closing: str) -> None:
    """A held write is read again deeper in the program: what could be read once must be readable always."""
    body = body_of(valid_message(valid_write() | {"ops": [{"op": "put", "key": "x", "value": "DEEP"}]})).decode()
    levels = NESTING_MAX - 3  # the write, its operations, and the operation stand around the value
    for too_deep in (False, True):
        count = levels + too_deep
        value = opening * count + "1" + closing * count
        nested = body.replace('"DEEP"', value).encode()
        if too_deep:
            assert f"nests deeper than {NESTING_MAX} levels" in refusal(nested)
        else:
            assert len(decode_message(nested)) == 1


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    """Wide values pass, also when their text holds brackets."""
    values: list[Any] = [[[]] * 1000, [{}] * 1000, "[" * 1000, {str(n): [n] for n in range(1000)}]
    for value in values:
        write = valid_write() | {"ops": [{"op": "put", "key": "x", "value": value}]}
        assert len(decode_message(body_of(valid_message(write)))) == 1


def test_deep_fields_that_nobody_knows_are_refused_too() -> None:
    """They are tolerated, but not at any depth."""
    deep = "[" * 500 + "]" * 500
    body = body_of(valid_message(valid_write() | {"later": "DEEP"})).replace(b'"DEEP"', deep.encode())
    assert "nests deeper" in refusal(body)

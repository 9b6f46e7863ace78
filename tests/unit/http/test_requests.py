from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from node.checks import NESTING_MAX, check_key, check_value
from node.errors import InvalidRequestError, TooLargeError
from node.http.errors import UnsupportedMediaTypeError
from node.http.requests import (
    FaultsRequest,
    JsonBody,
    parse_get_query,
    parse_limit,
    parse_query,
)
from node.http.write_requests import PutRequest
from node.operation_codec import exactly

PUT = JsonBody(PutRequest, '{"key": "x", "value": <any JSON>}')
FAULTS = JsonBody(FaultsRequest, '{"clear": true}')
MIB = 1024 * 1024

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


def environ(body: bytes, content_type: str | None = "application/json", **more: str) -> dict[str, Any]:
    """What the server hands over for a request with this body."""
    given = {} if content_type is None else {"CONTENT_TYPE": content_type}
    return {"wsgi.input": io.BytesIO(body), **given, **more}


# ----------------------------------------------------------------------------------------- bodies


@given(st.text(min_size=1, max_size=200), json_values)
def test_a_put_reads_any_json_value_word_for_word(key: str, value: Any) -> None:
    """What a client wrote is what is kept, whatever encoder it used."""
    text = json.dumps(value, ensure_ascii=False)
    request = PUT.read(environ(f' {{"key": {json.dumps(key)}, "value": {text} }}\n'.encode()))
    assert request.key == key
    assert check_value(request.value, MIB) == text.encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty"),
        (b"{", "the body is not right"),
        (b"[]", "Expected `object`"),
        (b'"x"', "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"not json", "the body is not right"),
        (b"{}", "missing required field `key`"),
        (b'{"key": "x"}', "missing required field `value`"),
        (b'{"value": 1}', "missing required field `key`"),
        (b'{"key": 1, "value": 1}', "Expected `str`, got `int` - at `$.key`"),
        (b'{"key": null, "value": 1}', "at `$.key`"),
        (b'{"key": "", "value": 1}', "length >= 1 - at `$.key`"),
        (b'{"key": "x", "value": 1, "vallue": 2}', "unknown field `vallue`"),
        (b'{"key": "x", "value": 1} {}', "trailing characters"),
        (b'{"key": "x", "value": }', "the body is not right"),
        (b'{"key": "\xff", "value": 1}', "not UTF-8"),
        (b'{"key": "\\ud800", "value": 1}', "surrogate"),
        (b'{"key": "x", "value": NaN}', "the body is not right"),
        (b'{"key": "x", "value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nests deeper"),
        ('{"key": "x", "value": 1}'.encode("utf-16"), "the body is not right"),
    ],
)
def test_a_malformed_body_is_refused_with_what_is_wrong_and_right(body: bytes, says: str) -> None:
    """The error names the place, and shows a body that would be right."""
    with pytest.raises(InvalidRequestError) as caught:
        PUT.read(environ(body))
    assert says in str(caught.value)
    assert str(caught.value).endswith('send {"key": "x", "value": <any JSON>}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"key": "a", "key": "b", "value": 1}',
        b'{"key": "a", "value": 1, "value": 2}',
        b'{"key": "a", "value": 1, "\\u006bey": "b"}',
        b'{"key": "a", "value": 1, "valu\\u0065": 2}',
        b'{"key": "a", "value": 1, "if_vc": [1], "if\\u005fvc": [9]}',
    ],
)
def test_a_name_given_twice_is_refused(body: bytes) -> None:
    """Which of the two counts would be a guess; escapes hide nothing."""
    with pytest.raises(InvalidRequestError, match="twice"):
        PUT.read(environ(body))


@pytest.mark.parametrize(
    "value", [b'{"key": 1, "value": {"key": 2}}', b'"\\u006b"', b'["key", "key", "value"]', b"1e999999", b"1" * 5000]
)
def test_names_inside_the_value_are_the_clients_own(value: bytes) -> None:
    """Only the outermost object is looked at for names given twice; numbers there are no concern of that."""
    assert bytes(PUT.read(environ(b'{"key": "a", "value": ' + value + b"}")).value) == value


@pytest.mark.parametrize("given", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_must_be_sent_as_json(given: str | None) -> None:
    """415, and what would be right."""
    with pytest.raises(UnsupportedMediaTypeError, match="send JSON as application/json"):
        PUT.read(environ(b'{"key": "x", "value": 1}', given))


@pytest.mark.parametrize("given", ["application/json; charset=utf-8", "Application/JSON", "application/json ;v=1"])
def test_parameters_of_the_content_type_are_accepted(given: str) -> None:
    """As many clients send them."""
    assert PUT.read(environ(b'{"key": "x", "value": 1}', given)).key == "x"


def test_a_compressed_body_is_refused() -> None:
    """It would not be JSON, and the error must say why."""
    with pytest.raises(UnsupportedMediaTypeError, match="Content-Encoding is 'gzip'"):
        PUT.read(environ(b"\x1f\x8b", HTTP_CONTENT_ENCODING="gzip"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"delay": {"node1": -1}}',
        b'{"delay": {"node1": 3601}}',
        b'{"delay": {"node1": "3"}}',
        b'{"delay": {"": 1}}',
        b'{"delay": {"node1~abcd": 1}}',
        b'{"drop": {"node1": 2}}',
        b'{"wall_offset": "1"}',
        b'{"wall_offset": 86401}',
        b'{"wall_offset": -86401}',
        b'{"clear": "yes"}',
    ],
)
def test_malformed_faults_are_refused(body: bytes) -> None:
    """Seconds from 0 to an hour by node id; kinds of faults that do not exist are named."""
    with pytest.raises(InvalidRequestError):
        FAULTS.read(environ(body))


# ------------------------------------------------------------------------------- keys and values


def test_a_key_has_up_to_1024_bytes_of_utf8() -> None:
    """Bytes count, not characters."""
    assert check_key("x" * 1024)
    assert check_key("é" * 512)
    for key in ("x" * 1025, "é" * 513, "😀" * 257):
        with pytest.raises(InvalidRequestError, match="a key is 1 to 1024 bytes of UTF-8"):
            check_key(key)
    with pytest.raises(InvalidRequestError, match="the key is empty"):
        check_key("")


def test_a_value_has_a_limit_in_bytes() -> None:
    """The limit itself is allowed; one byte more is not."""
    assert check_value(Raw(b'"12345678"'), 10) == b'"12345678"'
    with pytest.raises(TooLargeError, match="the value has 11 bytes: at most 10 are taken"):
        check_value(Raw(b'"123456789"'), 10)


@pytest.mark.parametrize("value", [b"1e400", b"-1e400", b'"\xff"', b'"\xed\xa0\x80"', b"1" * 5000, b'["\xc3"]'])
def test_a_value_that_a_client_could_not_read_is_refused(value: bytes) -> None:
    """Numbers beyond what JSON readers hold, and bytes that are not UTF-8, would break every reader later."""
    with pytest.raises(InvalidRequestError, match="the value is not right"):
        check_value(Raw(value), MIB)


@pytest.mark.parametrize("value", [b"1e400", b"1" * 4301, b'{"a": [1e400]}'])
def test_a_number_beyond_all_readers_is_refused_with_what_would_be_right(value: bytes) -> None:
    """It is JSON: to send JSON would be no advice."""
    with pytest.raises(InvalidRequestError, match=r"out of range.*: up to 4300 digits and 1\.8e308 every reader"):
        check_value(Raw(value), MIB)
    assert check_value(Raw(b"1" * 4300), MIB) == b"1" * 4300


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (b"1.0000000000000000001", b"1.0000000000000000002", False),
        (b"9007199254740993.0", b"9007199254740992.0", False),
        (b"[12345678901234567890123]", b"[12345678901234567890124]", False),
        (b"1", b"1.0", False),
        (b"1", b'"1"', False),
        (b"1.10", b"1.1", True),
        (b"1.00000000000000000010", b"1.0000000000000000001", True),
        (b'{"a": 1, "b": [1.5]}', b'{"b":[1.50],"a":1}', True),
    ],
)
def test_values_are_compared_to_the_last_digit(one: bytes, other: bytes, is_same: bool) -> None:  # noqa: FBT001  # a parameter of pytest
    """Of siblings, equal ones are shown once: one that differs must not be hidden by the other."""
    assert (exactly(one) == exactly(other)) == is_same


@pytest.mark.parametrize("value", [b"123456789012345678901234567890", b"1.10", b'{"b":1,"a":2}', b'"\\u0041"', b"1E2"])
def test_a_value_stays_as_it_was_written(value: bytes) -> None:
    """Re-encoding would round, reorder or merge; the text is the client's."""
    assert check_value(Raw(value), MIB) == value


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_a_value_nests_up_to_a_limit(opening: bytes, closing: bytes) -> None:
    """Deep values would run into the recursion limits of readers, peers among them."""
    levels = opening.count(b"[") + opening.count(b"{")
    deepest, beyond = NESTING_MAX // levels, NESTING_MAX // levels + 1
    assert check_value(Raw(opening * deepest + b"1" + closing * deepest), MIB)
    with pytest.raises(InvalidRequestError, match="nests deeper than 128 levels"):
        check_value(Raw(opening * beyond + b"1" + closing * beyond), MIB)


def test_a_wide_value_is_not_a_deep_one() -> None:
    """Many brackets beside each other are no nesting."""
    assert check_value(Raw(b"[" + b",".join([b"[{}]"] * 1000) + b"]"), MIB)


# ---------------------------------------------------------------------------------------- queries


@pytest.mark.parametrize(
    ("query", "key", "siblings"),
    [
        ("key=x", "x", False),
        ("key=a%20b", "a b", False),
        ("key=a+b", "a b", False),
        ("key=%C3%A9", "é", False),
        ("key=x&siblings=true", "x", True),
        ("siblings=false&key=x", "x", False),
        ("key=%26%3D%00", "&=\x00", False),
        ("key=a/b:c~d", "a/b:c~d", False),
    ],
)
def test_a_read_names_its_key_percent_encoded(query: str, key: str, siblings: bool) -> None:  # noqa: FBT001  # a table
    """As forms do it: a plus is a blank."""
    assert parse_get_query(query, "/get") == (key, siblings)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "no key is given"),
        ("siblings=true", "no key is given"),
        ("key=", "the key is empty"),
        ("key", "the key is empty"),
        ("key=x&key=y", "'key' is given twice"),
        ("key=x&key=x", "'key' is given twice"),
        ("key=x&siblings=1", "use true or false"),
        ("key=x&siblings=", "use true or false"),
        ("key=x&siblings=True", "use true or false"),
        ("key=x&sibling=true", "unknown query parameter 'sibling': /get knows key, siblings"),
        ("key=%FF", "not percent-encoded UTF-8"),
        ("key=%ED%A0%80", "not percent-encoded UTF-8"),
        ("&".join(f"a{n}=1" for n in range(50)), "at most 16 parameters"),
        ("key=" + "x" * 1025, "a key is 1 to 1024 bytes"),
        ("key=" + "%C3%A9" * 513, "a key is 1 to 1024 bytes"),
    ],
)
def test_a_malformed_query_is_refused_with_what_is_wrong(query: str, says: str) -> None:
    """No parameter is ignored, and none is chosen among several."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_get_query(query, "/get")
    assert says in str(caught.value)


def test_a_route_without_parameters_takes_none() -> None:
    """A parameter in the wrong place is a mistake to be told of."""
    with pytest.raises(InvalidRequestError, match="unknown query parameter 'key': /put takes none"):
        parse_query("key=x", "/put", ())


def test_a_limit_is_a_number_in_its_bounds() -> None:
    """Absent means the default; nothing is clamped."""
    assert parse_limit(None, 100, 1000) == 100
    assert parse_limit("1000", 100, 1000) == 1000
    for text in ("0", "1001", "-1", "1.5", "", "x", "9" * 20):
        with pytest.raises(InvalidRequestError, match="use a number from 1 to 1000"):
            parse_limit(text, 100, 1000)

"""Bodies that are not what they should be, at every route that takes one: 4xx that says what is right, nothing done."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.http.raw import RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.integration.http.conftest import ServedNode

GOOD: dict[str, dict[str, Any]] = {
    "/put": {"key": "x", "value": 1},
    "/delete": {"key": "x"},
    "/batch": {"ops": [{"op": "put", "key": "x", "value": 1}]},
    "/mget": {"keys": ["x"]},
    "/counter/incr": {"key": "x", "by": 1},
    "/set/add": {"key": "x", "members": [1]},
    "/set/remove": {"key": "x", "members": [1]},
}
WRITES = sorted(GOOD.keys() - {"/mget"})
every_route = pytest.mark.parametrize("path", GOOD)
every_write = pytest.mark.parametrize("path", WRITES)


@pytest.fixture(autouse=True)
def _nothing_is_applied(node: ServedNode) -> Iterator[None]:
    """Whatever a test sends, its node writes nothing."""
    clock = node.node.service.clock
    yield
    assert node.node.service.clock == clock


def send(node: ServedNode, path: str, body: bytes) -> httpx.Response:
    """POST these bytes as JSON."""
    return node.http.post(path, content=body, headers={"Content-Type": "application/json"})


def is_refused(answer: httpx.Response, *says: str) -> None:
    """Fail unless it is a 400 with these words, not too many, and what would be right."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert all(word in error for word in says), error
    assert len(error) < 600


@every_route
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b"{}", b"[]", b"null", b"7", b'"x"', b"\x00", b"\xff\xfe{}", b"{}{}"),
        b'{"key": NaN}',
        b"[" * 300_000 + b"]" * 300_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        '{"key": "x"}'.encode("utf-16"),
    ],
)
def test_what_is_no_such_body_is_400_with_an_example(node: ServedNode, path: str, body: bytes) -> None:
    """The example is one that the route takes."""
    answer = send(node, path, body)
    is_refused(answer, next(iter(GOOD[path])), ": send {")


@every_route
def test_an_unknown_member_is_named(node: ServedNode, path: str) -> None:
    """It would have been ignored."""
    is_refused(send(node, path, json.dumps({**GOOD[path], "tll": 1}).encode()), "`tll`")


@every_route
def test_a_member_given_twice_is_named(node: ServedNode, path: str) -> None:
    """Which of the two counts would be a guess; written with escapes too."""
    good = json.dumps(GOOD[path]).encode()
    name = next(iter(GOOD[path]))
    for twice in (name, f"\\u00{ord(name[0]):02x}{name[1:]}"):
        is_refused(
            send(node, path, good[:-1] + f', "{twice}": {json.dumps(GOOD[path][name])}}}'.encode()), name, "twice"
        )


@pytest.mark.parametrize(
    "body",
    [
        b'{"ops": [{"op": "put", "key": "x", "key": "y", "value": 1}]}',
        b'{"ops": [{"op": "put", "key": "x", "value": {"a": [{"b": 1, "b": 2}]}}]}',
        b'{"ops": [{"op": "put", "op": "put", "key": "x", "value": 1}]}',
        b'{"ops": [{"op": "incr", "key": "x", "by": 1, "\\u0062y": 2}]}',
        b'{"ops": [{"op": "put", "key": "a", "value": 1}], "ops": [{"op": "delete", "key": "a"}]}',
    ],
)
def test_a_name_given_twice_anywhere_in_a_batch_is_400(node: ServedNode, body: bytes) -> None:
    """In its operations and in their values."""
    is_refused(send(node, "/batch", body), "twice")


@every_route
@pytest.mark.parametrize("wrong", [None, 1, True, "", {}, [], [[]], "x" * 1025, "é" * 513])
def test_a_key_of_the_wrong_kind_is_400(node: ServedNode, path: str, wrong: Any) -> None:
    """1 to 1024 bytes of text."""
    body = dict(GOOD[path])
    match path:
        case "/mget":
            body["keys"] = [wrong]
        case "/batch":
            body["ops"] = [{"op": "delete", "key": wrong}]
        case _:
            body["key"] = wrong
    is_refused(send(node, path, json.dumps(body).encode()), "key")


@every_write
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ack", "most"),
        ("ack", 1),
        ("ack", None),
        ("ack_timeout", -1),
        ("ack_timeout", 61),
        ("ack_timeout", "5"),
        ("ack_timeout", 10**400),
        ("request_id", ""),
        ("request_id", 5),
    ],
)
def test_what_every_write_may_say_is_checked_at_every_write(node: ServedNode, path: str, name: str, value: Any) -> None:
    """And the place is named."""
    is_refused(send(node, path, json.dumps({**GOOD[path], name: value}).encode()), f"$.{name}")


@every_route
def test_a_body_that_is_not_sent_as_json_is_415(node: ServedNode, path: str) -> None:
    """As forms and curl's default are not."""
    good = json.dumps(GOOD[path]).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = node.http.post(path, content=good, headers={"Content-Type": content_type})
        assert answer.status_code == 415
        assert "application/json" in answer.json()["error"]


@every_route
def test_a_body_that_is_too_large_is_413(node: ServedNode, path: str) -> None:
    """Whatever is in it."""
    answer = send(node, path, b"[" + b" " * 4_000_000 + b"]")
    assert answer.status_code == 413
    assert "the body is too large" in answer.json()["error"]


@every_route
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method_says_the_right_one(node: ServedNode, path: str, method: str) -> None:
    """In words and in Allow."""
    answer = node.http.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert f"{path} does not take {method}: use POST" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/scan", "/counter/get", "/set/get"])
def test_what_is_read_cannot_be_posted(node: ServedNode, path: str) -> None:
    """405 with what can be done."""
    answer = node.http.post(path, json={"key": "x"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@every_route
def test_a_query_string_at_a_route_with_a_body_is_400(node: ServedNode, path: str) -> None:
    """It would have been ignored."""
    answer = node.http.post(f"{path}?key=x", json=GOOD[path])
    is_refused(answer, "'key'", path)


@every_write
def test_a_body_that_ends_half_way_writes_nothing(node: ServedNode, path: str) -> None:
    """A client that closes its side before it has sent all gets no success."""
    body = json.dumps(GOOD[path]).encode()
    head = f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body) + 10}\r\n\r\n"
    with RawClient(node.port) as client:
        client.send(head.encode() + body)
        client.socket.shutdown(1)
        with contextlib.suppress(ConnectionError):  # there may be nobody to say it to
            assert 400 <= client.read_answer().status < 500
    assert node.http.get("/healthz").is_success

"""Requests that are not what they should be: 4xx with JSON and the token, and the node serves on."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from node.http import lingering
from tests.integration.http.raw import RawClient, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.http.conftest import ServedNode

MIB = 1024 * 1024
CONTEXT = "n1~abcd=4"


@pytest.fixture(autouse=True)
def _node_serves_afterwards(node: ServedNode) -> Iterator[None]:
    """Whatever a test sent, the next client is served."""
    yield
    assert node.put("after", 1).status_code == 200
    assert node.get("after").status_code == 200


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes."""
    return "\r\n".join([line, "Host: x", *headers, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n\x00\x01\x02\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /get?key=x HTTP/1.1 extra\r\n\r\n", 400),
        (b"get /get?key=x HTTP/1.1\r\n\r\n", 400),
        (b"G\xc3\xa9T / HTTP/1.1\r\n\r\n", 400),
        (b"GET /get?key=\xc3\xa9 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n : x\r\n\r\n", 400),
        (b"POST /put HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /put HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (b"POST /put HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /put HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /put HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n", 400),
        (b"POST /put HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX\r\n", 400),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 40_000 + b"\r\n", 431),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
        (b"GET * HTTP/1.1\r\n\r\n", 404),
        (b"GET http://else.where/nowhere HTTP/1.1\r\n\r\n", 404),
        (b"GET //get HTTP/1.1\r\n\r\n", 400),
        (b"GET /get/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /\x80\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET /%ff%fe HTTP/1.1\r\n\r\n", 404),
        (b"GET /get?key=%ff HTTP/1.1\r\n\r\n", 400),
        (b"GET /get?key=x&key=y HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", 404),
        (b"XYZZY /get HTTP/1.1\r\n\r\n", 405),
    ],
)
def test_what_is_no_request_of_this_api_is_4xx_with_json(node: ServedNode, data: bytes, status: int) -> None:
    """Also where the bytes never reach the application."""
    answer = ask(node.port, data)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-causal-context" in answer.headers
    assert "server" not in answer.headers
    assert answer.error
    assert "waitress" not in answer.error
    assert "Traceback" not in answer.error


@pytest.mark.parametrize("host", ["", "a b", "\xff\xfe", "[::1", "x" * 5000, "..", "http://x", "-" * 70 + ".com"])
def test_the_host_header_means_nothing(node: ServedNode, host: str) -> None:
    """Routes depend on path and method alone."""
    data = b"GET /healthz HTTP/1.1\r\nHost: " + host.encode("latin-1") + b"\r\n\r\n"
    assert ask(node.port, data).status == 200


def test_a_wrong_method_says_which_are_right(node: ServedNode) -> None:
    """In words and in Allow."""
    answer = node.http.put("/put", json={"key": "x", "value": 1}, headers={"X-Causal-Context": CONTEXT})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.json() == {"error": "/put does not take PUT: use POST"}
    assert answer.headers["X-Causal-Context"] == CONTEXT
    assert node.http.post("/get").headers["Allow"] == "GET, HEAD"
    assert node.http.delete("/faults").headers["Allow"] == "GET, HEAD, POST"


def test_an_unknown_path_says_where_the_known_ones_stand(node: ServedNode) -> None:
    """And shows no more of the path than is of use."""
    answer = node.http.get("/nowhere" + "x" * 10_000)
    assert answer.status_code == 404
    assert "/openapi.json" in answer.json()["error"]
    assert len(answer.content) < 500


@pytest.mark.parametrize("path", ["/put", "/status", "/buffer", "/openapi.json"])
def test_a_query_parameter_in_the_wrong_place_is_named(node: ServedNode, path: str) -> None:
    """It would have been ignored."""
    method = "POST" if path == "/put" else "GET"
    answer = node.http.request(method, path, params={"keys": "x"})
    assert answer.status_code == 400
    assert "'keys'" in answer.json()["error"]


def test_probes_may_append_what_they_like(node: ServedNode) -> None:
    """Load balancers and scrapers do."""
    for path in ("/healthz", "/readyz", "/metrics"):
        assert node.http.get(path, params={"probe": "1"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b'{"key":"x"}',
        b'{"key":"","value":1}',
        b'{"key":"x","value":NaN}',
        b'{"key":"x","value":Infinity}',
        b'{"key":"x","value":1e400}',
        b'{"key":"x","value":"\xff"}',
        b'{"key":"x","value":"\\ud800"}',
        b'{"key":"\\udfff","value":1}',
        b'{"key":"x","value":1,"tll":1}',
        b'{"key":"x","key":"y","value":1}',
        b'{"key":"x","value":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"key":"x","value":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b'{"key":"x","value":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
        b'{"key":"' + b"x" * 1025 + b'","value":1}',
        b'{"key":"x","value":' + b"1" * 5000 + b"}",
    ],
)
def test_a_malformed_put_is_400_and_writes_nothing(node: ServedNode, body: bytes) -> None:
    """Whatever is wrong with it, the answer says what would be right."""
    clock = node.node.service.clock
    answer = node.http.post("/put", content=body, headers={"Content-Type": "application/json", "X-Causal-Context": ""})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert node.node.service.clock == clock


@pytest.mark.parametrize("path", ["/put", "/delete"])
def test_a_body_that_is_not_sent_as_json_is_415(node: ServedNode, path: str) -> None:
    """As browsers' forms and curl's default are not."""
    answer = node.http.post(path, content=b'{"key":"x","value":1}')
    assert answer.status_code == 415
    assert node.http.post(path, data={"key": "x"}).status_code == 415


@pytest.mark.parametrize("size", [4 * MIB, 40 * MIB])
def test_a_body_beyond_the_limit_is_413_and_the_client_gets_to_read_it(
    node: ServedNode, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a client that reads only after it has sent everything: its connection is not reset under its hands."""
    # A busy machine may take longer than that for the larger one.
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 60.0)
    head = request(
        "POST /put HTTP/1.1",
        f"Content-Length: {size}",
        "Content-Type: application/json",
        f"X-Causal-Context: {CONTEXT}",
    )
    with RawClient(node.port) as client:
        client.send(head + b"x" * size)
        answer = client.read_answer()
        assert answer.status == 413
        assert "the body is too large" in answer.error
        assert answer.headers["x-causal-context"] == CONTEXT
        assert client.at_end()


def test_a_chunked_body_beyond_the_limit_is_413(node: ServedNode) -> None:
    """Its length is not known before."""
    chunks = (b"x" * 65_536 for _ in range(100))
    answer = node.http.post("/put", content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_client_that_asks_before_it_sends_is_told_that_it_is_too_much(node: ServedNode) -> None:
    """Expect: 100-continue, as curl does with large bodies."""
    size = 5 * MIB
    with RawClient(node.port) as client:
        client.send(
            request(
                "POST /put HTTP/1.1",
                f"Content-Length: {size}",
                "Expect: 100-continue",
                "Content-Type: application/json",
            )
        )
        answer = client.read_answer()
        if answer.status == 100:
            client.send(b"x" * size)
            answer = client.read_answer()
        assert answer.status == 413


def test_a_chunked_body_is_as_good_as_any(node: ServedNode) -> None:
    """Clients that stream use it."""
    body = iter([b'{"key": "chunked"', b', "value": 1}'])
    answer = node.http.post("/put", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_requests_sent_ahead_are_answered_in_order(node: ServedNode) -> None:
    """HTTP pipelining."""
    with RawClient(node.port) as client:
        client.send(b"".join(request(f"GET /nowhere{n} HTTP/1.1") for n in range(20)))
        assert [f"/nowhere{n}:" in client.read_answer().error for n in range(20)] == [True] * 20


def test_random_bytes_never_get_a_500(node: ServedNode) -> None:
    """Whatever a port scanner, a TLS client or a confused program sends: 4xx, or nothing before it is complete."""
    random_bytes = random.Random(7)
    for _ in range(150):
        data = random_bytes.randbytes(random_bytes.randrange(1, 400)).replace(b"\r\n", b"") + b"\r\n\r\n"
        answer = ask(node.port, data)
        assert 400 <= answer.status < 500, data
        assert answer.error


def test_broken_requests_never_get_a_500(node: ServedNode) -> None:
    """A good request with bytes changed, lost or doubled."""
    seeded = random.Random(11)
    body = json.dumps({"key": "fuzz", "value": {"a": [1, "é", None]}}).encode()
    good = request(
        "POST /put HTTP/1.1",
        "Content-Type: application/json",
        "X-Causal-Wait: 0",
        f"Content-Length: {len(body)}",
        body=body,
    )
    for _ in range(300):
        data = bytearray(good)
        for _ in range(seeded.randrange(1, 4)):
            place = seeded.randrange(len(data))
            match seeded.randrange(3):
                case 0:
                    data[place] = seeded.randrange(256)
                case 1:
                    del data[place]
                case _:
                    data[place:place] = data[place : place + 5]
        with RawClient(node.port) as client:
            client.send(bytes(data) + b"\r\n\r\n" + b" " * 100 + b"\r\n\r\n")
            client.socket.shutdown(1)
            try:
                status = client.read_answer().status
            except ConnectionError:
                continue  # the body was not complete
            assert status in (200, 503) or 400 <= status < 500, bytes(data)

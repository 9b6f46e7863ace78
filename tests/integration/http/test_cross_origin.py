"""Pages of other members, and of nobody else, may ask a node and read what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.http.conftest import TIMEOUT_SECONDS, serving
from tests.integration.http.raw import RawClient
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.integration.http.conftest import ServedNode

ALLOWED = "Access-Control-Allow-Origin"
EVIL = "http://evil.example"


def ask(node: ServedNode, method: str, path: str, origin: str, **headers: str) -> httpx.Response:
    """A request as a browser sends it for a page from ``origin``."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.http.request(method, path, headers={"Origin": origin, **names})


def preflight(node: ServedNode, path: str, origin: str, method: str = "POST") -> httpx.Response:
    """What a browser asks before it lets a page send more than the simplest request."""
    return ask(
        node,
        "OPTIONS",
        path,
        origin,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers="x-causal-context",
    )


def wait_until_known(nodes: list[ServedNode]) -> None:
    """Wait until each node has told its address to the others."""
    for node in nodes:
        for other in nodes:
            wait_until(
                lambda node=node, other=other: ALLOWED in ask(node, "GET", "/healthz", other.url).headers,  # type: ignore[misc]  # bound at once
                f"{node.name} knows the address of {other.name}",
                TIMEOUT_SECONDS,
            )


def test_pages_of_members_read_every_kind_of_answer_of_the_others(nodes: list[ServedNode]) -> None:
    """Right answers, refusals, unknown paths, streams; the token and Retry-After as well."""
    wait_until_known(nodes)
    one, two, _ = nodes
    one.put("x", 1).raise_for_status()
    for path, status in [("/status", 200), ("/get?key=absent", 404), ("/get", 400), ("/nothing", 404), ("/put", 405)]:
        answer = ask(one, "GET", path, two.url)
        assert answer.status_code == status
        assert answer.headers[ALLOWED] == two.url
        assert answer.headers["Access-Control-Expose-Headers"] == "X-Causal-Context, Retry-After"
        assert answer.headers["Vary"] == "Origin"
    for path in ("/watch", "/events"):
        with one.http.stream("GET", path, headers={"Origin": two.url, "Accept": "text/event-stream"}) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            assert stream.headers[ALLOWED] == two.url
        with one.http.stream("GET", path, headers={"Origin": EVIL, "Accept": "text/event-stream"}) as stream:
            assert ALLOWED not in stream.headers


def test_a_page_that_came_by_another_name_of_this_machine_is_the_same(nodes: list[ServedNode]) -> None:
    """localhost, 127.0.0.1 and [::1] are one host."""
    wait_until_known(nodes)
    for host in ("localhost", "127.0.0.1", "[::1]"):
        origin = f"http://{host}:{nodes[1].port}"
        assert ask(nodes[0], "GET", "/status", origin).headers[ALLOWED] == origin


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1", "", "http://localhost"])
def test_pages_of_others_read_nothing(node: ServedNode, origin: str) -> None:
    """The browser keeps answers from them, and sends nothing that would change something."""
    answer = ask(node, "GET", "/status", origin)
    assert answer.is_success
    assert ALLOWED not in answer.headers
    for path in ("/put", "/faults", "/members/remove"):
        assert ALLOWED not in preflight(node, path, origin).headers
    # What a page may send without asking first is no JSON.
    plain = node.http.post(
        "/put", content='{"key": "x", "value": 1}', headers={"Origin": origin, "Content-Type": "text/plain"}
    )
    assert plain.status_code == 415


def test_a_browser_that_asks_first_hears_what_it_may_send(node: ServedNode) -> None:
    """Method and headers, for some minutes, on a connection that stays open."""
    answer = preflight(node, "/put", node.url)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers[ALLOWED] == node.url
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed >= {"content-type", "x-causal-context", "x-causal-wait", "last-event-id"}
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Connection" not in answer.headers
    assert preflight(node, "/get", node.url, "GET").headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert preflight(node, "/nothing", node.url).status_code == 404
    # The method alone asks nothing.
    assert ask(node, "OPTIONS", "/put", node.url).status_code == 405


def test_what_is_refused_before_it_reaches_the_application_can_be_read_too(node: ServedNode) -> None:
    """A body that is too large is a reason to show, not a lost connection."""
    head = f"POST /put HTTP/1.1\r\nHost: x\r\nOrigin: {node.url}\r\nContent-Length: 999999999\r\n\r\n"
    with RawClient(node.port) as client:
        client.send(head.encode())
        answer = client.read_answer()
    assert answer.status == 413
    assert answer.headers[ALLOWED.lower()] == node.url


def test_answers_to_programs_say_nothing_of_origins(node: ServedNode) -> None:
    """They send no Origin."""
    headers = node.http.get("/status").headers
    assert not [name for name in headers if name.startswith("access-control")]
    assert "Vary" not in headers


def test_a_member_that_is_known_by_its_advertised_url_is_allowed_by_it(tmp_path: Path) -> None:
    """Whatever address it listens on."""
    with serving(tmp_path, advertised_url="https://kv.example/node1") as node:
        assert ask(node, "GET", "/status", "https://kv.example").headers[ALLOWED] == "https://kv.example"
        assert ALLOWED not in ask(node, "GET", "/status", node.url).headers
        page = node.http.get("/")
        assert "connect-src 'self' https://kv.example;" in page.headers["Content-Security-Policy"]

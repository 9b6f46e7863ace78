from __future__ import annotations

from typing import Any

import pytest

from node.http.origins import MemberOrigins, origin_of
from node.members_report import MemberReport

OWN = "http://127.0.0.1:8001"
HOSTILE_URLS = [
    "",
    "javascript:alert(1)",
    "ftp://a.example",
    "http://",
    "http://a.example:99999",
    "http://a.example:port",
    "http://a.example;script-src *",
    "http://a.example script-src *",
    "http://a.example\r\nSet-Cookie: x=1",
    "http://*",
    "http://*.example",
    'http://a".example',
    "http://<script>",
    "http://[::1",
    "http://" + "a" * 300,
    "http://日本",
]


def member(node: str, url: str | None) -> MemberReport:
    """A member at an address."""
    return MemberReport(
        node,
        None,
        alive=True,
        away=False,
        silent_seconds=0.0,
        lag_writes=0,
        holds_back_writes=0,
        clock_ahead_seconds=None,
        url=url,
    )


def origins(*urls: str | None, own: str = OWN) -> MemberOrigins:
    """The origins of a node and of members at these addresses."""
    members = [member(f"node{number}", url) for number, url in enumerate(urls, 2)]
    return MemberOrigins(own, lambda: members)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://127.0.0.1:8001/", "http://127.0.0.1:8001"),
        ("https://Node-1.Example/kv/node1?a#b", "https://node-1.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:443/x", "https://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://node_1:8000", "http://node_1:8000"),
        ("http://[::1]:8001", "http://[::1]:8001"),
        ("http://user:secret@a.example:8001", "http://a.example:8001"),
    ],
)
def test_the_origin_of_a_url_is_what_a_browser_calls_it(url: str, origin: str) -> None:
    """Scheme, host and port, the port only where it is not the usual one."""
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_what_is_no_address_of_http_has_no_origin(url: str) -> None:
    """It goes into headers, where a blank or a semicolon would mean something."""
    assert origin_of(url) is None
    assert origins(url).listed == (OWN,)
    assert not origins(url).allows(url)


def test_members_are_listed_once_each_the_node_itself_first() -> None:
    """As the policy of the page names them."""
    known = origins("http://b.example:8000/kv", None, OWN, "http://b.example:8000")
    assert known.listed == (OWN, "http://b.example:8000")


@pytest.mark.parametrize(
    "origin", [OWN, "http://localhost:8001", "http://[::1]:8001", "http://localhost:8002", "https://b.example"]
)
def test_a_page_of_a_member_may_read_answers(origin: str) -> None:
    """By whichever name this machine calls itself; token and Retry-After are readable, too."""
    known = origins("http://127.0.0.1:8002", "https://b.example/")
    assert known.allows(origin)
    headers = dict(known.headers(origin))
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Expose-Headers"] == "X-Causal-Context, Retry-After"
    assert headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "http://evil.example",
        "https://127.0.0.1:8001",
        "http://127.0.0.1:8003",
        "http://127.0.0.1",
        "http://127.0.0.1:80010",
        "http://127.0.0.1:8001.evil.example",
        "http://localhost.evil.example:8001",
        "http://localhostile:8001",
        "http://127.0.0.1:8001, http://evil.example",
        "http://sub.b.example",
        "HTTP://127.0.0.1:8001",
    ],
)
def test_a_page_of_anybody_else_may_not(origin: str) -> None:
    """Neither a similar name nor another port."""
    known = origins("http://127.0.0.1:8002", "https://b.example/")
    assert not known.allows(origin)
    assert known.headers(origin) == [("Vary", "Origin")]


def test_names_for_this_machine_count_as_one_only_where_a_member_is_at_one_of_them() -> None:
    """A member elsewhere says nothing about pages of this machine."""
    known = origins("http://b.example:8002", own="http://a.example:8001")
    assert not known.allows("http://localhost:8001")
    assert known.allows("http://a.example:8001")


def test_who_joins_or_leaves_is_noticed() -> None:
    """The list of members is replaced when it changes."""
    members: list[Any] = [[member("node2", "http://127.0.0.1:8002")]]
    known = MemberOrigins(OWN, lambda: members[0])
    assert known.allows("http://127.0.0.1:8002")
    members[0] = [member("node3", "http://127.0.0.1:8003")]
    assert not known.allows("http://127.0.0.1:8002")
    assert known.allows("http://127.0.0.1:8003")

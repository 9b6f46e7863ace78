"""Trying requests out: put, get and delete at any node, with a session whose token is seen."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import TIMEOUT_SECONDS, WatchedPage
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.support.cluster import ClusterUnderTest

LATE = 600


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"tried-{secrets.token_hex(3)}"


@pytest.fixture
def trying(page: WatchedPage, cluster: ClusterUnderTest, key: str) -> WatchedPage:
    """The view, with the key filled in."""
    page.open(cluster["node1"].url, "try")
    page.reaches(cluster)
    page.key.fill(key)
    return page


def at(page: WatchedPage, node: str) -> None:
    """Choose a node."""
    page.page.get_by_label(node).check()


def answer(page: WatchedPage, text: str | re.Pattern[str]) -> Locator:
    """Wait for an answer that says this; it is the newest one."""
    newest = page.page.get_by_role("list", name="Answers, the newest first").get_by_role("listitem").first
    try:
        expect(newest).to_contain_text(text)
    except AssertionError as error:
        if not page.press_again_if_cut_off():
            raise AssertionError(f"{error}\nrequests that failed: {page.failed}") from None
        expect(newest).to_contain_text(text)
    return newest


def token(page: WatchedPage) -> str:
    """The session token as the page shows it."""
    return page.panel("Session token").locator(".token-text").inner_text().removeprefix("X-Causal-Context: ")


def put(page: WatchedPage, node: str, value: str) -> None:
    """Put a value at a node, as it is typed."""
    at(page, node)
    page.page.get_by_label("Value, for a put").fill(value)
    page.press("Put")


def test_what_is_put_at_one_node_is_read_at_another_with_the_same_session(
    trying: WatchedPage, cluster: ClusterUnderTest, key: str
) -> None:
    """Each answer says what its clock means; the token grows, readable by node, incarnation and count."""
    expect(trying.panel("Session token")).to_contain_text("Empty: this session has seen nothing yet")
    put(trying, "node1", "hello")
    stored = answer(trying, f"node1 stored {key}")
    status = cluster["node1"].status()
    vc = cluster["node1"].get(key).json()["vc"]
    expect(stored).to_contain_text(f"vc [{', '.join(map(str, vc))}] counts writes: {vc[0]} of node1,")
    expect(stored).to_contain_text(f"It is write {vc[0]} of node1 ({status['replica']}:{vc[0]}).")
    row = trying.panel("Session token").get_by_role("row", name=re.compile("^node1"))
    expect(row).to_have_text(re.compile(rf"^node1{status['incarnation']}{vc[0]}$"))
    assert f"{status['replica']}={vc[0]}" in token(trying)
    at(trying, "node3")
    trying.press("Get")
    shown = answer(trying, f"node3 shows {key}, written at node1")
    expect(shown.locator(".value").first).to_have_text('"hello"')
    at(trying, "node2")
    trying.press("Delete")
    answer(trying, f"node2 deleted {key}")
    trying.may_fail("/get", "404")
    at(trying, "node1")
    trying.press("Get")
    answer(trying, f"node1 has no value for {key}")
    answers = trying.page.get_by_role("list", name="Answers, the newest first").locator("> li")
    expect(answers.first).to_contain_text(f"node1 has no value for {key}")
    expect(answers.last).to_contain_text(f"node1 stored {key}")


def test_the_enter_key_reads_and_never_writes(trying: WatchedPage, cluster: ClusterUnderTest, key: str) -> None:
    """A form's first button is what Enter presses."""
    cluster["node1"].put(key, 7).raise_for_status()
    trying.key.press("Enter")
    answer(trying, f"node1 shows {key}")
    assert cluster["node1"].get(key).json()["value"] == 7


class Typed(NamedTuple):
    """What is typed as a value, what the page says of it, and what is stored."""

    text: str
    hint: str
    stored: str


@pytest.mark.parametrize(
    "typed",
    [
        Typed('{"a": [1, null, true]}', "Taken as JSON: an object.", '{"a": [1, null, true]}'),
        Typed("12345678901234567890.10", "Taken as JSON: a number.", "12345678901234567890.10"),
        Typed(" -1e2 ", "Taken as JSON: a number.", "-1e2"),
        Typed('"quoted"', "Taken as JSON: a text.", '"quoted"'),
        Typed("null", "Taken as JSON: null.", "null"),
        Typed("hello world", 'No JSON, so taken as the text "hello world".', '"hello world"'),
        Typed("{not: json}", 'No JSON, so taken as the text "{not: json}".', '"{not: json}"'),
        Typed("", 'No JSON, so taken as the text "".', '""'),
        Typed("two\nlines", 'No JSON, so taken as the text "two\\nlines".', '"two\\nlines"'),
    ],
    ids=lambda typed: typed.text,
)
def test_a_value_is_json_as_it_stands_or_a_text_and_the_page_says_which(
    trying: WatchedPage, cluster: ClusterUnderTest, key: str, typed: Typed
) -> None:
    """No digit of a number is lost on the way, or shown differently."""
    trying.page.get_by_label("Value, for a put").fill(typed.text)
    expect(trying.page.locator("#try-value-is")).to_have_text(typed.hint)
    trying.press("Put")
    answer(trying, f"node1 stored {key}")
    trying.press("Get")
    shown = answer(trying, f"node1 shows {key}")
    expect(shown.locator(".value").first).to_have_text(typed.stored)
    assert f'"value":{typed.stored}' in cluster["node1"].get(key).text


def test_a_node_that_is_behind_the_session_does_not_answer_with_an_older_state(
    trying: WatchedPage, calm: ClusterUnderTest, key: str
) -> None:
    """It says what it lacks; without the token it shows what it has."""
    trying.may_fail("/get", "503")
    put(trying, "node1", "1")
    answer(trying, f"node1 stored {key}")
    at(trying, "node3")
    trying.press("Get")
    answer(trying, f"node3 shows {key}")
    calm["node3"].http.post("/faults", json={"delay": {"node1": LATE}}).raise_for_status()
    put(trying, "node1", "2")
    answer(trying, f"node1 stored {key}")
    trying.page.get_by_text("Options").click()
    trying.page.get_by_label("Seconds to wait").fill("0.1")
    at(trying, "node3")
    trying.press("Get")
    refused = answer(trying, "node3 is behind what this session has seen, and would not show an older state")
    status = calm["node1"].status()
    expect(refused).to_contain_text(f"It lacks one write that the token names: {status['replica']}:{status['vc'][0]}.")
    before = token(trying)
    trying.page.get_by_label("Send it with the next request").uncheck()
    trying.press("Get")
    older = answer(trying, f"node3 shows {key}")
    expect(older.locator(".value").first).to_have_text("1")
    assert token(trying) == before
    trying.page.get_by_label("Send it with the next request").check()
    trying.press("Reset the token")
    expect(trying.panel("Session token")).to_contain_text("Empty: this session has seen nothing yet")
    trying.press("Get")
    answer(trying, f"node3 shows {key}")
    # A longer wait ends when the write comes.
    put(trying, "node1", "3")
    answer(trying, f"node1 stored {key}")
    trying.page.get_by_label("Seconds to wait").fill("30")
    at(trying, "node3")
    trying.press("Get")
    trying.sees(trying.page, "Asking node3 …")
    wait_until(lambda: calm["node3"].status()["waiting_requests"] == 1, "the read waits", TIMEOUT_SECONDS)
    calm["node3"].http.post("/faults", json={"clear": True}).raise_for_status()
    expect(answer(trying, f"node3 shows {key}").locator(".value").first).to_have_text("3")


def test_a_read_whose_connection_breaks_is_asked_again_and_a_write_is_not(
    trying: WatchedPage, cluster: ClusterUnderTest, key: str
) -> None:
    """The page cannot know whether a write without an answer took effect."""
    cluster["node1"].put(key, "there").raise_for_status()
    reads, writes = trying.break_the_first("/get"), trying.break_the_first("/put")
    trying.press("Get")
    expect(answer(trying, f"node1 shows {key}").locator(".value").first).to_have_text('"there"')
    trying.page.get_by_label("Value, for a put").fill("1")
    trying.press("Put")
    answer(trying, "node1 did not answer: no connection to ")
    assert (len(reads), len(writes)) == (2, 1)


def test_siblings_are_shown_and_a_put_of_who_has_seen_them_settles_them(
    trying: WatchedPage, calm: ClusterUnderTest, key: str
) -> None:
    """Two sessions write at the same time; the page reads both values, and replaces them."""
    calm["node1"].http.post("/faults", json={"delay": {"node2": LATE}}).raise_for_status()
    calm["node2"].http.post("/faults", json={"delay": {"node1": LATE}}).raise_for_status()
    calm["node1"].put(key, "red").raise_for_status()
    calm["node2"].put(key, "blue").raise_for_status()
    for node in ("node1", "node2"):
        calm[node].http.post("/faults", json={"clear": True}).raise_for_status()
    calm.quiesce([key])
    trying.press("Get")
    both = answer(trying, "The key holds 2 values that were written concurrently")
    expect(both).to_contain_text('"red" written at node1')
    expect(both).to_contain_text('"blue" written at node2')
    put(trying, "node3", "purple")
    answer(trying, f"node3 stored {key}")
    trying.press("Get")
    answer(trying, f"node3 shows {key}, written at node3")
    assert calm["node3"].get(key, siblings="true").json()["siblings"][1:] == []


def test_how_far_a_write_has_come_is_said_when_it_is_asked_for(trying: WatchedPage, key: str) -> None:
    """The level that was reached."""
    trying.page.get_by_text("Options").click()
    trying.page.get_by_label("A write is answered when it is").select_option("all")
    put(trying, "node2", "1")
    expect(answer(trying, f"node2 stored {key}")).to_contain_text("It reached the level all by the time of the answer.")


def test_what_a_node_refuses_is_shown_in_its_words(trying: WatchedPage, cluster: ClusterUnderTest, key: str) -> None:
    """Too large a value; no key at all is not even asked for."""
    trying.may_fail("/put", "413")
    trying.page.get_by_label("Value, for a put").fill("x" * (1024 * 1024 + 1))
    trying.press("Put")
    answer(trying, re.compile(r"node1 refused \(413\).*the value", re.DOTALL))
    assert cluster["node1"].get(key).status_code == 404
    trying.key.fill("")
    trying.press("Get")
    trying.sees(trying.page, "Give a key first.")
    expect(trying.key).to_be_focused()


def test_request_and_answer_can_be_read_as_they_were_sent(trying: WatchedPage, key: str) -> None:
    """For those who go on with curl."""
    put(trying, "node1", "[1]")
    stored = answer(trying, f"node1 stored {key}")
    stored.get_by_text("Request and answer").click()
    expect(stored.get_by_label("Request", exact=True)).to_have_text(f'POST /put\n{{"key": "{key}", "value": [1]}}')
    expect(stored.get_by_label("Answer", exact=True)).to_contain_text("Value stored with causal consistency")


def test_a_long_request_and_answer_say_how_much_of_them_is_left_out(trying: WatchedPage, key: str) -> None:
    """More would make the page slow."""
    put(trying, "node1", '"' + "x" * 5000 + '"')
    stored = answer(trying, f"node1 stored {key}")
    stored.get_by_text("Request and answer").click()
    request = f'POST /put\n{{"key": "{key}", "value": "{"x" * 5000}"}}'
    expect(stored.get_by_label("Request", exact=True)).to_have_text(
        f"{request[:4000]}… {len(request) - 4000} more characters"
    )


def test_only_the_last_answers_are_kept(trying: WatchedPage, cluster: ClusterUnderTest, key: str) -> None:
    """A page that is used for long does not grow."""
    cluster["node1"].put(key, 0).raise_for_status()
    items = trying.page.get_by_role("list", name="Answers, the newest first").locator("> li")
    for count in range(1, 16):
        trying.press("Get")
        expect(items).to_have_count(min(count, 12))

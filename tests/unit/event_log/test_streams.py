"""The event hub over real sockets: who is new, late, slow or gone, and how much a stream is sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from node.core.vector_clock import VectorClock
from node.errors import UnavailableError
from node.event_log import streams
from node.event_log.telling import Beginning, Position
from node.watch import stream as watch_stream
from tests.unit.event_log.bench import EventBench, names, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.event_log.recording import RecordedEvent
    from tests.unit.watch.bench import Client


def received(client: Client, last: int) -> Callable[[], bool]:
    """Whether the event with this number came."""
    return lambda: last in numbers(client)


# ------------------------------------------------------------------------------- coming, resuming


def test_a_stream_begins_with_a_hello_and_all_that_is_kept() -> None:
    """Then comes what is new, as it happens."""
    with EventBench() as bench:
        bench.record(3)
        client = bench.stream()
        bench.wait(received(client, 3), "what is kept")
        bench.record()
        bench.wait(received(client, 4), "what is new")
        hello = client.changes()[0]
        assert (hello.name, hello.position) == ("hello", f"{bench.log.run}-0")
        assert (hello.data["node"], hello.data["run"], hello.data["nodes"]) == (
            "node1",
            bench.log.run,
            ["node1", "node2"],
        )
        assert names(client)[1:] == ["message"] * 4
        assert client.text.startswith(b": causalkv\nretry: 1000\n\n")


def test_who_resumes_gets_exactly_the_rest() -> None:
    """By a position with its run, or by a number of this one."""
    with EventBench() as bench:
        bench.record(10)
        for run in (bench.log.run, None):
            client = bench.stream(Position(run, 7))
            bench.wait(received(client, 10), "the rest")
            assert numbers(client) == [8, 9, 10]
            assert client.changes()[0].position == f"{bench.log.run}-7"


def test_who_resumes_too_late_is_told_how_many_events_are_gone() -> None:
    """And goes on with the oldest that is kept."""
    with EventBench(max_events=100) as bench:
        bench.record(150)
        client = bench.stream(Position(bench.log.run, 20))
        bench.wait(received(client, 150), "what is kept")
        gap = client.changes()[1]
        assert (gap.name, gap.data, gap.position) == ("gap", {"dropped": 30}, f"{bench.log.run}-50")
        assert numbers(client) == list(range(51, 151))
        bench.wait(lambda: bench.sample("events_left_out_total") == 30, "they are counted")


def test_who_comes_from_another_run_is_told_of_a_gap_that_nobody_can_measure() -> None:
    """The process was started anew: its events were in its memory."""
    with EventBench(max_events=100) as bench:
        bench.record(150)
        client = bench.stream(Position("before", 20))
        bench.wait(received(client, 150), "what is kept")
        assert names(client)[:3] == ["hello", "gap", "message"]
        assert client.changes()[1].data == {"dropped": None}
        assert numbers(client) == list(range(51, 151))


def test_a_node_that_gets_a_number_in_the_clocks_is_told_of_before_they_show_it() -> None:
    """Else nobody knew whose the numbers are."""
    with EventBench() as bench:
        client = bench.stream()
        bench.record()
        bench.wait(received(client, 1), "an event")
        bench.shown_clocks.shown(VectorClock({"node10~abcd": 1}))
        bench.record()
        bench.wait(received(client, 2), "another event")
        assert names(client) == ["hello", "message", "hello", "message"]
        again = client.changes()[2]
        assert (again.data["nodes"], again.position) == (["node1", "node2", "node10"], f"{bench.log.run}-1")


# ---------------------------------------------------------------------------- much, and too much


def test_a_stream_is_sent_some_thousand_events_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept longer comes a little later; what is not, as a gap. Nothing comes twice or out of order."""
    monkeypatch.setattr(streams, "EVENTS_PER_SECOND_MAX", 1_000)
    with EventBench(max_events=400) as bench:
        clients = [bench.stream(), bench.stream()]
        bench.wait(lambda: all(names(client) for client in clients), "both are there")
        began = time.monotonic()
        for _ in range(50):
            bench.record(100)
        for client in clients:
            bench.wait(received(client, 5_000), "the last event")
        elapsed = time.monotonic() - began
        for client in clients:
            came = numbers(client)
            assert came == sorted(set(came))
            gaps = sum(event.data["dropped"] for event in client.changes() if event.name == "gap")
            assert len(came) + gaps == 5_000
            assert len(came) <= 1_000 * elapsed + streams.PART_EVENTS
            assert len(came) < 3_000


def test_streams_that_stand_at_the_same_place_share_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event is put into words once, however many read it."""
    with EventBench(max_streams=50) as bench:
        clients = [bench.stream() for _ in range(40)]
        bench.wait(lambda: all(names(client) for client in clients), "all are there")
        told: list[int] = []
        text = bench.hub._teller.text

        def noted(event: RecordedEvent) -> bytes:
            told.append(event.number)
            return text(event)

        monkeypatch.setattr(bench.hub._teller, "text", noted)
        bench.record(20)
        for client in clients:
            bench.wait(received(client, 20), "all came")
        assert told == list(range(1, 21))


def test_for_a_client_that_reads_slowly_nothing_gathers_and_it_learns_what_it_missed() -> None:
    """Others get everything meanwhile."""
    with EventBench(max_events=300) as bench:
        slow, quick = bench.stream(), bench.stream()
        most = 0
        for number in range(1, 3_001, 100):
            bench.record(100, "k" * 1_000)
            bench.wait(received(quick, number + 99), "the quick one has it")
            most = max(most, bench.unsent_bytes())
        assert 0 < most <= streams.ROOM_BYTES + streams.PART_BYTES + 5_000
        assert numbers(quick) == list(range(1, 3_001))
        bench.wait(received(slow, 3_000), "the slow one reads after all")
        gaps = sum(event.data["dropped"] for event in slow.changes() if event.name == "gap")
        assert gaps > 0
        assert len(numbers(slow)) + gaps == 3_000
        assert bench.sample("event_streams_cut_off_total") == 0


def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """In time, and counted; it can resume."""
    monkeypatch.setattr(watch_stream, "STALLED_SECONDS", 0.2)
    with EventBench() as bench:
        stalled = bench.stream()
        bench.record(1_000, "k" * 1_000)
        bench.wait(lambda: bench.sample("event_streams_cut_off_total") == 1, "it is cut off")
        stalled.wait_for_end()
        bench.wait(lambda: bench.sample("event_streams") == 0, "its place is free")
        last = numbers(stalled)[-1]
        again = bench.stream(Position(bench.log.run, last))
        bench.wait(received(again, 1_000), "the rest")
        assert numbers(again) == list(range(last + 1, 1_001))


# ---------------------------------------------------------------------------------- places, ends


def test_beyond_the_limit_a_client_is_refused_until_a_place_is_free() -> None:
    """With what else it can do."""
    with EventBench(max_streams=2) as bench:
        first, _ = bench.stream(), bench.stream()
        bench.wait(lambda: len(bench.hub._clients) == 2, "both are there")
        with pytest.raises(UnavailableError, match="2 clients are streamed the events of this node already"):
            bench.stream()
        assert bench.limits_reached == ["events_max_streams"]
        first.socket.close()
        bench.wait(lambda: bench.sample("event_streams") == 1, "one is gone")
        bench.stream()


def test_a_ticket_that_is_given_up_frees_its_place() -> None:
    """The client went before its connection was handed over; said twice, it counts once."""
    with EventBench(max_streams=1) as bench:
        ticket = bench.hub.admit(Beginning(0, is_known=True))
        ticket.give_up()
        ticket.give_up()
        assert bench.sample("event_streams") == 0
        client = bench.stream()
        bench.record()
        bench.wait(received(client, 1), "it is served")


def test_a_silent_stream_shows_that_it_lives() -> None:
    """By comments, which mean nothing."""
    with EventBench(keep_alive_seconds=0.05) as bench:
        client = bench.stream()
        bench.wait(lambda: client.read() is not None and client.text.count(b": keep-alive\n\n") >= 3, "signs of life")
        assert names(client) == ["hello"]


def test_what_is_recorded_is_counted_whether_anybody_reads_it_or_not() -> None:
    """A rate that operators can look at."""
    with EventBench() as bench:
        bench.record(7)
        assert bench.sample("events_recorded_total") == 7


def test_a_fault_of_the_program_cuts_off_the_clients_and_the_hub_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come again; nobody else is concerned."""
    with EventBench() as bench:
        client = bench.stream()
        bench.wait(lambda: names(client) == ["hello"], "it is there")
        with monkeypatch.context() as patched:
            patched.setattr(bench.hub._teller, "text", lambda _event: 1 // 0)
            bench.record()
            client.wait_for_end()
        bench.wait(lambda: bench.sample("event_streams") == 0, "its place is free")
        again = bench.stream()
        bench.wait(received(again, 1), "it is served")


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_stop_ends_all_streams_in_good_order(*, is_chunked: bool) -> None:
    """Whoever has read all so far can tell that nothing was cut short, where HTTP can say so."""
    with EventBench() as bench:
        client = bench.stream(is_chunked=is_chunked)
        bench.wait(lambda: len(bench.hub._clients) == 1, "it is there")
        assert bench.hub.stop(5)
        client.wait_for_end()
        assert client.text.endswith(b"0\r\n\r\n") == is_chunked
        assert bench.sample("event_streams") == 0

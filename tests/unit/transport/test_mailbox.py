"""The way into an I/O thread."""

from __future__ import annotations

import threading

from node.transport.mailbox import Mailbox


def test_one_wake_up_drains_everything_that_waits() -> None:
    """Waking costs a system call: many items share one."""
    wakes: list[int] = []
    mailbox: Mailbox[str] = Mailbox()
    mailbox.open(lambda: wakes.append(1))
    for item in "abc":
        mailbox.put(item)
    assert mailbox.drain() == ["a", "b", "c"]
    mailbox.put("d")
    assert mailbox.drain() == ["d"]
    assert len(wakes) == 2


def test_a_closed_mailbox_drops_what_waits_and_what_comes() -> None:
    """What belongs to a lost connection must not reach the next one."""
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("before")
    mailbox.open(lambda: None)
    mailbox.put("waiting")
    mailbox.close()
    mailbox.put("late")
    wakes: list[int] = []
    mailbox.open(lambda: wakes.append(1))
    assert mailbox.drain() == []
    mailbox.put("new")
    assert (mailbox.drain(), len(wakes)) == (["new"], 1)


def test_items_beyond_the_limit_are_dropped_and_said_to_be() -> None:
    """What is drained makes room again; a closed mailbox takes nothing."""
    mailbox: Mailbox[str] = Mailbox(max_size=5, size_of=len)
    assert not mailbox.put("a")
    mailbox.open(lambda: None)
    assert [mailbox.put(item) for item in ("abc", "def", "gh", "i")] == [True, False, True, False]
    assert mailbox.drain() == ["abc", "gh"]
    assert mailbox.put("jklmn")
    mailbox.close()
    mailbox.open(lambda: None)
    assert mailbox.put("opqrs")


def test_no_item_is_left_without_a_wake_up() -> None:
    """With writers and a reader at work at the same time everything arrives, in each writer's order."""
    mailbox: Mailbox[tuple[int, int]] = Mailbox()
    awake = threading.Semaphore(0)
    mailbox.open(awake.release)

    def write(writer: int) -> None:
        for number in range(2000):
            mailbox.put((writer, number))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for writer in writers:
        writer.start()
    read: list[tuple[int, int]] = []
    while len(read) < 6000:
        assert awake.acquire(timeout=10.0), f"{len(read)} items came, the rest waits for ever"
        read.extend(mailbox.drain())
    for writer in writers:
        writer.join()
    for number in range(3):
        assert [item for item in read if item[0] == number] == [(number, i) for i in range(2000)]

from __future__ import annotations

from node.core.effects import Effect, IncarnationTaken, Publish, PublishConfirmed
from node.core.events import Confirmed, PublisherUp, Tick
from node.core.publishing import SAVE_AFTER_WRITES, Publishing
from node.core.replica import ReplicaLimits
from node.core.state import FormerLine
from node.core.write import Write
from tests.support.dict_state import DictState
from tests.unit.core.builders import Bench, clock, only, put, write


class _Sender:
    """The publishing of replica a2, which wrote as a1 before, over a disk that has all of its writes."""

    def __init__(
        self, own: int, confirmed: int = 0, former: tuple[FormerLine, ...] = (), window: int = 10, trimmed: str = ""
    ) -> None:
        self.disk = DictState("a2")
        self.disk.confirmed_seq, self.disk.former, self.disk.trimmed = confirmed, former, clock(trimmed)
        self.counts = {"a2": own, **{line.replica: line.last_seq for line in former}}
        for replica, count in self.counts.items():
            for seq in range(self.disk.trimmed[replica] + 1, count + 1):
                self.disk.append_history(write(f"{replica}:{seq}"))
        self.publishing = Publishing(self.disk.saved(), window, 2, 1_000)

    def count(self, replica: str) -> int:
        return self.counts.get(replica, 0)

    def send(self) -> list[Publish]:
        return only(self.publishing.next_messages(self.count, self.disk), Publish)


def _names(packs: list[Publish]) -> list[str]:
    return [f"{pack.replica}:{pack.first_seq}-{pack.last_seq}" for pack in packs]


# ----------------------------------------------------------------------------------- former lines


def test_what_a_former_incarnation_left_unpublished_goes_first() -> None:
    """In its own name; both through windows of their own."""
    sender = _Sender(own=2, former=(FormerLine("a1", 1, 4),))
    assert sender.send() == []
    sender.publishing.open()
    packs = sender.send()
    assert _names(packs) == ["a1:2-3", "a1:4-4", "a2:1-2"]
    assert [entry.dot.seq for pack in packs for entry in pack.entries if isinstance(entry, Write)] == [2, 3, 4, 1, 2]


def test_a_former_line_ends_at_its_last_own_write() -> None:
    """What others still make known in that name is theirs to publish."""
    sender = _Sender(own=0, former=(FormerLine("a1", 0, 1),))
    sender.disk.append_history(write("a1:2"))
    sender.counts["a1"] = 2
    sender.publishing.open()
    assert _names(sender.send()) == ["a1:1-1"]
    assert sender.publishing.waiting_writes(sender.count) == 1


def test_a_former_line_is_forgotten_when_it_is_drained() -> None:
    """Not before its last write is confirmed."""
    sender = _Sender(own=1, former=(FormerLine("a1", 0, 3),))
    sender.publishing.open()
    first, second, own = sender.send()
    sender.publishing.confirm([own.publish_id, first.publish_id])
    assert not sender.publishing.drop_former()
    assert sender.publishing.former == [FormerLine("a1", 2, 3)]
    assert sender.publishing.confirm([second.publish_id]) == [PublishConfirmed("a1", 3, 3)]
    assert sender.publishing.drop_former()
    assert sender.publishing.former == []
    assert not sender.publishing.drop_former()


def test_a_former_line_that_a_peer_has_anyway_is_forgotten() -> None:
    """All of it is in the peer's state; a part is not enough."""
    sender = _Sender(own=0, former=(FormerLine("a1", 0, 3),))
    assert not sender.publishing.drop_former({"a1": 2}.__getitem__)
    assert sender.publishing.drop_former({"a1": 3}.__getitem__)


def test_a_new_line_leaves_the_unconfirmed_writes_to_a_former_one() -> None:
    """They are acknowledged: they must reach everybody, in the name under which they were made."""
    sender = _Sender(own=3)
    sender.publishing.open()
    sender.publishing.confirm([sender.send()[0].publish_id])
    sender.publishing.begin_line("a3", sender.count)
    assert sender.publishing.former == [FormerLine("a2", 2, 3)]
    assert sender.publishing.confirmed_seq == 0
    sender.counts["a3"] = 1
    sender.disk.append_history(write("a3:1"))
    assert _names(sender.send()) == ["a3:1-1"]
    assert sender.publishing.unconfirmed_messages == 2


def test_a_new_line_after_a_drained_one_leaves_nothing() -> None:
    """There is nothing to publish in the former name."""
    sender = _Sender(own=3, confirmed=3)
    sender.publishing.begin_line("a3", sender.count)
    assert sender.publishing.former == []


def test_all_lines_stop_and_start_together() -> None:
    """There is one transport; after an outage everything unconfirmed goes out again."""
    sender = _Sender(own=1, former=(FormerLine("a1", 0, 1),))
    sender.publishing.open()
    sender.send()
    sender.publishing.close()
    assert sender.publishing.unconfirmed_messages == 0
    assert sender.send() == []
    sender.publishing.open()
    assert _names(sender.send()) == ["a1:1-1", "a2:1-1"]


def test_history_is_needed_beyond_what_is_confirmed() -> None:
    """Of the own line and of former ones; of other replicas it is not needed for publishing."""
    sender = _Sender(own=5, confirmed=4, former=(FormerLine("a1", 2, 3),))
    assert [sender.publishing.kept_from(replica) for replica in ("a2", "a1", "b")] == [4, 2, None]


def test_a_former_line_goes_on_after_what_is_forgotten() -> None:
    """Only what was confirmed is ever forgotten, and how far a former line is confirmed is saved late."""
    sender = _Sender(own=0, former=(FormerLine("a1", 0, 5),), trimmed="a1=3")
    sender.publishing.open()
    assert _names(sender.send()) == ["a1:4-5"]


# ---------------------------------------------------------------------------------- confirmations


def test_a_confirmation_is_saved_late() -> None:
    """It may wait for a write or a tick, unless there are many of them."""
    sender = _Sender(own=SAVE_AFTER_WRITES, window=SAVE_AFTER_WRITES)
    sender.publishing.open()
    *packs, last = sender.send()
    sender.publishing.confirm([pack.publish_id for pack in packs])
    assert (sender.publishing.is_unsaved, sender.publishing.must_save) == (True, False)
    sender.publishing.confirm([last.publish_id])
    assert (sender.publishing.is_unsaved, sender.publishing.must_save) == (True, True)
    sender.publishing.saved()
    assert (sender.publishing.is_unsaved, sender.publishing.must_save) == (False, False)


def _published(bench: Bench, writes: int) -> list[Effect]:
    bench.step(PublisherUp())
    effects: list[Effect] = []
    for number in range(writes):
        effects += bench.write(put("x", str(number)))
    return effects


def test_a_confirmation_alone_is_not_written_to_the_disk() -> None:
    """A tick saves it; a crash before costs a message that all drop as a duplicate."""
    bench = Bench()
    (sent,) = only(_published(bench, 1), Publish)
    bench.step(Confirmed([sent.publish_id]))
    assert bench.disk.confirmed_seq == 0
    bench.step(Tick(0, 0))
    assert bench.disk.confirmed_seq == 1


def test_many_confirmations_are_saved_at_once() -> None:
    """Under load nothing but writes happens for a while, and a crash must not cost all of it."""
    bench = Bench(limits=ReplicaLimits(publish_window_messages=2 * SAVE_AFTER_WRITES))
    sent = only(_published(bench, SAVE_AFTER_WRITES), Publish)
    bench.step(Confirmed([pack.publish_id for pack in sent]))
    assert bench.disk.confirmed_seq == SAVE_AFTER_WRITES


def test_a_former_line_survives_a_restart_until_it_is_drained() -> None:
    """And is taken off the disk with its last confirmation."""
    bench = Bench("a")
    bench.write(put("x", "unpublished"))
    (taken,) = only(bench.receive(write("a:2")), IncarnationTaken)
    assert list(bench.disk.former) == [FormerLine("a", 0, 1)]
    bench.restart()
    (sent,) = only(bench.step(PublisherUp()), Publish)
    assert (sent.replica, sent.last_seq, bench.replica.replica) == ("a", 1, taken.replica)
    assert bench.replica.outbox_writes == 1
    bench.step(Confirmed([sent.publish_id]))
    assert list(bench.disk.former) == []
    assert bench.replica.outbox_writes == 0

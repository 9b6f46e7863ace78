"""The outbox under any order of confirmations, refusals and lost connections."""

from __future__ import annotations

import itertools

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from node.core.outbox import Outbox, Pack


class OutboxMachine(RuleBasedStateMachine):
    """An outbox, a transport that does as it likes, and the truth about what reached every queue."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox("a", 0, 1, itertools.count(1))
        self.is_open = False
        self.window_messages = 1
        self.own_seq = 0
        self.on_the_wire: list[Pack] = []
        self.former: list[Pack] = []
        self.publish_ids: list[int] = []
        self.sent_up_to = 0
        self.truly_confirmed: set[int] = set()
        self.prefix_before = 0

    @initialize(window_messages=st.integers(1, 4), confirmed_seq=st.integers(0, 3))
    def start(self, window_messages: int, confirmed_seq: int) -> None:
        """As after a restart of the process."""
        self.outbox = Outbox("a", confirmed_seq, window_messages, itertools.count(1))
        self.window_messages = window_messages
        self.own_seq = self.sent_up_to = self.prefix_before = confirmed_seq
        self.truly_confirmed = set(range(1, confirmed_seq + 1))

    @rule(writes=st.integers(1, 5))
    def write(self, writes: int) -> None:
        """Clients write."""
        self.own_seq += writes

    @rule()
    def come_up(self) -> None:
        """The transport can publish: everything unconfirmed is to be offered again."""
        self.outbox.open()
        self.is_open = True
        self._forget_the_wire()

    @rule()
    def go_down(self) -> None:
        """The connection is lost, or a message was refused."""
        self.outbox.close()
        self.is_open = False
        self._forget_the_wire()

    def _forget_the_wire(self) -> None:
        self.former += self.on_the_wire
        self.on_the_wire = []
        self.sent_up_to = self.outbox.confirmed_seq

    @rule(pack_max_writes=st.integers(1, 4))
    def send(self, pack_max_writes: int) -> None:
        """Send the next pack, if there is one and the window has room."""
        first_seq = self.outbox.next_seq(self.own_seq)
        may_send = self.is_open and self.sent_up_to < self.own_seq and len(self.on_the_wire) < self.window_messages
        assert (first_seq is not None) == may_send
        if first_seq is None:
            return
        assert first_seq == self.sent_up_to + 1, "packs follow each other without a hole"
        pack = self.outbox.sent(first_seq, min(self.own_seq, first_seq + pack_max_writes - 1))
        self.sent_up_to = pack.last_seq
        self.publish_ids.append(pack.publish_id)
        self.on_the_wire.append(pack)

    @precondition(lambda self: self.on_the_wire)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """Any message on the wire turns out to be in every queue."""
        pack = data.draw(st.sampled_from(self.on_the_wire))
        self.on_the_wire.remove(pack)
        self.truly_confirmed |= set(range(pack.first_seq, pack.last_seq + 1))
        self.former.append(pack)
        assert self.outbox.confirm(pack.publish_id) == [pack]

    @precondition(lambda self: self.former)
    @rule(data=st.data())
    def confirm_again_or_too_late(self, data: st.DataObject) -> None:
        """A confirmation of a former connection, or one that came before, counts for nothing."""
        pack = data.draw(st.sampled_from(self.former))
        assume(pack not in self.on_the_wire)
        assert self.outbox.confirm(pack.publish_id) == []

    @invariant()
    def the_prefix_grows_and_is_true(self) -> None:
        """Everything up to ``confirmed_seq`` was confirmed, and it never goes back."""
        prefix = self.outbox.confirmed_seq
        assert prefix >= self.prefix_before
        assert set(range(1, prefix + 1)) <= self.truly_confirmed
        self.prefix_before = prefix

    @invariant()
    def the_window_is_kept_and_ids_are_new(self) -> None:
        """What is on the wire is bounded; no two messages share a name."""
        assert self.outbox.in_flight_messages == len(self.on_the_wire) <= self.window_messages
        assert self.publish_ids == sorted(set(self.publish_ids))

    def teardown(self) -> None:
        """Whatever happened: with a transport that works, every write is confirmed in the end, in order."""
        self.come_up()
        for _ in range(self.own_seq + 1):
            self.send(pack_max_writes=2)
            for pack in list(self.on_the_wire):
                self.on_the_wire.remove(pack)
                self.truly_confirmed |= set(range(pack.first_seq, pack.last_seq + 1))
                self.outbox.confirm(pack.publish_id)
            self.the_prefix_grows_and_is_true()
        assert self.outbox.confirmed_seq == self.own_seq


TestOutbox = OutboxMachine.TestCase

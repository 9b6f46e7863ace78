"""What a replica says to a client's write: made, refused and why, repeated, or postponed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.core.conditions import Condition, IfAbsent, IfShown
from node.core.effects import Accepted, Postponed, RefusalReason, RefusedWrite, Repeated
from node.core.events import LocalWrite
from node.core.local_writes import LocalWriteLimits
from node.core.replica import ReplicaLimits
from node.core.requests import RequestLimits
from node.core.write import Delete, Increment, Operation
from tests.unit.core.builders import Bench, clock, only, put, write

if TYPE_CHECKING:
    from node.core.effects import Effect

X, Y = put("x", "1"), put("x", "2")


def _asked(
    *operations: Operation, request_id: str = "", condition: Condition | None = None, context: str = "", ms: int = 1_000
) -> LocalWrite:
    return LocalWrite("request", operations, clock(context), ms, request_id, condition)


def _refusal(effects: list[Effect]) -> RefusedWrite:
    (refused,) = only(effects, RefusedWrite)
    assert only(effects, Accepted) == []
    return refused


def _full() -> Bench:
    return Bench("a", ReplicaLimits(local_writes=LocalWriteLimits(outbox_max_writes=1)))


# --------------------------------------------------------------------------------------- conditions


def test_a_condition_that_is_met_lets_the_write_through() -> None:
    """It is no part of the write: peers know nothing of it."""
    bench = Bench("a")
    (accepted,) = only(bench.step(_asked(X, condition=IfAbsent("x"))), Accepted)
    assert accepted.write.operations == (X,)


def test_a_condition_that_is_not_met_is_told_with_the_current_siblings_and_changes_nothing() -> None:
    """The client sees what stands there instead."""
    bench = Bench("a")
    bench.step(_asked(X))
    refused = _refusal(bench.step(_asked(Y, condition=IfAbsent("x"))))
    assert (refused.request, refused.reason) == ("request", RefusalReason.CONDITION_NOT_MET)
    assert refused.current == bench.disk.versions("x")
    assert bench.values("x") == ["1"]
    assert bench.replica.clock == clock("a=1")


def test_of_racing_requests_in_one_transaction_exactly_one_wins() -> None:
    """Each is judged against what those before it have left, committed or not."""
    bench = Bench("a")
    effects = bench.step(*(_asked(put("x", str(number)), condition=IfAbsent("x")) for number in range(5)))
    assert len(only(effects, Accepted)) == 1
    assert [refused.current[0].value for refused in only(effects, RefusedWrite)] == [b'"0"'] * 4


def test_a_delete_lets_an_absence_be_met_in_the_same_transaction() -> None:
    """And not only after the commit."""
    bench = Bench("a")
    bench.step(_asked(X))
    effects = bench.step(_asked(Delete("x")), _asked(Y, condition=IfAbsent("x")))
    assert len(only(effects, Accepted)) == 2
    assert bench.values("x") == ["2"]


def test_a_context_that_is_not_reached_comes_before_the_condition() -> None:
    """What the client has seen may be what its condition speaks of."""
    bench = Bench("a")
    bench.step(_asked(X))
    refused = _refusal(bench.step(_asked(Y, condition=IfAbsent("x"), context="b=1")))
    assert refused.reason is RefusalReason.CONTEXT_NOT_REACHED


# ---------------------------------------------------------------------------------- named requests


def test_a_named_request_that_comes_again_gets_its_first_answer_and_writes_nothing() -> None:
    """The same dot and clock, whatever was written since."""
    bench = Bench("a")
    (first,) = only(bench.step(_asked(Increment("c", 1), request_id="r")), Accepted)
    bench.step(_asked(X))
    effects = bench.step(_asked(Increment("c", 1), request_id="r", ms=9_000))
    (repeated,) = only(effects, Repeated)
    assert only(effects, Accepted) == []
    assert (repeated.write.dot, repeated.write.clock) == (first.write.dot, first.write.clock)
    assert bench.replica.clock == clock("a=2")


def test_a_named_request_is_known_in_the_same_transaction_and_after_a_restart() -> None:
    """A client that lost its answer does not know when it was stored."""
    bench = Bench("a")
    effects = bench.step(_asked(X, request_id="r"), _asked(X, request_id="r"))
    assert (len(only(effects, Accepted)), len(only(effects, Repeated))) == (1, 1)
    bench.restart()
    assert len(only(bench.step(_asked(X, request_id="r")), Repeated)) == 1


def test_a_named_request_of_a_failed_transaction_was_never_made() -> None:
    """Its repetition is the first."""
    bench = Bench("a")
    bench.fail(_asked(X, request_id="r"))
    assert len(only(bench.step(_asked(X, request_id="r")), Accepted)) == 1


def test_the_name_travels_with_the_write() -> None:
    """Whoever applies it answers the repetition with the write of the node that took it."""
    bench = Bench("a")
    bench.receive(write("b:1", X)._replace(request_id="r"))
    (repeated,) = only(bench.step(_asked(X, request_id="r")), Repeated)
    assert str(repeated.write.dot) == "b:1"


def test_a_held_write_is_not_known_yet() -> None:
    """Only what is applied is remembered: the name is in no clock that this replica could answer with."""
    bench = Bench("a")
    bench.receive(write("b:1", X, after="c=1")._replace(request_id="r"))
    assert len(only(bench.step(_asked(X, request_id="r")), Accepted)) == 1


def test_a_name_with_another_write_is_refused() -> None:
    """Two requests of one name would hide one of them."""
    bench = Bench("a")
    bench.step(_asked(X, request_id="r"))
    for other in (Y, put("y", "1"), X._replace(ttl_ms=1), Delete("x")):
        assert _refusal(bench.step(_asked(other, request_id="r"))).reason is RefusalReason.REQUEST_ID_REUSED
    assert _refusal(bench.step(_asked(X, X, request_id="r"))).reason is RefusalReason.REQUEST_ID_REUSED


def test_a_repetition_is_known_before_its_condition_is_looked_at() -> None:
    """The condition was met then, and is not any more by that very write."""
    bench = Bench("a")
    asked = _asked(X, request_id="r", condition=IfAbsent("x"))
    bench.step(asked)
    assert len(only(bench.step(asked), Repeated)) == 1
    other = _asked(Y, request_id="s", condition=IfShown("x", [9], lambda seen: [seen["a"]]))
    assert _refusal(bench.step(other)).reason is RefusalReason.CONDITION_NOT_MET


def test_a_request_that_was_refused_is_not_remembered() -> None:
    """It may succeed when it comes again."""
    bench = Bench("a")
    bench.step(_asked(X))
    asked = _asked(Y, request_id="r", condition=IfAbsent("x"))
    assert _refusal(bench.step(asked)).reason is RefusalReason.CONDITION_NOT_MET
    bench.step(_asked(Delete("x")))
    assert len(only(bench.step(asked), Accepted)) == 1


def test_a_repetition_is_answered_although_the_outbox_is_full() -> None:
    """It writes nothing."""
    bench = _full()
    bench.step(_asked(X, request_id="r"))
    assert len(only(bench.step(_asked(X, request_id="r")), Repeated)) == 1
    assert _refusal(bench.step(_asked(Y, request_id="s"))).reason is RefusalReason.OUTBOX_FULL


def test_new_names_are_refused_while_no_more_can_be_remembered() -> None:
    """Known ones are answered, and nameless writes go on."""
    limits = LocalWriteLimits(requests=RequestLimits(remember_ms=1_000_000, generation_max=2))
    bench = Bench("a", ReplicaLimits(local_writes=limits))
    bench.step(_asked(X, request_id="r"), _asked(X, request_id="s"))
    assert _refusal(bench.step(_asked(X, request_id="t"))).reason is RefusalReason.REQUESTS_FULL
    effects = bench.step(_asked(X, request_id="r"), _asked(Y))
    assert (len(only(effects, Repeated)), len(only(effects, Accepted))) == (1, 1)


# --------------------------------------------------------------------------------------- postponed


def test_a_write_is_postponed_while_the_name_is_in_question_and_judged_anew_then() -> None:
    """Of two equal requests that waited, one is made; a condition is judged when the write is."""
    bench = Bench("a", founding=("a", "b"), is_new=False)
    asked = _asked(X, request_id="r", condition=IfAbsent("x"))
    effects = bench.step(asked, asked)
    assert only(effects, Postponed) == [Postponed(asked), Postponed(asked)]
    assert only(effects, Accepted) == []
    bench.restart(is_new=True)
    effects = bench.step(asked, asked)
    assert (len(only(effects, Accepted)), len(only(effects, Repeated))) == (1, 1)


def test_refusals_do_not_wait_for_the_name() -> None:
    """They write nothing."""
    bench = Bench("a", founding=("a", "b"), is_new=False)
    bench.receive(write("b:1", X)._replace(request_id="r"))
    assert _refusal(bench.step(_asked(Y, condition=IfAbsent("x")))).reason is RefusalReason.CONDITION_NOT_MET
    assert len(only(bench.step(_asked(X, request_id="r")), Repeated)) == 1

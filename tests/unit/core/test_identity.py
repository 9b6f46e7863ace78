from __future__ import annotations

from node.core.identity import Identity, IdentityLimits

LIMITS = IdentityLimits(wait_ms=3_000, repeat_ms=1_000)


def _asking(now_ms: int = 0) -> Identity:
    return Identity(LIMITS, now_ms, is_sure=False)


def test_a_name_that_was_made_just_now_is_safe() -> None:
    """Nobody can know of it: there is nothing to ask, and nothing to wait for."""
    identity = Identity(LIMITS, 0, is_sure=True)
    identity.writes_wait = True
    assert identity.is_sure
    assert not identity.is_time_for_hello(10_000)
    assert not identity.is_overdue(10_000)


def test_a_name_from_the_disk_is_not_safe_before_it_was_asked_for() -> None:
    """The disk may be an old copy."""
    assert not _asking().is_sure


def test_all_members_must_answer() -> None:
    """The one that is silent may be the one that knows more."""
    identity = _asking()
    identity.answered("b")
    assert not identity.is_answered_by(["b", "c"])
    identity.answered("c")
    assert identity.is_answered_by(["b", "c"])


def test_one_member_answering_twice_does_not_stand_for_two() -> None:
    """Answers may be doubled on their way."""
    identity = _asking()
    identity.answered("b")
    identity.answered("b")
    assert not identity.is_answered_by(["b", "c"])


def test_no_members_are_no_answer() -> None:
    """Alone, a node cannot know that its name is safe."""
    assert not _asking().is_answered_by([])


def test_answers_of_others_than_members_do_not_hurt() -> None:
    """A node that was removed meanwhile may have answered."""
    identity = _asking()
    identity.answered("removed")
    identity.answered("b")
    assert identity.is_answered_by(["b"])


def test_the_question_is_overdue_only_when_a_write_waits() -> None:
    """Reads need no safe name: without a write there is time for ever."""
    identity = _asking(now_ms=500)
    assert not identity.is_overdue(1_000_000)
    identity.writes_wait = True
    assert not identity.is_overdue(3_499)
    assert identity.is_overdue(3_500)


def test_a_settled_question_is_not_overdue() -> None:
    """The writes that waited are on their way."""
    identity = _asking()
    identity.writes_wait = True
    identity.settle()
    assert identity.is_sure
    assert not identity.writes_wait
    assert not identity.is_overdue(10_000)


def test_the_hello_is_repeated_until_the_question_is_settled() -> None:
    """A hello or its answer may get lost; after the pause and not before."""
    identity = _asking()
    assert [identity.is_time_for_hello(at_ms) for at_ms in (0, 999, 1_000, 1_500, 2_000)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    identity.settle()
    assert not identity.is_time_for_hello(10_000)

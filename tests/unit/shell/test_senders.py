"""Who may speak for whom, by the broker's word alone."""

from __future__ import annotations

import pytest

from node.errors import MessageRejectedError
from node.senders import ANYBODY, SenderRule

SENDER = "node2~bbbbbb"
MEMBERS = frozenset({"node1", "node2", "node3"})
SHARED_USER = SenderRule(MEMBERS)
OWN_USERS = SenderRule(MEMBERS, proof_required=True, trusted_users=frozenset({"guest"}))


def is_believed(rule: SenderRule, user_id: str | None, sender: str = SENDER) -> bool:
    """Whether this user may speak for that replica."""
    try:
        rule.check(sender, user_id)
    except MessageRejectedError:
        return False
    return True


@pytest.mark.parametrize(
    ("user_id", "anybody", "shared_user", "own_users"),
    [
        ("node2", True, True, True),
        ("node1", True, False, False),
        ("guest", True, True, True),
        ("somebody", True, True, False),
        # Its broker user may be there before it is a member.
        ("node4", True, True, False),
        ("", True, True, False),
        (None, True, True, False),
    ],
)
def test_who_is_believed(user_id: str | None, *, anybody: bool, shared_user: bool, own_users: bool) -> None:
    """A node of its own name always; another only where nothing better is to be had, or where it is trusted."""
    assert is_believed(ANYBODY, user_id) is anybody
    assert is_believed(SHARED_USER, user_id) is shared_user
    assert is_believed(OWN_USERS, user_id) is own_users


def test_a_node_that_joins_is_believed_under_its_own_name() -> None:
    """Whoever proves who it is need not be known."""
    assert is_believed(OWN_USERS, "node4", "node4~dddddd")
    assert not is_believed(OWN_USERS, "node1", "node4~dddddd")


def test_members_change_and_the_rest_of_the_rule_stays() -> None:
    """A broker user that becomes a member's name stands for that one alone."""
    grown = SHARED_USER.with_members((*MEMBERS, "node4"))
    assert not is_believed(grown, "node4")
    assert OWN_USERS.with_members(("node2",)).trusted_users == OWN_USERS.trusted_users
    assert OWN_USERS.with_members(("node2",)).proof_required


def test_a_reason_bears_whatever_a_user_is_called() -> None:
    """It goes into a header and into logs."""
    with pytest.raises(MessageRejectedError) as error:
        OWN_USERS.check(SENDER, "x" * 255)
    assert len(str(error.value)) < 200

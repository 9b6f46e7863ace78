"""The members as operators see them: who lives, how far each is, and who holds history back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.vector_clock import VectorClock

if TYPE_CHECKING:
    from node.core.replica import Replica


class MemberReport(NamedTuple):
    """One member, as this node knows it.

    ``alive``: it told its clock lately. ``silent_seconds``: since when it has not. ``lag_writes``: writes applied here
    that it has not, by its last word. ``holds_back_writes``: history kept here because it lacks them; 0 when it is
    ``away``, silent for so long that nobody waits for it. ``clock_ahead_seconds``: its wall clock against this one's.
    """

    node: str
    replica: str | None
    alive: bool
    away: bool
    silent_seconds: float
    lag_writes: int
    holds_back_writes: int
    clock_ahead_seconds: float | None
    url: str | None


def report_members(replica: Replica, node_id: str, url: str, now_ms: int) -> list[MemberReport]:
    """All members, by name; on the replica's thread."""
    members = replica.members
    reports = []
    for node in sorted(members.nodes):
        if node == node_id:
            reports.append(
                MemberReport(
                    node,
                    replica.replica,
                    alive=True,
                    away=False,
                    silent_seconds=0.0,
                    lag_writes=0,
                    holds_back_writes=0,
                    clock_ahead_seconds=0.0,
                    url=url or None,
                )
            )
            continue
        peer = members.peers.get(node)
        is_away = members.is_away(node, now_ms)
        told = VectorClock() if peer is None else peer.clock
        lag_writes = told.missing_writes(replica.clock)
        reports.append(
            MemberReport(
                node,
                None if peer is None else peer.replica,
                alive=members.is_alive(node, now_ms),
                away=is_away,
                silent_seconds=members.silent_ms(node, now_ms) / 1000,
                lag_writes=lag_writes,
                holds_back_writes=0 if is_away else lag_writes,
                clock_ahead_seconds=None if peer is None else peer.wall_ahead_ms / 1000,
                url=None if peer is None else peer.url or None,
            )
        )
    return reports

"""How the nodes look: their status, members, and held writes, as tables and lines on stdout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from client.causal_token import natural_order
from client.render import line, printable, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from client.answers import CausalBuffer, Healing, Member, MemberRemoved, Members, NodeStatus
    from client.cluster import Reply

KEYS_SHOWN_MAX = 3
MINUTE_SECONDS, HOUR_SECONDS = 60, 3600
# From here on a duration is shown in the next larger unit.
UNITS_SHOWN_MAX = 120


def show_statuses(replies: Sequence[Reply[NodeStatus]]) -> None:
    """Print a table of nodes, one of how each sees the others, and what is being healed.

    A node that did not answer is shown as such.
    """
    table(("node", "ready", "vc", "held", "outbox", "broker", "url"), map(_status_row, replies))
    statuses = [reply.answer for reply in replies if reply.answer is not None]
    names = sorted({member.node for status in statuses for member in status.members}, key=natural_order)
    if names:
        table(("members, seen by", *names), [_seen_by(status, names) for status in statuses])
    for status in statuses:
        for text in _what_is_healed(status):
            line(printable(f"{status.node} {text}"))


def _status_row(reply: Reply[NodeStatus]) -> tuple[str, ...]:
    status = reply.answer
    if status is None:
        return ("?", "unreachable", "", "", "", "", reply.url)
    ready = "yes" if status.ready else "no"
    return (status.node, ready, str(status.vc), str(status.held), str(status.outbox), status.broker, reply.url)


def _seen_by(status: NodeStatus, names: Sequence[str]) -> tuple[str, ...]:
    members = {member.node: member for member in status.members}
    return (status.node, *(_seen(members.get(name), by=status.node) for name in names))


def _seen(member: Member | None, *, by: str) -> str:
    if member is None:
        return "no member"
    if member.node == by:
        return "itself"
    liveness = "alive" if member.alive else f"{'away' if member.away else 'silent'} {_duration(member.silent_seconds)}"
    return f"{liveness}, lacks {_writes(member.lag_writes)}" if member.lag_writes else liveness


def _what_is_healed(status: NodeStatus) -> Iterator[str]:
    healing = status.healing
    if status.missing_writes:
        yield f"lacks {_writes(status.missing_writes)} that others have{_asked_for(healing)}"
    elif not status.ready and healing.catching_up_writes:
        yield f"is catching up: {_writes(healing.catching_up_writes)} to go"
    snapshot = healing.snapshot
    if snapshot is not None and snapshot.state == "taking":
        yield f"takes a snapshot from {snapshot.peer}: {snapshot.parts} parts, {snapshot.keys} keys so far"
    if snapshot is not None and snapshot.state == "refused":
        yield f"refused a snapshot from {snapshot.peer}: {snapshot.reason}"
    if healing.repairs:
        last = healing.repairs[-1]
        yield f"last got missing writes at {_time(last.at)}: {_writes(last.writes)}, {last.missing}, from {last.peer}"


def _asked_for(healing: Healing) -> str:
    asked = [f"{replica} ({times})" for replica, times in healing.asking_for.items() if times]
    return f"; asked for those of (times): {', '.join(asked)}" if asked else ""


def show_members(members: Members) -> None:
    """Print a table of the members as one node knows them, and who should be started or taken out."""
    columns = ("node", "alive", "lag (writes)", "silent", "holds back history (writes)", "clock ahead", "url")
    table(columns, [_member_row(member) for member in sorted(members.members, key=_by_name)])
    line(f"as the node at {members.reached_at} knows them")
    for member in members.members:
        if not member.alive and member.holds_back_writes:
            line(
                f"{printable(member.node)} is silent and holds back history: start it, or, when it never comes back, "
                f"take it out: python -m client remove {printable(member.node)}"
            )


def _by_name(member: Member) -> list[tuple[int, str]]:
    return natural_order(member.node)


def _member_row(member: Member) -> tuple[str, ...]:
    return (
        member.node,
        "yes" if member.alive else "away" if member.away else "no",
        str(member.lag_writes),
        _duration(member.silent_seconds),
        str(member.holds_back_writes),
        "?" if member.clock_ahead_seconds is None else f"{member.clock_ahead_seconds:+.3f} s",
        "?" if member.url is None else member.url,
    )


def show_removed(removed: MemberRemoved) -> None:
    """Print who is out, and who is left."""
    left = ", ".join(member.node for member in sorted(removed.members, key=_by_name))
    line(printable(f"{removed.removed} is out: its queue is deleted, its writes stay; the members now are {left}"))


def show_buffers(buffers: Iterable[tuple[str, CausalBuffer]]) -> None:
    """Print a table of held writes, node by node, or say that there are none."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for node, buffer in buffers:
        for write in buffer.held:
            keys = ", ".join(map(printable, write.keys[:KEYS_SHOWN_MAX]))
            more = ", …" if len(write.keys) > KEYS_SHOWN_MAX else ""
            waits_for = write.waits_for or ", ".join(write.missing)
            rows.append((node, write.dot, keys + more, str(write.vc), write.since, waits_for))
        if buffer.count > len(buffer.held):
            notes.append(f"{printable(node)} holds {buffer.count} writes; {len(buffer.held)} of them are shown")
        elif not buffer.held:
            notes.append(f"{printable(node)} holds no writes")
    if rows:
        table(("node", "dot", "keys", "vc", "since", "waits for"), rows)
    for note in notes:
        line(note)


def node_json(reply: Reply[Any], *, node: str | None = None) -> dict[str, Any]:
    """Return what ``status --json`` and ``buffer --json`` list of one node: its own answer, and whose it is."""
    whose: dict[str, Any] = {"reached_at": reply.url} if node is None else {"node": node, "reached_at": reply.url}
    return whose | ({"error": str(reply.error)} if reply.answer is None else reply.answer.answer)


def _writes(count: int) -> str:
    return f"{count} write" if count == 1 else f"{count} writes"


def _duration(seconds: float) -> str:
    if seconds < UNITS_SHOWN_MAX:
        return f"{seconds:.1f} s"
    if seconds < UNITS_SHOWN_MAX * MINUTE_SECONDS:
        return f"{seconds / MINUTE_SECONDS:.0f} min"
    return f"{seconds / HOUR_SECONDS:.0f} h"


def _time(seconds: float) -> str:
    """Show a node's wall clock; one that is off, or out of any calendar, is no reason to fail."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"

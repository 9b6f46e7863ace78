"""What a check found, as a person reads it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from client.check.findings import SHOWN_VIOLATIONS_MAX, message_of, story_of
from client.consistency.checker import VIOLATIONS_MAX
from client.consistency.violations import ViolationKind
from client.render import line, printable, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from client.check.findings import Findings
    from client.consistency.violations import Violation

MEANINGS: Mapping[ViolationKind, str] = {
    ViolationKind.THIN_AIR: "a read showed a value that nobody had written",
    ViolationKind.CYCLE: "what the sessions saw can have happened in no order",
    ViolationKind.READ_YOUR_WRITES: "a session did not see what it had written itself",
    ViolationKind.MONOTONIC_READS: "a session saw something, and later an older state of it",
    ViolationKind.MONOTONIC_WRITES: "a later write of a session was seen, and an earlier one was not",
    ViolationKind.WRITES_FOLLOW_READS: "an effect was seen, and what its writer had read before was not",
    ViolationKind.CAUSAL_ORDER: "an effect was seen without something that happened before it",
    ViolationKind.CONFLICT_ORDER: "of concurrent writes, different ones were preferred at different places",
    ViolationKind.TOKEN: "a causal token says something that cannot be",
    ViolationKind.CONVERGENCE: "at the end, with nothing on its way, nodes show different values",
    ViolationKind.LOST: "an acknowledged write is gone, and nothing can have overwritten it",
    ViolationKind.RESURRECTED: "a value that had been overwritten or deleted is back",
}


def show(findings: Findings) -> None:
    """Print the verdict, the numbers, and what was not proved."""
    for node, what in findings.unsafe.items():
        line(f"{node} says of itself: {printable(what)}")
    if findings.has_violations:
        _show_violations(findings.verdict.violations)
    elif findings.is_undecided:
        line(f"Nothing wrong was seen, but not all could be judged: {findings.could_not or findings.unsettled}.")
    else:
        line("No violation: causal order, session guarantees and convergence held in all that was seen.")
    _show_numbers(findings)
    line("Not proved:")
    for what in findings.not_proved:
        line(f"  - {printable(what)}")


def _show_numbers(findings: Findings) -> None:
    counts = findings.counts
    late = f"yes, at most {findings.held_max} seen held" if findings.has_late_messages else "no"
    rows = [
        ("nodes", ", ".join(findings.nodes)),
        ("seconds", f"{findings.seconds:.1f}"),
        (
            "operations",
            f"{counts['operations']} ({counts['puts']} put, {counts['gets']} get, {counts['deletes']} delete)",
        ),
        ("refused, answer lost", f"{counts['refused']}, {counts['unknown']}"),
        ("sessions", f"{counts['sessions']}"),
        ("moves between nodes", f"{counts['moves']}"),
        ("keys", f"{counts['keys']} under {findings.prefix}"),
        ("pairs checked (write, later read)", f"{findings.verdict.pairs_checked}"),
        ("concurrent writes seen", f"{findings.verdict.concurrent_writes}"),
        ("messages made late", late),
        ("again with", f"--seed {findings.seed}"),
    ]
    table(("what", "how much"), rows)


def _show_violations(violations: Sequence[Violation]) -> None:
    kinds = Counter(violation.kind for violation in violations)
    at_least = "at least " if len(violations) >= VIOLATIONS_MAX else ""
    line(f"VIOLATED: {at_least}{len(violations)} times. " + ", ".join(f"{kind}: {n}" for kind, n in kinds.items()))
    # One of each kind says more than the first few, which are often one mistake seen again and again.
    firsts = {violation.kind: violation for violation in reversed(violations)}
    for kind in list(kinds)[:SHOWN_VIOLATIONS_MAX]:
        line("")
        line(f"{kind}: {MEANINGS[kind]}")
        line(f"  {printable(message_of(firsts[kind]))}")
        if story := story_of(firsts[kind]):
            table(("", "when", "session", "node", "what"), story)

"""What a check found, in numbers; and what it did not show."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from client.consistency.checker import Verdict
from client.consistency.history import Kind, Outcome

if TYPE_CHECKING:
    from client.check.load import Load
    from client.consistency.history import Operation
    from client.consistency.violations import Violation

SHOWN_VIOLATIONS_MAX = 3
NO_VERDICT = Verdict((), 0, 0)


@dataclass(slots=True)
class Findings:
    """All that is known at the end; ``unsettled`` says why the end of the run could not be judged, if it could not."""

    prefix: str
    seed: int
    nodes: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    """Addresses that did not answer."""
    unsafe: dict[str, str] = field(default_factory=dict)
    """By node, what it says of itself that is switched off."""
    seconds: float = 0.0
    has_late_messages: bool = False
    held_max: int = 0
    """The most writes that were seen in a causal buffer."""
    unsettled: str = ""
    left_behind: str = ""
    stuck_delays: list[str] = field(default_factory=list)
    verdict: Verdict = NO_VERDICT
    counts: dict[str, int] = field(default_factory=dict)
    is_cut_short: bool = False
    """Whether the load ended because enough was recorded."""

    def note_load(self, load: Load) -> None:
        """Count what was done."""
        operations = load.history.operations
        kinds = Counter(operation.kind for operation in operations)
        outcomes = Counter(operation.outcome for operation in operations)
        self.is_cut_short = load.is_full
        self.counts = {
            "operations": len(operations),
            "puts": kinds[Kind.PUT],
            "gets": kinds[Kind.GET],
            "deletes": kinds[Kind.DELETE],
            "answered": outcomes[Outcome.OK],
            "refused": outcomes[Outcome.FAILED],
            "unknown": outcomes[Outcome.UNKNOWN],
            "sessions": len({operation.session for operation in operations}),
            "moves": load.moves,
            "keys": len(load.plan.keys),
        }

    @property
    def could_not(self) -> str:
        """Why nothing, or not all, could be judged; empty when all was."""
        return "" if self.counts.get("answered") else "no request was answered"

    @property
    def has_violations(self) -> bool:
        """Whether the cluster broke a promise."""
        return bool(self.verdict.violations)

    @property
    def not_proved(self) -> list[str]:
        """What a reader must not take from this run."""
        counts = self.counts
        missed = ["what these sessions did not happen to see: a test finds faults, it cannot show that there are none"]
        if len(self.nodes) < 2:  # noqa: PLR2004  # two are needed to differ
            missed.append("anything about several nodes: only one was there")
        elif not self.has_late_messages:
            missed.append(
                "that effects wait for causes which come late: none came late. One broker alone keeps causal order; "
                "nodes with CAUSALKV_FAULTS=1 let the check delay messages"
            )
        if self.silent:
            missed.append(f"anything about {', '.join(self.silent)}: no answer")
        if self.unsettled:
            missed.append(f"that the nodes agree in the end: {self.unsettled}")
        if not self.verdict.concurrent_writes:
            missed.append("how concurrent writes are resolved: none were seen")
        if counts.get("unknown"):
            missed.append(f"what became of {counts['unknown']} requests whose answer was lost: either is allowed")
        if self.is_cut_short:
            missed.append("the rest of the time: as many operations were recorded as a check keeps")
        missed.append("that writes survive crashes, cuts and full disks: the check does no such harm")
        return missed

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "verdict": "violated" if self.has_violations else "undecided" if self.is_undecided else "sound",
            "prefix": self.prefix,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "nodes": self.nodes,
            "silent": self.silent,
            "unsafe": self.unsafe,
            **self.counts,
            "pairs_checked": self.verdict.pairs_checked,
            "concurrent_writes": self.verdict.concurrent_writes,
            "late_messages": self.has_late_messages,
            "held_max": self.held_max,
            "not_proved": self.not_proved,
            "violations": [
                {"kind": v.kind.value, "message": message_of(v), "operations": list(map(str, v.operations))}
                for v in self.verdict.violations
            ],
            "left_behind": self.left_behind,
        }

    @property
    def is_undecided(self) -> bool:
        """Whether the cluster could not do what is needed to judge it."""
        return bool(self.unsettled or self.could_not)


def message_of(violation: Violation) -> str:
    """What is wrong, with the operations as numbers in brackets, which are listed beside it."""
    message = violation.message
    for place, operation in enumerate(dict.fromkeys(violation.operations), 1):
        message = message.replace(str(operation), f"({place})")
    return message


def story_of(violation: Violation) -> list[tuple[str, str, str, str, str]]:
    """The operations of a violation, in the order in which they began: number, time, session, node, what."""
    numbered = list(enumerate(dict.fromkeys(violation.operations), 1))
    numbered.sort(key=lambda each: each[1].start_seconds)
    return [
        (f"({place})", f"{o.start_seconds:.3f} to {o.end_seconds:.3f} s", o.session, o.node, _deed(o))
        for place, o in numbered
    ]


def _deed(operation: Operation) -> str:
    key = re.sub(r"^check-[0-9a-f]+/", "", operation.key)
    lost = "" if operation.outcome is Outcome.OK else f" ({operation.outcome})"
    match operation.kind:
        case Kind.PUT:
            return f"put {key} = {operation.value}{lost}"
        case Kind.DELETE:
            return f"delete {key}{lost}"
        case Kind.GET:
            return f"get {key} -> {', '.join(operation.values) or 'nothing'}{lost}"

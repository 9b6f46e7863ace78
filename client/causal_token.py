"""The causal token: what a session has seen, as how many writes of each replica.

It travels in the header ``X-Causal-Context`` as ``node1~t5k2m1=3,node2~t5k2m4=1``. Tokens form a
lattice: merging takes the maximum per replica, so a session's token never moves back, whatever the
order in which answers arrive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003  # msgspec reads the annotations
from dataclasses import dataclass, field
from types import MappingProxyType

from client.errors import InvalidTokenError

REPLICA_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}~[A-Za-z0-9_-]{1,64}")
COUNT_PATTERN = re.compile(r"[0-9]{1,19}")
COUNT_MAX = 2**63 - 1
ADVICE = "is not <replica>=<count>, such as node1~t5k2m1=3"
# Far above any real token, and below what HTTP servers take as one header.
TEXT_MAX_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class CausalToken:
    """An immutable map from replica id to the number of its writes that were seen; absent means none."""

    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Copy, so that no one else can change it, and drop zeros, so that equal tokens compare equal.

        Raises InvalidTokenError for what no header could carry.
        """
        for replica, count in self.counts.items():
            if not REPLICA_PATTERN.fullmatch(replica) or not 0 <= count <= COUNT_MAX:
                raise InvalidTokenError(f"'{replica[:140]}={count}' {ADVICE}, counting 0 to {COUNT_MAX}")
        seen = {replica: count for replica, count in self.counts.items() if count > 0}
        object.__setattr__(self, "counts", MappingProxyType(seen))

    @classmethod
    def parse(cls, text: str) -> CausalToken:
        """Read the header form; an empty text is the empty token. Raises InvalidTokenError."""
        if len(text) > TEXT_MAX_CHARACTERS:
            raise InvalidTokenError(
                f"a causal token has at most {TEXT_MAX_CHARACTERS} characters, this has {len(text)}"
            )
        counts: dict[str, int] = {}
        for part in text.split(",") if text.strip() else []:
            replica, _, number = part.strip().partition("=")
            if not COUNT_PATTERN.fullmatch(number):
                raise InvalidTokenError(f"{part.strip()[:160]!r} {ADVICE}")
            if replica in counts:
                raise InvalidTokenError(f"{replica!r} stands in the causal token twice: name each replica once")
            counts[replica] = int(number)
        return cls(counts)

    def __str__(self) -> str:
        """Return the header form, replicas in natural order."""
        return ",".join(f"{replica}={self.counts[replica]}" for replica in sorted(self.counts, key=natural_order))

    def __or__(self, other: CausalToken) -> CausalToken:
        """Merge: the least token that covers both."""
        merged = dict(self.counts)
        for replica, count in other.counts.items():
            merged[replica] = max(count, merged.get(replica, 0))
        return CausalToken(merged)

    def __le__(self, other: CausalToken) -> bool:
        """Tell whether ``other`` covers everything that this token has seen."""
        return all(count <= other.counts.get(replica, 0) for replica, count in self.counts.items())

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __hash__(self) -> int:
        return hash(frozenset(self.counts.items()))


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key, for replicas and nodes, that puts node2 before node10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]

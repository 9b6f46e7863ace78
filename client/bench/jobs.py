"""What the processes of a bench tell each other: jobs to the workers, measurements back, one line of JSON each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

# Latencies are counted in buckets that are 2 % wide: exact enough, and of one size however long a bench runs.
BUCKETS_PER_E = 50


class Shot(msgspec.Struct, frozen=True):
    """One HTTP request: ``head`` up to and with its last header, so that another can follow; and ``body``."""

    head: bytes
    body: bytes = b""

    def raw(self, header: bytes = b"") -> bytes:
        """All of it, as it goes over the wire; ``header`` is one more line, with its end."""
        return b"%b%b\r\n%b" % (self.head, header, self.body)


class Closed(msgspec.Struct, frozen=True, tag=True):
    """Each connection sends a request, waits for its answer, and sends the next."""

    addresses: list[tuple[str, int]]
    connections: int
    shots: list[Shot]
    seconds: float
    seed: int


class Moving(msgspec.Struct, frozen=True, tag=True):
    """Sessions that write at one node, and read what they wrote at the next, with their token; the reads count."""

    addresses: list[tuple[str, int]]
    sessions: int
    puts: list[Shot]
    gets: list[Shot]
    seconds: float
    seed: int


class Watching(msgspec.Struct, frozen=True, tag=True):
    """Watchers of one key at all nodes, and a writer that goes on when they have what it wrote; the events count.

    ``put`` has a body with `NUMBER` where the number of the write goes.
    """

    addresses: list[tuple[str, int]]
    watchers: int
    watch: Shot
    put: Shot
    seconds: float


NUMBER = b"0000000000"
Job = Closed | Moving | Watching


class Measured(msgspec.Struct, frozen=True):
    """What a worker measured: answers and their time in buckets, errors, and the first of these in words."""

    seconds: float
    latencies: dict[int, int]
    errors: int = 0
    first_error: str = ""

    @property
    def count(self) -> int:
        """How many were answered well."""
        return sum(self.latencies.values())

    @property
    def per_second(self) -> float:
        """How many were answered well in a second."""
        return self.count / self.seconds if self.seconds else 0.0

    def quantile_ms(self, part: float) -> float:
        """The latency that this part of all answers did not exceed, in milliseconds; 0 when there were none."""
        left = math.ceil(self.count * part)
        for bucket in sorted(self.latencies):
            left -= self.latencies[bucket]
            if left <= 0:
                return 1000 * seconds_of(bucket)
        return 0.0


def bucket_of(seconds: float) -> int:
    """The bucket of a latency."""
    return round(BUCKETS_PER_E * math.log(seconds)) if seconds > 0 else -10_000


def seconds_of(bucket: int) -> float:
    """The middle of a bucket."""
    return math.exp(bucket / BUCKETS_PER_E)


def joined(measured: Iterable[Measured]) -> Measured:
    """What several workers measured side by side."""
    latencies: dict[int, int] = {}
    errors, first_error, seconds = 0, "", 0.0
    for each in measured:
        for bucket, count in each.latencies.items():
            latencies[bucket] = latencies.get(bucket, 0) + count
        errors += each.errors
        first_error = first_error or each.first_error
        seconds = max(seconds, each.seconds)
    return Measured(seconds, latencies, errors, first_error)

"""One process of a bench: ``python -m client.bench.worker`` takes jobs on stdin, and tells measurements on stdout."""

from __future__ import annotations

import random
import re
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from client.bench.jobs import NUMBER, Closed, Job, Measured, Moving, Shot, Watching, bucket_of
from client.bench.wire import OK, RECEIVE_BYTES, Answer, HttpWire, Loop, connected

if TYPE_CHECKING:
    from collections.abc import Callable

# What happens while connections are still being made is not counted.
WARM_UP_PART = 0.1
WARM_UP_MAX_SECONDS = 0.5
POLL_SECONDS = 0.05
# A write that some watcher does not get within this is an error, and the next one is sent.
EVENT_TIMEOUT_SECONDS = 2.0
SHOWN_ERROR_BYTES = 300
# How many writes may be under way to the watchers at a time.
WATCH_WINDOW = 4


class Meter:
    """Counts answers between the end of the warm-up and the end of the job."""

    def __init__(self, seconds: float) -> None:
        self.from_seconds = time.monotonic() + min(WARM_UP_MAX_SECONDS, seconds * WARM_UP_PART)
        self.until_seconds = self.from_seconds + seconds
        self._latencies: dict[int, int] = {}
        self._errors = 0
        self._first_error = ""

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until_seconds

    def done(self, since_seconds: float) -> None:
        """Something that began then is answered well."""
        now = time.monotonic()
        if self.from_seconds <= now <= self.until_seconds:
            bucket = bucket_of(now - since_seconds)
            self._latencies[bucket] = self._latencies.get(bucket, 0) + 1

    def failed(self, what: str) -> None:
        """Something was not answered well."""
        self._errors += 1
        self._first_error = self._first_error or what

    def measured(self) -> Measured:
        """All of it."""
        return Measured(self.until_seconds - self.from_seconds, self._latencies, self._errors, self._first_error)


def is_good(answer: Answer | None, meter: Meter) -> bool:
    """Whether an answer is one; else it is noted as an error."""
    if answer is None:
        meter.failed("a connection was closed, or what came over it was no HTTP answer with a Content-Length")
        return False
    if answer.status != OK:
        meter.failed(f"{answer.status} {answer.body[:SHOWN_ERROR_BYTES].decode(errors='replace')}")
        return False
    return True


class _Asker:
    """A connection that sends one request after the other."""

    def __init__(self, loop: Loop, address: tuple[str, int], shots: list[bytes], meter: Meter, seed: str) -> None:
        self._shots = shots
        self._meter = meter
        self._choose = random.Random(seed).randrange  # noqa: S311  # a schedule, no secret
        self._since_seconds = 0.0
        self._wire = HttpWire(loop, address, self._answered)
        self._ask()

    def _ask(self) -> None:
        self._since_seconds = time.monotonic()
        self._wire.send(self._shots[self._choose(len(self._shots))])

    def _answered(self, answer: Answer | None) -> None:
        if is_good(answer, self._meter):
            self._meter.done(self._since_seconds)
        if answer is not None:
            self._ask()


class _Traveller:
    """A session: it writes at one node, reads that at the next with its token, writes there, and so on."""

    def __init__(self, loop: Loop, job: Moving, meter: Meter, place: int) -> None:
        self._job = job
        self._meter = meter
        self._place = place
        self._random = random.Random(f"{job.seed}.{place}")  # noqa: S311  # a schedule, no secret
        self._chosen = 0
        self._reads = True
        self._since_seconds = 0.0
        self._wires = [HttpWire(loop, address, self._answered) for address in job.addresses]
        self._go_on(b"")

    def _go_on(self, token: bytes) -> None:
        self._reads = not self._reads
        if self._reads:
            self._place += 1
        else:
            self._chosen = self._random.randrange(len(self._job.puts))
        shot: Shot = (self._job.gets if self._reads else self._job.puts)[self._chosen]
        self._since_seconds = time.monotonic()
        self._wires[self._place % len(self._wires)].send(shot.raw(b"X-Causal-Context: %b\r\n" % token))

    def _answered(self, answer: Answer | None) -> None:
        if is_good(answer, self._meter) and self._reads:
            self._meter.done(self._since_seconds)
        if answer is not None:
            self._go_on(answer.header(b"x-causal-context"))


class _Watcher:
    """A connection that reads events."""

    def __init__(self, loop: Loop, address: tuple[str, int], watch: Shot, seen: Callable[[int], None]) -> None:
        self.socket = connected(address)
        self.is_open = True
        self.is_ready = False
        self._loop = loop
        self._seen = seen
        self._received = b""
        self.socket.sendall(watch.raw())
        loop.add(self)

    def writable(self) -> None:
        """Nothing is ever left unsent."""

    def readable(self) -> None:
        """Take in what came."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_open = False
            self._loop.remove(self)
            return
        self.is_ready = self.is_ready or b"\r\n\r\n" in self._received + data
        received = self._received + data
        last = 0
        for found in _EVENT.finditer(received):
            self._seen(int(found[1]))
            last = found.end()
        # What may be the beginning of an event whose rest is still to come.
        self._received = received[max(last, len(received) - len(NUMBER) - 20) :]


_EVENT = re.compile(rb'"value": ?"(\d{%d})' % len(NUMBER))


class _Writer:
    """Writes for the watchers, a few at a time; the next one when all of them have the oldest."""

    def __init__(self, loop: Loop, job: Watching, meter: Meter) -> None:
        self._job = job
        self._meter = meter
        self._number = 0
        self._missing: dict[int, int] = {}
        self._since_seconds: dict[int, float] = {}
        self._is_idle = True
        self._watchers = [
            _Watcher(loop, job.addresses[n % len(job.addresses)], job.watch, self._seen) for n in range(job.watchers)
        ]
        self._wire = HttpWire(loop, job.addresses[0], self._answered)

    def go_on(self) -> None:
        """Give up what is overdue; write more, if that may be."""
        if not all(watcher.is_ready or not watcher.is_open for watcher in self._watchers):
            return
        now = time.monotonic()
        for number in [n for n, since in self._since_seconds.items() if now - since > EVENT_TIMEOUT_SECONDS]:
            self._meter.failed(
                f"{self._missing.pop(number)} watchers did not get an event in {EVENT_TIMEOUT_SECONDS:g} s"
            )
            del self._since_seconds[number]
        if self._is_idle and len(self._missing) < WATCH_WINDOW:
            self._number += 1
            self._is_idle = False
            self._missing[self._number] = sum(watcher.is_open for watcher in self._watchers)
            self._since_seconds[self._number] = now
            body = self._job.put.body.replace(NUMBER, b"%0*d" % (len(NUMBER), self._number), 1)
            self._wire.send(Shot(self._job.put.head, body).raw())

    def _answered(self, answer: Answer | None) -> None:
        self._is_idle = answer is not None
        if not is_good(answer, self._meter):
            self._missing.pop(self._number, None)
            self._since_seconds.pop(self._number, None)
        self.go_on()

    def _seen(self, number: int) -> None:
        if number not in self._missing:
            return
        self._meter.done(self._since_seconds[number])
        self._missing[number] -= 1
        if not self._missing[number]:
            del self._missing[number], self._since_seconds[number]
            self.go_on()


def carry_out(job: Job) -> Measured:
    """Do a job to its end; a node that cannot be reached is an error of the measurement."""
    loop, meter = Loop(), Meter(job.seconds)
    writer: _Writer | None = None
    try:
        if isinstance(job, Closed):
            shots = [shot.raw() for shot in job.shots]
            for place in range(job.connections):
                address = job.addresses[place % len(job.addresses)]
                _Asker(loop, address, shots, meter, f"{job.seed}.{place}")
        elif isinstance(job, Moving):
            for place in range(job.sessions):
                _Traveller(loop, job, meter, place)
        else:
            writer = _Writer(loop, job, meter)
        while not meter.is_over:
            loop.run_once(POLL_SECONDS)
            if writer is not None:
                writer.go_on()
    except OSError as error:
        meter.failed(f"no connection: {error}")
    finally:
        loop.close()
    return meter.measured()


def main() -> None:
    """Take one job after the other, until stdin ends."""
    for line in sys.stdin.buffer:
        measured = carry_out(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(msgspec.json.encode(measured) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # the process that started this one says so
        sys.exit(130)

"""What a bench measures: for each case the requests, made before the clock runs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

from client.bench.jobs import NUMBER, Closed, Job, Moving, Shot, Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MANY = 100
"""Operations in a batch, keys of an mget and of a page of a scan, and watchers."""
# Distinct requests of a case, and their size in all: they stand in the memory of each process.
SHOTS_MAX = 1_000
SHOTS_MAX_BYTES = 4 * 1024 * 1024
# Counters cannot be deleted: few ones, the same in every run.
COUNTERS = [f"bench/counter{n}" for n in range(10)]


class Setting(NamedTuple):
    """What the cases have in common: where, over how many connections in all, how long each, with which data."""

    addresses: Sequence[tuple[str, int]]
    connections: int
    seconds: float
    value: str
    prefix: str
    keys: Sequence[str]
    seed: int


class Case(NamedTuple):
    """One thing to measure: the route that it needs, the jobs of so many processes, and operations in an answer."""

    name: str
    what: str
    route: str
    jobs: Callable[[Setting, int], list[Job]]
    operations: int = 1


def post(path: str, content: Any) -> Shot:
    """A POST of JSON."""
    body = msgspec.json.encode(content)
    return Shot(
        b"POST %b HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        % (path.encode(), len(body)),
        body,
    )


def get(path: str, **parameters: str) -> Shot:
    """A GET."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return Shot(f"GET {path}{'?' if query else ''}{query} HTTP/1.1\r\nHost: node\r\n".encode())


def shares(total: int, processes: int) -> list[int]:
    """How many of ``total`` each process gets; those that would get none are left out."""
    each = [total // processes + (place < total % processes) for place in range(processes)]
    return [share for share in each if share]


def limited(make: Callable[[int], Shot]) -> list[Shot]:
    """As many different requests as are worth their memory, one at least."""
    shots = [make(0)]
    size_bytes = len(shots[0].raw())
    while len(shots) < SHOTS_MAX and (len(shots) + 1) * size_bytes <= SHOTS_MAX_BYTES:
        shots.append(make(len(shots)))
    return shots


def _closed(make: Callable[[Setting, random.Random, int], Shot]) -> Callable[[Setting, int], list[Job]]:
    """The jobs of a case in which every connection sends requests of one kind; ``make`` makes the n-th of them."""

    def jobs(setting: Setting, processes: int) -> list[Job]:
        chosen = random.Random(setting.seed)  # noqa: S311  # a schedule, no secret
        shots = limited(lambda n: make(setting, chosen, n))
        addresses = list(setting.addresses)
        found: list[Job] = []
        for place, share in enumerate(shares(setting.connections, processes)):
            # Turned, so that the connections of several processes do not all begin at the first node.
            turned = addresses[place % len(addresses) :] + addresses[: place % len(addresses)]
            found.append(Closed(turned, share, shots, setting.seconds, setting.seed + place))
        return found

    return jobs


def _key(setting: Setting, n: int) -> str:
    return setting.keys[n % len(setting.keys)]


def _some_keys(setting: Setting, chosen: random.Random) -> list[str]:
    return chosen.sample(list(setting.keys), min(MANY, len(setting.keys)))


def _batch(setting: Setting, chosen: random.Random) -> Shot:
    keys = _some_keys(setting, chosen)
    return post("/batch", {"ops": [{"op": "put", "key": key, "value": setting.value} for key in keys]})


def _scan(setting: Setting, chosen: random.Random) -> Shot:
    after = setting.keys[chosen.randrange(max(1, len(setting.keys) - MANY))]
    return get("/scan", prefix=setting.prefix, after=after, limit=str(MANY))


def _moving(setting: Setting, processes: int) -> list[Job]:
    puts = limited(lambda n: post("/put", {"key": _key(setting, n), "value": setting.value}))
    gets = [get("/get", key=_key(setting, n)) for n in range(len(puts))]
    return [
        Moving(list(setting.addresses), share, puts, gets, setting.seconds, setting.seed + place)
        for place, share in enumerate(shares(setting.connections, processes))
    ]


def _watching(setting: Setting, _processes: int) -> list[Job]:
    key = f"{setting.prefix}watched"
    padding = setting.value[len(NUMBER) :]
    put = post("/put", {"key": key, "value": NUMBER.decode() + padding})
    return [Watching(list(setting.addresses), MANY, get("/watch", prefix=key), put, setting.seconds)]


CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case(
            "put",
            "durable put",
            "/put",
            _closed(lambda s, _, n: post("/put", {"key": _key(s, n), "value": s.value})),
        ),
        Case("get", "get", "/get", _closed(lambda s, _, n: get("/get", key=_key(s, n)))),
        Case("batch", f"batch of {MANY} puts", "/batch", _closed(lambda s, chosen, _: _batch(s, chosen)), MANY),
        Case(
            "mget",
            f"mget of {MANY} keys",
            "/mget",
            _closed(lambda s, chosen, _: post("/mget", {"keys": _some_keys(s, chosen)})),
            MANY,
        ),
        Case("scan", f"scan, page of {MANY}", "/scan", _closed(lambda s, chosen, _: _scan(s, chosen)), MANY),
        Case(
            "incr",
            "counter increment",
            "/counter/incr",
            _closed(lambda _s, _c, n: post("/counter/incr", {"key": COUNTERS[n % len(COUNTERS)]})),
        ),
        Case("session", "read at the next node, behind a write", "/get", _moving),
        Case("watch", f"event to {MANY} watchers", "/watch", _watching),
    )
}

"""What a call does to the world, as values; so that what is done next is decided once, for threads and for asyncio.

A call is a generator: it yields a *step*, such as "send this there" or "wait so long", and is resumed with what came
of it, or with the `ClusterError` that did. It knows no socket and never sleeps. Two drivers carry steps out:
`run` and `iterate` here with a function, `run_async` and `iterate_async` with a coroutine function.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from client.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    from client.causal_token import CausalToken
    from client.protocol import Request

ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request to the node at ``url`` and read its whole answer; comes back with a `RawAnswer`.

    ``wait_seconds``: how long the node may wait for ``token``; ``timeout_seconds``: until the answer must be here.
    """

    url: str
    request: Request[Any]
    token: CausalToken
    wait_seconds: float
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class SendAll:
    """Send all at the same time; comes back with a list of `RawAnswer` or `ClusterError`, in the same order."""

    sends: tuple[Send, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so long; comes back with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Send a request whose answer has no end, in place of the stream that was open before.

    Comes back with a `RawAnswer`, whose body is empty when the status is 200: it is read piece by piece, and each
    piece must come within ``silence_seconds``.
    """

    send: Send
    silence_seconds: float


@dataclass(frozen=True, slots=True)
class ReadStream:
    """Read what came over the open stream; comes back with bytes, none at its end."""


@dataclass(frozen=True, slots=True)
class Deliver(Generic[ItemT]):
    """Hand an item to the one who iterates; comes back with None when the next is asked for."""

    item: ItemT


class StreamClosedError(Exception):
    """Who reads a stream has closed it meanwhile: the call is over. Never reaches a caller."""


Step: TypeAlias = Send | SendAll | Pause | OpenStream | ReadStream
Steps: TypeAlias = Generator[Step, Any, ResultT]
Items: TypeAlias = Generator[Step | Deliver[ItemT], Any, None]


def run(steps: Steps[ResultT], perform: Callable[[Step], Any]) -> ResultT:
    """Carry out a call; returns what it returns, raises what it raises."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = perform(step)
            except ClusterError as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as ended:
        result: ResultT = ended.value
        return result
    finally:
        steps.close()


async def run_async(steps: Steps[ResultT], perform: Callable[[Step], Awaitable[Any]]) -> ResultT:
    """Carry out a call, as `run`."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = await perform(step)
            except ClusterError as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as ended:
        result: ResultT = ended.value
        return result
    finally:
        steps.close()


def iterate(items: Items[ItemT], perform: Callable[[Step], Any]) -> Iterator[ItemT]:
    """Carry out a call that delivers items on its way, as they are asked for."""
    try:
        step = next(items)
        while True:
            if isinstance(step, Deliver):
                yield step.item
                step = items.send(None)
                continue
            try:
                outcome = perform(step)
            except ClusterError as error:
                step = items.throw(error)
            else:
                step = items.send(outcome)
    except StopIteration:
        return
    finally:
        items.close()


async def iterate_async(items: Items[ItemT], perform: Callable[[Step], Awaitable[Any]]) -> AsyncGenerator[ItemT, None]:
    """Carry out a call that delivers items, as `iterate`."""
    try:
        step = next(items)
        while True:
            if isinstance(step, Deliver):
                yield step.item
                step = items.send(None)
                continue
            try:
                outcome = await perform(step)
            except ClusterError as error:
                step = items.throw(error)
            else:
                step = items.send(outcome)
    except StopIteration:
        return
    finally:
        items.close()

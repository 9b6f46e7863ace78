"""Effects as a person reads them in a trace."""

from __future__ import annotations

from node.core import effects as todo
from node.core.control import ClockTold


def describe(effect: todo.Effect) -> str:
    """One line that says what a node does."""
    match effect:
        case todo.Accepted(_, write):
            line = f"accepts   {write.dot} with clock {write.clock}: {write.operations}"
        case todo.Applied(write, held_since_ms):
            line = f"applies   {write.dot}{'' if held_since_ms is None else ', which it held'}"
        case todo.HeldBack(write, waits_for):
            line = f"holds     {write.dot}, which waits for {waits_for}"
        case todo.Dropped(dot, own_echo, _):
            line = f"drops     {dot} ({'own echo' if own_echo else 'seen before'})"
        case todo.RefusedWrite(_, reason, missing):
            line = f"refuses a write: {reason.value} {missing or ''}"
        case todo.Repeated(request, write):
            line = f"recognises request {request.request_id}: it came to {write.dot}"
        case todo.Postponed(write):
            line = f"postpones a write: {write.operations}"
        case _:
            line = _describe_message(effect)
    return line


def _describe_message(effect: todo.Effect) -> str:
    match effect:
        case todo.Publish(publish_id, replica, first, last, _):
            line = f"publishes the writes {first} to {last} of {replica} as message {publish_id}"
        case todo.PublishConfirmed(replica, first, last):
            line = f"hears that the writes {first} to {last} of {replica} are in every queue"
        case todo.Acknowledge(tag):
            line = f"acknowledges delivery {tag.epoch}.{tag.number}"
        case todo.Tell(target, ClockTold() as told):
            asks = "" if told.asks is None else f"; asks {told.asks}"
            line = f"tells {target or 'all'}: it is at {told.clock}{asks}"
        case todo.GiveRepair(target, wanted, entries):
            line = f"gives {len(entries)} writes of {wanted.origin} to {target}"
        case _:
            line = str(effect)
    return line

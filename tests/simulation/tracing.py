"""Effects as a person reads them in a trace."""

from __future__ import annotations

from node.core import events as core


def describe(effect: core.Effect) -> str:
    """One line that says what a node does."""
    match effect:
        case core.Accepted(_, write):
            line = f"accepts   {write.dot} with clock {write.clock}: {write.operations}"
        case core.Applied(write, held_since_ms):
            line = f"applies   {write.dot}{'' if held_since_ms is None else ', which it held'}"
        case core.HeldBack(write, waits_for):
            line = f"holds     {write.dot}, which waits for {waits_for}"
        case core.Dropped(dot, own_echo, _):
            line = f"drops     {dot} ({'own echo' if own_echo else 'seen before'})"
        case core.Publish(publish_id, first, last, _):
            line = f"publishes its writes {first} to {last} as message {publish_id}"
        case core.PublishConfirmed(first, last):
            line = f"hears that its writes {first} to {last} are in every queue"
        case core.Acknowledge(tag):
            line = f"acknowledges delivery {tag.epoch}.{tag.number}"
        case core.RefusedWrite(_, reason, missing):
            line = f"refuses a write: {reason.value} {missing or ''}"
        case core.Reject(_, reason):
            line = f"rejects a message: {reason}"
    return line

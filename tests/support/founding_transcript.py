"""What ``python -m client demo`` prints, character for character."""

from __future__ import annotations


def founding_transcript(run: int) -> str:
    """The transcript of the n-th run (from 1) on a cluster that has seen nothing but earlier runs."""
    before = run - 1
    first, second, third = [run, before, before], [run, run, before], [run, run, run]
    stored = "{{'message': 'Value stored with causal consistency', 'vc': {}}}"
    lines = [
        "Step 1: Node1 writes x=5",
        f"Node1 put x=5: {stored.format(first)}",
        "",
        "Step 2: Node2 writes x=10",
        f"Node2 put x=10: {stored.format(second)}",
        "",
        "Step 3: Node3 writes y=15 (independent write)",
        f"Node3 put y=15: {stored.format(third)}",
        "",
        "Step 4: Read 'x' and 'y' from all nodes",
    ]
    for node in ("node1", "node2", "node3"):
        lines += [
            f"{node} stores:",
            f"  x: {{'key': 'x', 'value': '10', 'vc': {second}}}",
            f"  y: {{'key': 'y', 'value': '15', 'vc': {third}}}",
        ]
    return "\n".join(lines) + "\n"

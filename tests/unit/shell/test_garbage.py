"""Looking for garbage seldom must not mean never."""

from __future__ import annotations

import json
import subprocess
import sys

# In a process of its own: it is the whole process whose pace is set. A cycle counts itself out when it is freed.
PROGRAM = """
import gc, json, weakref
from node import garbage

class Cycle:
    pass

garbage.look_seldom()
frozen, looked = gc.get_freeze_count(), gc.get_stats()
alive, most = weakref.WeakSet(), 0
for _ in range(20 * garbage.THRESHOLDS[0]):
    cycle = Cycle()
    cycle.itself = cycle
    alive.add(cycle)
    most = max(most, len(alive))
looks = sum(now["collections"] - before["collections"] for now, before in zip(gc.get_stats(), looked))
print(json.dumps({"enabled": gc.isenabled(), "frozen": frozen, "most": most, "looks": looks}))
"""


def test_cycles_are_freed_in_thousands_and_what_was_loaded_is_left_alone() -> None:
    """So an error that keeps a request alive keeps it for a while, not for good."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["enabled"]
    assert found["frozen"] > 1_000
    # A cycle is two things at least.
    assert 100 < found["most"] <= 10_000
    assert 10 <= found["looks"] <= 100

"""How seldom Python looks for garbage in a process that is a node.

Nearly all that a node drops is freed at once, when the last reference to it goes. What Python's collector looks for
besides are cycles, which little but errors leaves behind. At its usual pace that takes a quarter of a busy node's time
and stops it for a tenth of a second now and then: a transaction makes thousands of things that live until its commit,
and every 700 of them start another look, at times through all that the program has loaded.
"""

from __future__ import annotations

import gc

# So many more things made than dropped start a look at the youngest; each 20th looks at those that outlived one, too.
THRESHOLDS = (10_000, 20, 20)


def look_seldom() -> None:
    """Never look again at what is there now, and from now on at new things in thousands.

    For whoever owns the process: a program that embeds a replica decides for itself.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()

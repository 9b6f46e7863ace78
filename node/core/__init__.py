"""The pure core: vector clocks, causal delivery, versions, the replica.

It knows no thread, no socket, no disk and no wall clock, so that the simulator runs the code that the
node runs. Nothing in here imports from outside the standard library or from the rest of ``node``.
"""

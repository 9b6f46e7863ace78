"""Watching: every change that takes effect at this node, as server-sent events in causal order.

Watchers are fed from history, not from the replica: its thread only says that there is something new. So what
watchers get survives restarts, needs no queue that could overflow, and is the same whichever node they ask.
"""

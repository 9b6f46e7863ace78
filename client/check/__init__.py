"""``python -m client check``: a load of sessions that move between nodes, and a judgement of what they saw."""

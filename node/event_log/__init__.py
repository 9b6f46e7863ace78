"""What happens to writes at this node, step by step, for people and their diagrams: kept in memory, up to a limit.

The replica's thread only appends small tuples to a ring; they are put into words by whoever reads them.
"""

"""What happened at several nodes as one trace: collected, put in causal order, given trace clocks, and shown."""

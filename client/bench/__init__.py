"""``python -m client bench``: what redis-benchmark is to Redis."""

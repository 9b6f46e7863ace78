"""A whole store, or a part of it, as JSON Lines: ``python -m client export`` and ``import``."""

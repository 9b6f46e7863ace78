"""Hypothesis for all property tests: no deadline per example, because shared machines are slow now and then."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("causalkv", deadline=None, print_blob=True)
settings.load_profile("causalkv")

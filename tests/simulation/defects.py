"""Deliberate defects: a simulator that misses them proves nothing."""

from __future__ import annotations

from tests.simulation.defect import Defect
from tests.simulation.defects_of_data import DEFECTS_OF_DATA
from tests.simulation.defects_of_upkeep import DEFECTS_OF_UPKEEP
from tests.simulation.defects_of_writes import DEFECTS_OF_WRITES

__all__ = ["DEFECTS", "Defect"]

DEFECTS: tuple[Defect, ...] = (*DEFECTS_OF_WRITES, *DEFECTS_OF_UPKEEP, *DEFECTS_OF_DATA)

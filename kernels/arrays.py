"""Declaring arrays: what every number of a scenario is, said once.

A mechanism that a run may do without keeps its arrays in a part of its own: a frozen dataclass of
leaves in `kernels/mechanisms/<name>/__init__.py`, listed in `kernels.scenario.Parts`.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np

LANES = 16
MAX_TIER = 8


def leaf(dims: str, unit: str, doc: str, dtype: type = np.float64):
    """Declare one array: its dims (space separated), unit, meaning and, if not float64, its type."""
    return field(metadata={"dims": tuple(dims.split()), "unit": unit, "doc": doc, "dtype": dtype})

"""Frozen flows: orders of a step that were decided before it. docs/methods/flow.md.

A market maker's book that is wound up, redemptions and treasuries by the calendar: whoever sends orders
whatever the price does within the step. Where books do not take all of it, the rest waits for the next step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

MAX_SOURCE = 8


@dataclass(frozen=True)
class Flow:
    """Orders by source: net purchases, negative where it sells."""

    row: np.ndarray = leaf("step", "1", "row of `level` in force; row 0 has no orders", np.int32)
    level: np.ndarray = leaf("row source asset venue", "USD", "net purchases in a step, start dollars")
    channel: np.ndarray = leaf("source", "1", "whose orders these are, see kernels.outcome", np.int32)

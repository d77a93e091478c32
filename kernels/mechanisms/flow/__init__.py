"""Frozen flows: orders of a step that were decided before it. docs/methods/flow.md.

A market maker's book that is wound up, treasuries by the calendar: whoever sends orders whatever the price
does within the step; and redemptions and momentum, which answer the returns of the steps before it. Where
books do not take all of it, the rest waits for the next step.
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


@dataclass(frozen=True)
class Response:
    """What sources of `Flow` order besides, in answer to the returns that they remember."""

    decay: np.ndarray = leaf("source", "1", "factor on remembered returns per step")
    start: np.ndarray = leaf("source asset", "1", "log returns remembered at the start")
    lowest: np.ndarray = leaf("source asset", "1", "remembered returns below this are answered like it")
    highest: np.ndarray = leaf("source asset", "1", "remembered returns above this are answered like it")
    rate: np.ndarray = leaf("source asset venue", "USD", "net purchases in a step per remembered return")

"""Cover: what the default of the largest one or two listed accounts would cost. docs/methods/cover.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class Cover:
    """Positions one by one, with their accounts; and what venues hold against their default."""

    account: np.ndarray = leaf("position", "1", "whose it is, in ascending order", np.int32)
    asset: np.ndarray = leaf("position", "1", "in which asset", np.int32)
    venue: np.ndarray = leaf("position", "1", "on which venue", np.int32)
    side: np.ndarray = leaf("position", "1", "LONG or SHORT", np.int32)
    notional: np.ndarray = leaf("position", "USD", "size at the start price")
    equity: np.ndarray = leaf("position", "USD", "what it can lose")
    prefunded: np.ndarray = leaf("venue", "USD", "what is there at the start to pay for losses beyond margin")

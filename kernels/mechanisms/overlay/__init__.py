"""Overlays: timed stress events laid on every path. docs/methods/overlay.md.

Price shocks (spread over a stated duration), volatility multipliers, depth multipliers, and raised
maintenance margins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class MarginRaise:
    """Maintenance rates raised on the way, as a distance added to the marks'."""

    row: np.ndarray = leaf("step", "1", "row of `level` in force; row 0: as at the start", np.int32)
    level: np.ndarray = leaf("row asset side venue", "1", "log of (1 -+ rate): at the start against now")
    rate: np.ndarray = leaf("row asset venue", "1", "added to the mean maintenance rate, for accounts")

"""Auto-deleveraging: bankrupt positions closed against winners. docs/methods/adl.md.

Acts before the cascade, on what is bankrupt at the marks of round 0, where a venue's fund was
spent when the step began. It never enters a book.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

ADL_NONE, ADL_QUEUE, ADL_PRO_RATA, ADL_QUEUE_HYPERLIQUID = range(4)
ADL_CAPPED_PRO_RATA, ADL_LEVERAGE_WATERFILL, ADL_RANDOM_START = range(4, 7)

HORIZONS = (0, 5, 30, 60)
"""Minutes after a deleveraging at which the winners look back."""


@dataclass(frozen=True)
class Adl:
    """Where winners stand; there wherever a venue deleverages."""

    equity: np.ndarray = leaf("asset side venue tier", "1", "mean equity per dollar of notional at the start")
    entry: np.ndarray = leaf("asset side venue tier", "1", "mean entry price over the price at the start")
    hedged: np.ndarray = leaf("asset side venue tier", "USD", "notional of holders who are never forced")
    at_mark: np.ndarray = leaf("venue", "1", "winners are closed at the mark, and the fund pays", np.int32)

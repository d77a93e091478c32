"""Funding of perpetual futures: longs pay shorts while the venue's price is above the index, and the reverse.

docs/methods/funding.md. The rate follows the premium, clamped and capped by the venue's rule; what it has
cost a start dollar of longs is one number per market, and moves every holder's trigger and loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

MOST_CHARGED = 0.9
"""Share of a position's present worth that funding may have taken, at most: the logarithm ends at one."""


@dataclass(frozen=True)
class Funding:
    """Rules by venue; rates are per eight hours, per dollar of present notional."""

    premium: np.ndarray = leaf("asset source venue", "1", "premium of a venue = sum of weight x displacement")
    interest: np.ndarray = leaf("venue", "1", "rate at no premium")
    clamp: np.ndarray = leaf("venue", "1", "most by which interest draws the rate from the premium")
    cap: np.ndarray = leaf("venue", "1", "largest rate either way; zero where nothing is paid")
    share: np.ndarray = leaf("venue", "1", "step over eight hours")
    weight: np.ndarray = leaf("asset side venue", "1", "1 / (1 -+ maintenance rate), of longs and of shorts")
    open_interest: np.ndarray = leaf("asset venue", "USD", "on either side at the start, accounts included")
    row: np.ndarray = leaf("step", "1", "row of `spike` in force", np.int32)
    spike: np.ndarray = leaf("row asset venue", "1", "added to the rate, within its cap")

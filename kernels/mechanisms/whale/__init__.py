"""Whales: single holders large enough to matter, drawn once a path. docs/methods/whale.md.

At most one on every side of a market. Its notional is taken out of everybody else's, and all of it is forced
within a narrow band of distances: a lump in the market's table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

BAND = 2.0**-10
"""Distance over which a whale's notional is forced: nobody sells that much at one price."""


@dataclass(frozen=True)
class Whale:
    """Chance, size and leverage of a whale on each side of a market."""

    chance: np.ndarray = leaf("asset side venue", "1", "threshold on a 32-bit word; below it there is one",
                              np.uint64)  # fmt: skip
    size: np.ndarray = leaf("asset side venue", "1", "log of the median or least share of open interest")
    deviation: np.ndarray = leaf("asset side venue", "1", "sd of the log share; log-normal sizes")
    power: np.ndarray = leaf("asset side venue", "1", "one over the tail exponent; Pareto sizes")
    cap: np.ndarray = leaf("asset side venue", "1", "largest share of open interest")
    open: np.ndarray = leaf("asset side venue", "USD", "open interest")
    margin: np.ndarray = leaf("asset side venue", "1", "log of the least margin per dollar, 1 / leverage")
    spread: np.ndarray = leaf("asset side venue", "1", "log of the largest over the least margin")
    rate: np.ndarray = leaf("asset side venue", "1", "maintenance rate")
    floor: np.ndarray = leaf("tier", "1", "largest margin of each tier, one over where it begins")

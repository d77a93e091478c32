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


MAX_EVENT = 8


@dataclass(frozen=True)
class Event:
    """Events of drawn size, each scaled by a factor of the path; they act on top of all others."""

    quantile: np.ndarray = leaf("event half mixing_edge", "1", "factor by tail probability")
    share: np.ndarray = leaf("event step", "1", "share of a step that lies within an event")
    shock: np.ndarray = leaf("event step asset", "1", "log return imposed in a step, at a factor of one")
    volatility: np.ndarray = leaf("event asset", "1", "log multiplier of the volatility, at a factor of one")
    depth: np.ndarray = leaf("event asset venue", "1", "log multiplier of the depth, at a factor of one")
    rate: np.ndarray = leaf("event asset venue", "1", "added to the funding rate, at a factor of one")

"""The loss waterfall: margin left, fees, funds, winners' profits, bad debt. docs/methods/waterfall.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

PARTS_OF_WINDOW = 16
"""A window of the running peak moves on by this many steps of its length."""

SOCIALISE_NEVER, SOCIALISE_STEP, SOCIALISE_RUN = range(3)


@dataclass(frozen=True)
class Waterfall:
    """What is special about a venue's fund and about losses beyond it; else one fund, in cash."""

    split: np.ndarray = leaf("venue", "1", "every market has a fund of its own", np.int32)
    share: np.ndarray = leaf("asset venue", "1", "of the fund, by market; all in the first where it is one")
    coin_share: np.ndarray = leaf("venue", "1", "share of the fund that is held in a coin at the start")
    coin: np.ndarray = leaf("venue", "1", "which asset that is", np.int32)
    window: np.ndarray = leaf("venue", "1", "steps of a part of the peak's window; 0: all the run", np.int32)
    claim: np.ndarray = leaf("venue", "1", "excess is a claim on later deleveraging", np.int32)
    socialise: np.ndarray = leaf("venue", "1", "when what is left is taken from winners' profits", np.int32)

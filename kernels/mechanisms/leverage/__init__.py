"""Uncertain leverage: how much can be forced on a venue is drawn once a path. docs/methods/leverage.md.

Nobody publishes leverage mixes. One factor per venue multiplies the notional that can be forced there, the
rest of open interest being never forced: its median is the config's mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class Leverage:
    """Log-normal factors on the notional that can be forced, of median one."""

    common: np.ndarray = leaf("venue", "1", "sd of the log factor that all venues share")
    own: np.ndarray = leaf("venue", "1", "sd of the log factor of each")
    most: np.ndarray = leaf("asset side venue", "1", "factor at which all open interest can be forced")

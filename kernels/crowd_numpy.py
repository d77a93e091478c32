"""Who of the tables is there in each path: uncertain leverage and whales, drawn once a path."""

from __future__ import annotations

import numpy as np

from kernels.mechanisms.leverage import step_numpy as leverage
from kernels.mechanisms.whale import step_numpy as whale
from kernels.mechanisms.whale.step_numpy import Crowd


def drawn(scenario, seed, path) -> Crowd | None:
    """The crowd of every path; None where all are as in the tables."""
    parts, arrays = scenario.parts, scenario.arrays
    shape = (len(path), *arrays.tier_notional.shape[:3])
    if parts.leverage is None and parts.whale is None:
        return None
    factor = np.ones(shape)
    if parts.leverage is not None:
        factor = np.broadcast_to(leverage.factor(parts.leverage, seed, path), shape)
    if parts.whale is not None:
        return whale.crowd(arrays, parts.whale, factor, seed, path)
    none = np.zeros(shape)
    return Crowd(factor, np.ones(shape), none + np.inf, none, none, none.astype(int), none.copy())

"""Processes that carry something from step to step: the specification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels import sites
from kernels.parts.normal.normal_numpy import normal
from kernels.parts.philox.philox_numpy import words


@dataclass
class Memory:
    """What the process of a batch of paths remembers; set at step 0, moved on by every step."""

    log_volatility: np.ndarray | None = None
    """x of Eq. (5): float64 [path]."""

    regime: np.ndarray | None = None
    """Regime of the last step: int64 [path]."""

    row: np.ndarray | None = None
    """Row of history of the last step: int64 [path]."""
    variance: np.ndarray | None = None
    """A path's own variance over the stated one: float64 [path, asset]."""


def volatility_factor(part, memory, seed, path, step, z):
    """Multiplier of all volatilities in the step, Eq. (6): float64 [path]; `memory` moves on, Eq. (5).

    z: float64 [path, asset], the step's normals before they are correlated
    """
    if step == 0:
        start = normal(words(seed, path, 0, sites.VOLATILITY_START, 1)[:, 0])
        memory.log_volatility = part.start + part.start_sd * start
    x = memory.log_volatility
    own = normal(words(seed, path, step, sites.VOLATILITY, 1)[:, 0])
    innovation = part.leverage * (z @ part.loading) + part.remainder * own
    memory.log_volatility = part.decay * x + part.innovation * innovation
    return np.exp(x - part.centre)


def regime(part, memory, seed, path, step):
    """Regime of the step, Eq. (7): int64 [path]; `memory` moves on."""
    thresholds = part.start if step == 0 else part.transition[memory.regime]
    memory.regime = (words(seed, path, step, sites.REGIME, 1) >= thresholds).sum(axis=-1)
    return memory.regime


def resampled(part, memory, seed, path, step):
    """Scale of the volatility and standardised return, Eqs. (8) and (9): float64 [path, asset] both."""
    word = words(seed, path, step, sites.BLOCK, 2)
    n_row = len(part.returns)
    row = (word[:, 1].astype(np.int64) * n_row) >> 32
    if step == 0:
        memory.variance = np.tile(part.start**2, (len(path), 1))
    else:
        row = np.where(word[:, 0] < part.block, row, (memory.row + 1) % n_row)
    memory.row = row
    scale, standard = np.sqrt(memory.variance), part.returns[row]
    memory.variance = part.decay * memory.variance + (1 - part.decay) * (scale * standard) ** 2
    return scale, standard

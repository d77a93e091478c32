"""Exogenous prices: what would happen to every asset if nobody were forced.

docs/methods/exogenous.md. Processes `gbm`, `student_t` (one chi-square scale for all assets, per
path or per step), `jump_diffusion` (Merton: common jumps with betas, own jumps), `stochastic_vol`
(one log-normal volatility factor for all assets), `regime_switching` (a Markov chain over named
regimes) and `bootstrap` (blocks of a history, drawn with replacement). What a process carries from step
to step is its `Memory`, in both forms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class StochasticVolatility:
    """The volatility factor x of all assets: volatilities are multiplied by exp(x - centre)."""

    decay: np.ndarray = leaf("factor", "1", "what is left of x after a step, phi")
    innovation: np.ndarray = leaf("factor", "1", "standard deviation of a step's innovation of x")
    start: np.ndarray = leaf("factor", "1", "mean of x at the start")
    start_sd: np.ndarray = leaf("factor", "1", "standard deviation of x at the start")
    centre: np.ndarray = leaf("factor", "1", "variance of x once it has settled, omega squared")
    leverage: np.ndarray = leaf("factor", "1", "correlation of innovation and common return")
    remainder: np.ndarray = leaf("factor", "1", "weight of the innovation's own normal")
    loading: np.ndarray = leaf("asset", "1", "the step's normals in the common return; a unit vector")


@dataclass(frozen=True)
class Regimes:
    """A Markov chain over regimes; a word chooses the next one by how many thresholds it reaches."""

    start: np.ndarray = leaf("regime", "1", "thresholds of the regime at the start", np.uint64)
    transition: np.ndarray = leaf("regime next", "1", "thresholds of the next step's regime", np.uint64)
    volatility: np.ndarray = leaf("regime asset", "1", "factor on the stated volatility")
    drift: np.ndarray = leaf("regime asset", "1", "log drift of one step, on top of the general one")


@dataclass(frozen=True)
class Correlation:
    """Correlations that differ by step (overlays) or by regime; they take the place of `cholesky`."""

    row: np.ndarray = leaf("step", "1", "row in force", np.int32)
    cholesky: np.ndarray = leaf("row regime asset asset", "1", "lower Cholesky factors")


@dataclass(frozen=True)
class Bootstrap:
    """A history to draw blocks from. Without a filter `decay` is 1, and the scale stays as it is."""

    returns: np.ndarray = leaf("row asset", "1", "returns over their volatility, mean square one")
    block: np.ndarray = leaf("one", "1", "words below it begin a new block", np.uint64)
    decay: np.ndarray = leaf("one", "1", "weight of the past in a path's own variance, lambda")
    start: np.ndarray = leaf("asset", "1", "a path's own volatility at the start over `volatility`")

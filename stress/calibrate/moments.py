"""Volatilities, correlations and betas of a table of returns, with their influences.

docs/methods/calibration.md, Eqs. (5) to (10). Returns are float64 [time, asset], NaN where there is none.
"""

from __future__ import annotations

import math

import numpy as np

from stress.calibrate.intervals import (
    FISHER,
    LINEAR,
    LOG,
    N_BATCH,
    Estimate,
    estimate,
    quantile,
    standard_error,
    within,
)
from stress.units import YEAR_SECONDS

SMALLEST_EIGENVALUE = 0.01
"""Of a correlation matrix that is written: half a hundredth in its entries must not make it indefinite."""


def centred(returns: np.ndarray) -> np.ndarray:
    """Returns less their mean; zero where there is none."""
    return np.where(np.isfinite(returns), returns - np.nanmean(returns, axis=0), 0.0)


def weights(returns: np.ndarray) -> np.ndarray:
    """How much a moment with data counts, so that means over all time are means over those: [time, asset]."""
    there = np.isfinite(returns)
    return there / there.mean(axis=0)


def log_variance_influence(returns: np.ndarray) -> np.ndarray:
    """Influence on the logarithm of each standard deviation: [time, asset]."""
    weight, squares = weights(returns), centred(returns) ** 2
    variance = (weight * squares).mean(axis=0)
    return 0.5 * weight * (squares / variance - 1)


def volatilities(returns: np.ndarray, bar: float) -> list[Estimate]:
    """Eq. (5): annualised standard deviations."""
    level = np.nanstd(returns, axis=0) * math.sqrt(YEAR_SECONDS / bar)
    influence = log_variance_influence(returns)
    return [
        estimate(sigma, sigma * influence[:, a], LOG) if sigma > 0 else within(0.0, math.nan, 0.0)
        for a, sigma in enumerate(level)
    ]


def extended_volatility(returns: np.ndarray, asset: int, base: int, bar: float) -> Estimate:
    """Eq. (6): the volatility of an asset with a shorter history, as over the base asset's whole one."""
    both = np.where(np.isfinite(returns[:, [asset]]), returns[:, [base]], np.nan)
    three = np.hstack([returns[:, [asset, base]], both])
    own, whole, part = np.nanstd(three, axis=0)
    level = own * whole / part * math.sqrt(YEAR_SECONDS / bar)
    return estimate(level, level * (log_variance_influence(three) @ [1.0, 1.0, -1.0]), LOG)


def days_of(times: np.ndarray, bar_ms: int) -> np.ndarray:
    """The day, counted from 1970, in which each bar begins."""
    return (times - bar_ms) // 86_400_000


def daily_volatility(returns: np.ndarray, day: np.ndarray, bar: float) -> np.ndarray:
    """Annualised root of the sum of squared returns of every whole day: [day, asset]; NaN where not whole."""
    days, row = np.unique(day, return_inverse=True)
    there = np.isfinite(returns)
    squares, count = np.zeros((len(days), returns.shape[1])), np.zeros((len(days), returns.shape[1]))
    np.add.at(squares, row, np.where(there, returns, 0.0) ** 2)
    np.add.at(count, row, there)
    whole = count >= 86_400 / bar - 0.5
    return np.where(whole & (squares > 0), np.sqrt(squares * YEAR_SECONDS / 86_400), np.nan)


def median(values: np.ndarray) -> Estimate:
    """Eq. (7): a median of dependent values, by inverting an interval of the distribution function."""
    values = values[np.isfinite(values)]
    middle = float(np.median(values))
    half = quantile() * float(standard_error((values <= middle) - 0.5))
    lower, upper = np.quantile(values, np.clip([0.5 - half, 0.5 + half], 0, 1))
    return Estimate(middle, float(upper - lower) / (2 * quantile()), float(lower), float(upper))


def correlation_influence(returns: np.ndarray, a: int, b: int) -> tuple[float, np.ndarray]:
    """Correlation of a pair over the moments that both have, and its influences [time]."""
    there = np.isfinite(returns[:, a]) & np.isfinite(returns[:, b])
    x, y = (returns[there, k] - returns[there, k].mean() for k in (a, b))
    x, y = x / x.std(), y / y.std()
    rho = float((x * y).mean())
    influence = np.zeros(len(returns))
    influence[there] = (x * y - 0.5 * rho * (x * x + y * y)) / there.mean()
    return rho, influence


def correlation(returns: np.ndarray) -> tuple[np.ndarray, dict[tuple[int, int], Estimate]]:
    """Pairwise correlations, as a matrix and one by one; NaN where two have no time together."""
    n = returns.shape[1]
    matrix, found = np.eye(n), {}
    for a in range(n):
        for b in range(a):
            if np.isfinite(returns[:, [a, b]]).all(axis=1).sum() < 2 * N_BATCH:
                matrix[a, b] = matrix[b, a] = math.nan
                continue
            rho, influence = correlation_influence(returns, a, b)
            matrix[a, b] = matrix[b, a] = rho
            found[b, a] = estimate(rho, influence, FISHER)
    return matrix, found


def shrinkage(matrix: np.ndarray, found: dict[tuple[int, int], Estimate]) -> float:
    """Eq. (8): Ledoit and Wolf's share of the constant correlation, variances by batches; 0 to 1."""
    if len(found) < 2:
        return 0.0
    values = np.array([matrix[pair] for pair in found])
    noise = sum(e.error**2 for e in found.values())
    spread = float(((values - values.mean()) ** 2).sum())
    return min(1.0, noise / spread) if spread > 0 else 1.0


def shrunk(matrix: np.ndarray, share: float) -> tuple[np.ndarray, float]:
    """The matrix with `share` of the constant correlation, more where that leaves it indefinite.

    returns: the matrix, and the share that was taken
    """
    n = len(matrix)
    mean = max((matrix.sum() - n) / (n * (n - 1)), 0.0) if n > 1 else 0.0
    target = np.full((n, n), mean) + (1 - mean) * np.eye(n)
    for taken in np.append(share, np.arange(math.ceil(share * 100 + 1e-9), 101) / 100):
        mixed = (1 - taken) * matrix + taken * target
        if np.linalg.eigvalsh(mixed)[0] >= min(SMALLEST_EIGENVALUE, np.linalg.eigvalsh(target)[0]):
            return mixed, float(taken)
    return target, 1.0


def beta(asset: np.ndarray, base: np.ndarray, through_zero: bool = False) -> Estimate:
    """Eq. (9): slope of an asset's returns on another's, over the moments that both have."""
    there = np.isfinite(asset) & np.isfinite(base)
    y, x = asset[there], base[there]
    if not through_zero:
        y, x = y - y.mean(), x - x.mean()
    moment = (x * x).mean()
    slope = float((x * y).mean() / moment)
    return estimate(slope, x * (y - slope * x) / moment, LINEAR)


def tail_beta(asset: np.ndarray, base: np.ndarray, share: float = 0.01) -> Estimate:
    """Eq. (10): sum of an asset's returns over the sum of the base's, over the base's worst moments."""
    there = np.isfinite(asset) & np.isfinite(base)
    y, x = asset[there], base[there]
    worst = x <= np.quantile(x, share)
    ratio = float(y[worst].sum() / x[worst].sum())
    influence = np.where(worst, y - ratio * x, 0.0) / np.where(worst, x, 0.0).mean()
    return estimate(ratio, influence, LINEAR)


def range_volatility(high: np.ndarray, low: np.ndarray, bar: float) -> list[Estimate]:
    """Parkinson (1980): annualised volatilities from the highest and lowest price of each bar."""
    squares = np.log(high / low) ** 2 / (4 * math.log(2))
    found = []
    for column in squares.T:
        column = column[np.isfinite(column)]
        level = math.sqrt(column.mean() * YEAR_SECONDS / bar)
        found.append(estimate(level, 0.5 * level * (column / column.mean() - 1), LOG))
    return found


def mean_of(members: list[Estimate]) -> Estimate:
    """The mean of a basket's members; the error as if they erred together, the upper bound."""
    value = float(np.mean([m.value for m in members]))
    return Estimate(
        value,
        float(np.mean([m.error for m in members])),
        float(np.mean([m.lower for m in members])),
        float(np.mean([m.upper for m in members])),
    )

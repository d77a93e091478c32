"""Expected shortfall: the mean of the worst paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stress.measures import Estimate
from stress.measures.distribution import Distribution
from stress.measures.quantile import exact, quantile

FEW = 50
"""With fewer paths beyond the level than this, the interval is a rough guide only."""


def expected_shortfall(values: Distribution, levels: Sequence[float], confidence: float) -> Estimate:
    """Mean of the worst 1 - `level` of paths: [level]; the path on the boundary counts in part.

    The variance is that of a mean of exceedances whose boundary is itself estimated; the interval is
    Student's, in the logarithm:

        Var(ES) = (Var(X | X > q) + level (ES - q)^2) / (n (1 - level))

    NaN without paths. With fewer than two paths beyond the level there is no variance to be had: the
    interval reaches from the lower end of the quantile's to infinity.
    docs/formats/cube.md, Eq. (3); Acerbi and Tasche (2002), Def. 2.6; Manistre and Hancock (2005).
    """
    if values.n == 0:
        nothing = np.full(len(levels), np.nan)
        return Estimate(nothing, nothing, nothing)
    beyond = np.array([n_beyond(values.n, level) for level in levels])
    total, squares = tail(values, beyond)
    value = total / beyond
    boundary = quantile(values, levels, confidence)
    freedom = np.maximum(beyond - 1, 1.0)
    spread = np.maximum(squares / beyond - value**2, 0.0) * beyond / freedom
    error = np.sqrt((spread + np.array(levels) * (value - boundary.value) ** 2) / beyond)
    factor = np.exp(student_score(confidence, freedom) * error / np.where(value > 0, value, 1.0))
    enough = beyond >= 2
    lower = np.where(enough, value / factor, boundary.lower)
    return Estimate(value, lower, np.where(enough, value * factor, np.inf))


def student_score(confidence: float, freedom) -> np.ndarray:
    """Half-width in standard errors of a two-sided interval with so many degrees of freedom."""
    from scipy.special import stdtrit

    return stdtrit(freedom, (1 + confidence) / 2)


def n_beyond(n: int, level: float) -> float:
    """Paths beyond a level, not rounded."""
    return float(n * (1 - exact(level)))


def tail(values: Distribution, beyond) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the worst `beyond` values, and of their squares with each at the mean of its bin: [level].

    Of the bin on the boundary only the upper part is in the tail: its mean lies between the bin's mean
    and what count and lower edge allow, and the middle is taken.
    """
    up_to = values.n - values.below  # paths in the bin and above
    place = np.searchsorted(-up_to, -beyond, side="right") - 1
    count, lower, mean = values.count[place], values.lower[place], values.mean_in_bin[place]
    weight = beyond - (up_to[place] - count)
    taken = np.maximum(weight, 1.0)
    highest = np.minimum(values.upper[place], (count * mean - (count - taken) * lower) / taken)
    cut = np.where(np.isinf(values.upper[place]) | (weight == count), mean, (mean + highest) / 2)
    above = _sums_above(values.total)[place], _sums_above(values.total * values.mean_in_bin)[place]
    return above[0] + weight * cut, above[1] + weight * cut**2


def _sums_above(amounts) -> np.ndarray:
    """Sum over the bins above each bin [bin]."""
    return np.append(np.cumsum(amounts[::-1])[::-1][1:], 0.0)

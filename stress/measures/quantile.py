"""Quantiles over paths: median and value at risk."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from stress.measures import Estimate
from stress.measures.distribution import Distribution


def quantile(values: Distribution, levels: Sequence[float], confidence: float) -> Estimate:
    """Smallest values that paths do not exceed with the probabilities `levels`: [level].

    The interval reaches from the least that the lower to the most that the upper of the two order
    statistics can be between which the quantile lies with the confidence asked for: never less than
    that, whatever the bins hide. Its upper end is infinite where there are too few paths to tell.
    NaN without paths. docs/formats/cube.md, Eq. (2).
    """
    if values.n == 0:
        nothing = np.full(len(levels), np.nan)
        return Estimate(nothing, nothing, nothing)
    rank, lower, upper = np.array([interval_ranks(values.n, level, confidence) for level in levels]).T
    return Estimate(
        order_statistic(values, rank), order_bounds(values, lower)[0], order_bounds(values, upper)[1]
    )


def order_statistic(values: Distribution, rank) -> np.ndarray:
    """The values of given ranks, 1 the smallest: same shape as `rank`; 0 before and inf past the ends.

    The middle of where a value can lie: within the octaves never further off than half a bin, and exact
    for a value that is alone. Below the first octave, and above the last one, the mean of the bin.
    """
    lowest, highest = order_bounds(values, rank)
    place = _place(values, rank)
    coarse = (values.lower[place] == 0) | np.isinf(values.upper[place])
    known = (np.asarray(rank) >= 1) & (np.asarray(rank) <= values.n)
    return np.where(coarse & known, values.mean_in_bin[place], (lowest + highest) / 2)


def order_bounds(values: Distribution, rank) -> tuple[np.ndarray, np.ndarray]:
    """Between what the values of given ranks lie, for certain: what the edges of the bin, its count and
    the mean in it leave possible. 0 before the first, inf past the last path."""
    inside = np.clip(rank, 1, values.n)
    place = _place(values, rank)
    count, mean = values.count[place], values.mean_in_bin[place]
    within = inside - values.below[place]
    with np.errstate(invalid="ignore"):  # the last bin has no upper edge
        others = (count - within) * np.where(count == within, 0.0, values.upper[place])
    lowest = np.maximum(values.lower[place], (count * mean - others) / within)
    rest = (within - 1) * values.lower[place]
    highest = np.minimum(values.upper[place], (count * mean - rest) / (count - within + 1))
    past = np.where(np.asarray(rank) > values.n, np.inf, 0.0)
    known = inside == rank
    return np.where(known, lowest, past), np.where(known, highest, past)


def _place(values: Distribution, rank) -> np.ndarray:
    """The bin of each rank."""
    return np.searchsorted(values.below, np.clip(rank, 1, values.n) - 1, side="right") - 1


@lru_cache
def interval_ranks(n: int, level: float, confidence: float) -> tuple[int, int, int]:
    """Ranks of the quantile, and of the ends of its interval: 0 and n + 1 where there is no such path."""
    rank = -((-exact(level) * n) // 1)
    tail = (1 - confidence) / 2
    lower, upper = (binomial_quantile(probability, n, level) for probability in (tail, 1 - tail))
    return max(int(rank), 1), lower, upper + 1


def binomial_quantile(probability: float, n: int, share: float) -> int:
    """Smallest k that a binomial count of n draws does not exceed with at least `probability`."""
    from scipy.special import bdtr, bdtrik

    k = max(int(np.ceil(bdtrik(probability, n, share))), 0)
    return k - 1 if k > 0 and bdtr(k - 1, n, share) >= probability else k


@lru_cache
def exact(level: float) -> Fraction:
    """A level as it was written: 0.99 is 99/100, not the float next to it."""
    return Fraction(repr(float(level)))

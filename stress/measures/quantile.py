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

    The interval has the ends of the order statistics between which the quantile lies with at least
    the confidence asked for; its upper end is infinite where there are too few paths to tell.
    NaN without paths. docs/formats/cube.md, Eq. (2).
    """
    if values.n == 0:
        nothing = np.full(len(levels), np.nan)
        return Estimate(nothing, nothing, nothing)
    ranks = np.array([interval_ranks(values.n, level, confidence) for level in levels])
    found = order_statistic(values, ranks)
    return Estimate(found[:, 0], found[:, 1], found[:, 2])


def order_statistic(values: Distribution, rank) -> np.ndarray:
    """The values of given ranks, 1 the smallest: same shape as `rank`; 0 before and inf past the ends.

    Within a bin, count and mean bound where a value can lie; the middle of that range is taken. It is
    never further off than half a bin, and exact for a value that is alone.
    """
    rank = np.asarray(rank)
    place = np.searchsorted(values.below, np.clip(rank, 1, values.n) - 1, side="right") - 1
    count, lower, upper = values.count[place], values.lower[place], values.upper[place]
    mean = values.mean_in_bin[place]
    within = np.clip(rank, 1, values.n) - values.below[place]
    alone = (count == 1) | np.isinf(upper)
    upper = np.where(alone, mean, upper)
    lowest = np.maximum(lower, (count * mean - (count - within) * upper) / within)
    highest = np.minimum(upper, (count * mean - (within - 1) * lower) / (count - within + 1))
    found = np.where(alone, mean, (lowest + highest) / 2)
    return np.where(rank < 1, 0.0, np.where(rank > values.n, np.inf, found))


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

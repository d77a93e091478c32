"""Probabilities over paths: exceedance, exhaustion of funds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stress.measures import Estimate
from stress.measures.distribution import Distribution


def proportion(hits, n: int, confidence: float) -> Estimate:
    """Share of paths, with the interval of Clopper and Pearson (1934): never below its confidence.

    hits: how many of the n paths, any shape. NaN without paths.
    """
    from scipy.special import betaincinv

    hits = np.asarray(hits)
    if n == 0:
        nothing = np.full(hits.shape, np.nan)
        return Estimate(nothing, nothing, nothing)
    tail = (1 - confidence) / 2
    some, most = np.maximum(hits, 1), np.minimum(hits, n - 1)
    lower = np.where(hits == 0, 0.0, betaincinv(some, n - some + 1, tail))
    upper = np.where(hits == n, 1.0, betaincinv(most + 1, n - most, 1 - tail))
    return Estimate(hits / n, lower, upper)


def exceedance(values: Distribution, thresholds: Sequence[float], confidence: float) -> Estimate:
    """Probability of more than each threshold: [threshold].

    The bin that holds the threshold is left out of the lower end of the interval and counts whole in
    the upper one, so the interval holds whatever that bin hides; in the value the bin counts by the
    share of it that lies above the threshold.
    """
    least, about, most = np.array([values.above(threshold) for threshold in thresholds]).T
    lower, upper = (proportion(hits, values.n, confidence) for hits in (least, most))
    value = about / values.n if values.n else lower.value
    return Estimate(value, lower.lower, upper.upper)


def exhaustion(values: Distribution, confidence: float) -> Estimate:
    """Probability that a quantity is not zero: a fund's time of exhaustion, say."""
    return proportion(values.above(0.0)[0], values.n, confidence)


def pairs(subsets, n_venue: int) -> np.ndarray:
    """Paths in which both of two venues were exhausted: int64 [venue+, venue+], the last for any venue.

    subsets: paths by the subset of venues, bit v of its number for venue v: int64 [subset]
    """
    number = np.flatnonzero(subsets)
    held = number[:, None] >> np.arange(n_venue) & 1
    held = np.concatenate([held, (number > 0)[:, None]], axis=1)
    return (held * subsets[number, None]).T @ held


def at_least(values: Distribution, n_venue: int, confidence: float) -> Estimate:
    """Probability of at least 1, 2, ... n_venue, of a quantity that is a whole number: [n]."""
    return exceedance(values, [k - 0.5 for k in range(1, n_venue + 1)], confidence)

"""Mean and standard deviation over paths."""

from __future__ import annotations

import math

import numpy as np

from stress.measures import UNDEFINED, Estimate, normal
from stress.measures.distribution import Distribution


def mean(values: Distribution, confidence: float) -> Estimate:
    """Mean over paths, with a normal interval. Undefined without paths."""
    if values.n == 0:
        return UNDEFINED
    error = math.sqrt(variance(values) / values.n)
    return normal(values.integer_sum / values.n * values.unit, error, confidence)


def standard_deviation(values: Distribution, confidence: float) -> Estimate:
    """Standard deviation over paths; the interval is normal, its error from the fourth moment.

    Var(sd) is about (m4 - sd^4) / (4 n sd^2); m4 takes each path at the mean of its bin.
    """
    if values.n == 0:
        return UNDEFINED
    squared = variance(values)
    if squared == 0:
        return normal(0.0, 0.0, confidence)
    centred = values.mean_in_bin - values.integer_sum / values.n * values.unit
    fourth = float((values.count * (centred / math.sqrt(squared)) ** 4).sum()) / values.n
    error = math.sqrt(squared * max(fourth - 1, 0.0) / (4 * values.n))
    return normal(math.sqrt(squared), error, confidence)


def variance(values: Distribution) -> float:
    """Variance over paths, divisor n, from exact integers: no cancellation, zero if all are equal."""
    n = values.n
    return (n * values.integer_squares - values.integer_sum**2) / n**2 * values.unit**2


def covariance(first: Distribution, second: Distribution, both: Distribution) -> float:
    """Covariance of two cells whose sum is the third."""
    return (variance(both) - variance(first) - variance(second)) / 2


def share(first: Distribution, second: Distribution, both: Distribution, confidence: float) -> Estimate:
    """Mean of `first` over the mean of `both`, its sum with `second`; interval by the delta method.

    Undefined where there is nothing to share.
    """
    if both.integer_sum == 0:
        return UNDEFINED
    ratio = first.integer_sum / both.integer_sum
    level = both.integer_sum / both.n * both.unit
    with_both = variance(first) + covariance(first, second, both)
    spread = variance(first) - 2 * ratio * with_both + ratio**2 * variance(both)
    found = normal(ratio, math.sqrt(max(spread, 0.0) / both.n) / level, confidence)
    return Estimate(found.value, found.lower, np.minimum(found.upper, 1.0))

"""Amplification: how much deeper the index falls than the news alone would have taken it."""

from __future__ import annotations

from stress.measures import Estimate
from stress.measures.distribution import Distribution
from stress.measures.quantile import quantile


def ratio_of_medians(index: Distribution, exogenous: Distribution, confidence: float) -> Estimate:
    """Median log trough of the index over that of the exogenous price, both over stressed paths.

    The interval joins the ends of the two medians' intervals as if they were independent. They move
    together, so it is wider than it need be. NaN without stressed paths.
    """
    above, below = (quantile(values, [0.5], confidence) for values in (index, exogenous))
    return Estimate(
        above.value[0] / below.value[0], above.lower[0] / below.upper[0], above.upper[0] / below.lower[0]
    )

"""How often intervals hold the truth: measured, over samples from laws whose answers are known.

The figures of docs/formats/cube.md come from `pytest -m slow tests/statistics/test_coverage.py -s`.
"""

import numpy as np
import pytest
from scipy import stats

from stress.measures import moments
from stress.measures.expected_shortfall import expected_shortfall
from stress.measures.quantile import quantile
from tests.samples import distribution_of

FAILURE_RATE = 1e-6
LEVELS = (0.9, 0.95, 0.99, 0.995)
N_PATH = 10_000

LAWS = {
    "normal": stats.norm(1e9, 1e8),
    "exponential": stats.expon(scale=1e8),
    "log-normal, sigma 1": stats.lognorm(1, scale=1e8),
    "Pareto, tail 3": stats.pareto(3, scale=1e8),
}
ES_COVERAGE = {"normal": 0.90, "exponential": 0.92, "log-normal, sigma 1": 0.91, "Pareto, tail 3": 0.88}
"""At least this share of the intervals of expected shortfall, for 95% asked, holds the truth."""


def true_shortfall(law, level):
    """Mean beyond the quantile, by the integral over the logarithm of the tail."""
    t = np.linspace(0, 40, 400_001)
    return np.trapezoid(law.isf((1 - level) * np.exp(-t)) * np.exp(-t), t)


def coverage(law, n_sample):
    """Shares of intervals that hold the truth: expected shortfall and quantile [level], mean."""
    shortfall, quantiles = [true_shortfall(law, level) for level in LEVELS], law.ppf(LEVELS)
    generator = np.random.default_rng(11)
    hits = np.zeros((3, len(LEVELS)))
    for _ in range(n_sample):
        cell = distribution_of(law.rvs(N_PATH, random_state=generator))
        for row, (found, truth) in enumerate(
            (
                (expected_shortfall(cell, LEVELS, 0.95), shortfall),
                (quantile(cell, LEVELS, 0.95), quantiles),
                (moments.mean(cell, 0.95), law.mean()),
            )
        ):
            hits[row] += (found.lower <= truth) & (truth <= found.upper)
    return hits / n_sample


def least(share, n_sample):
    """What a true coverage of `share` falls short of with FAILURE_RATE only."""
    return stats.binom.ppf(FAILURE_RATE, n_sample, share) / n_sample


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("n_sample", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_intervals_hold_the_truth(name, n_sample):
    shortfall, quantiles, mean = coverage(LAWS[name], n_sample)
    print(name, "ES", shortfall, "quantile", quantiles, "mean", mean[0])
    assert (shortfall >= least(ES_COVERAGE[name], n_sample)).all()
    assert (quantiles >= least(0.95, n_sample)).all()
    assert mean[0] >= least(0.93, n_sample)

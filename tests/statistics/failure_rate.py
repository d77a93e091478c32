"""How sure a statistical test must be before it fails."""

from scipy.special import ndtri
from scipy.stats import binom

FAILURE_RATE = 1e-6
"""Chance that a test of a right sampler fails, were its seed drawn anew."""

DEVIATIONS = -float(ndtri(FAILURE_RATE / 2))
"""Standard errors that a normal estimate may be away."""


def assert_share(count, n, probability):
    """`count` of `n` is not absurd for a binomial with this probability."""
    p = 2 * min(binom.cdf(count, n, probability), binom.sf(count - 1, n, probability))
    assert p > FAILURE_RATE, f"{count} of {n}, expected {n * probability:.1f} (p = {p:.1e})"


def assert_mean(sample, mean):
    """The mean of a sample is within its standard errors of `mean`."""
    error = sample.std() / len(sample) ** 0.5
    assert abs(sample.mean() - mean) <= DEVIATIONS * error, f"{sample.mean()} +- {error}, expected {mean}"

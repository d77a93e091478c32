"""Measures: right on samples whose answer is known, and honest about what they do not know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kernels.parts.histogram import RELATIVE_ERROR
from stress.measures import amplification, moments, probability
from stress.measures.distribution import distribution
from stress.measures.expected_shortfall import expected_shortfall
from stress.measures.quantile import (
    binomial_quantile,
    interval_ranks,
    order_bounds,
    order_statistic,
    quantile,
)
from tests import samples
from tests.samples import distribution_of

LEVELS = [0.5, 0.9, 0.95, 0.99, 0.999]
rng = np.random.default_rng(3)
SAMPLES = {
    "lognormal": np.exp(rng.normal(17, 1.5, 5000)),
    "narrow": 1e9 + rng.normal(0, 1e6, 5000),
    "atoms": rng.choice([0.0, 2e6, 3.3333e6, 1e9], 5000, p=[0.5, 0.3, 0.15, 0.05]),
    "few": np.exp(rng.normal(17, 2, 7)),
}


@pytest.fixture(params=SAMPLES)
def sample(request):
    values = np.sort(SAMPLES[request.param].astype(np.float32)).astype(float)
    return values, distribution_of(values)


def test_order_statistics_are_within_half_a_bin(sample):
    values, cell = sample
    ranks = np.arange(1, len(values) + 1)
    found = order_statistic(cell, ranks)
    assert (np.abs(found - values) <= RELATIVE_ERROR * values * (1 + 1e-12)).all()
    lowest, highest = order_bounds(cell, ranks)
    assert (lowest <= values * (1 + 1e-12)).all()
    assert (values <= highest * (1 + 1e-12)).all()


def test_order_statistics_of_separate_values_are_exact():
    values = np.float32([0, 5e3, 1e6, 1.5e6, 7e11])
    cell = distribution_of(values)
    assert order_statistic(cell, [1, 2, 3, 4, 5]).tolist() == values.tolist()
    assert order_statistic(cell, [0, 6]).tolist() == [0, np.inf]


@given(
    st.lists(st.floats(1e6, 1.02e6, width=32), min_size=1, max_size=30),
    st.integers(1, 30),
)
def test_order_bounds_hold_for_any_sample(values, rank):
    values, rank = np.sort(np.float32(values)).astype(float), min(rank, len(values))
    lowest, highest = order_bounds(distribution_of(values), rank)
    assert lowest * (1 - 1e-12) <= values[rank - 1] <= highest * (1 + 1e-12)


def test_quantile_is_the_smallest_value_not_exceeded(sample):
    values, cell = sample
    found = quantile(cell, LEVELS, 0.95)
    exact = np.quantile(values, LEVELS, method="inverted_cdf")
    np.testing.assert_allclose(found.value, exact, rtol=RELATIVE_ERROR)
    assert (found.lower <= found.value).all()
    assert (found.value <= found.upper).all()


def test_quantile_ranks_do_not_stumble_over_floats():
    assert interval_ranks(100, 0.99, 0.95)[0] == 99
    assert interval_ranks(1000, 0.999, 0.95)[0] == 999
    assert interval_ranks(7, 0.9999, 0.95)[0] == 7


@pytest.mark.parametrize("n", [1, 10, 1000, 100_000])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.999])
def test_interval_ranks_are_binomial(n, level):
    _, lower, upper = interval_ranks(n, level, 0.95)
    assert lower == stats.binom.ppf(0.025, n, level)
    assert upper == stats.binom.ppf(0.975, n, level) + 1
    assert stats.binom.cdf(upper - 1, n, level) - stats.binom.cdf(lower - 1, n, level) >= 0.95 - 1e-12
    assert binomial_quantile(1e-300, n, level) >= 0


def test_quantile_interval_is_open_where_there_are_too_few_paths():
    found = quantile(distribution_of(np.linspace(1e6, 2e6, 50)), [0.5, 0.99], 0.95)
    assert np.isfinite(found.upper[0])
    assert found.upper[1] == np.inf


def test_expected_shortfall_is_the_mean_of_the_worst(sample):
    values, cell = sample
    found = expected_shortfall(cell, LEVELS, 0.95)
    for level, value in zip(LEVELS, found.value, strict=True):
        beyond = len(values) * (1 - level)
        weights = np.clip(beyond - np.arange(len(values))[::-1], 0, 1)
        assert value == pytest.approx((weights * values).sum() / weights.sum(), rel=RELATIVE_ERROR)


def test_expected_shortfall_is_at_least_the_quantile(sample):
    _, cell = sample
    es, var = expected_shortfall(cell, LEVELS, 0.95), quantile(cell, LEVELS, 0.95)
    assert (es.value >= var.value * (1 - RELATIVE_ERROR)).all()
    assert (np.diff(es.value) >= -1e-9 * es.value[1:]).all()
    assert (es.lower <= es.value).all()
    assert (es.value <= es.upper).all()


def test_expected_shortfall_of_almost_nothing():
    found = expected_shortfall(distribution_of(np.linspace(1e6, 2e6, 50)), [0.5, 0.99], 0.95)
    assert found.value[1] == pytest.approx(2e6, rel=RELATIVE_ERROR)
    assert found.upper[1] == np.inf
    assert expected_shortfall(distribution_of(np.zeros(500)), [0.9], 0.95).value.tolist() == [0]


def test_mean_and_deviation_are_exact(sample):
    values, cell = sample
    assert moments.mean(cell, 0.95).value == pytest.approx(values.mean(), rel=1e-9)
    assert moments.standard_deviation(cell, 0.95).value == pytest.approx(values.std(), rel=1e-6)


def test_a_constant_has_no_deviation():
    cell = distribution_of(np.full(1000, 1.2345e9))
    found = moments.standard_deviation(cell, 0.95)
    assert (found.value, found.lower, found.upper) == (0, 0, 0)
    mean = moments.mean(cell, 0.95)
    assert mean.lower == mean.value == mean.upper == float(np.float32(1.2345e9))


def test_share_and_its_interval():
    generator = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        longs = generator.exponential(3e8, 2000).astype(np.float32)
        shorts = (0.2 * longs + generator.exponential(5e7, 2000)).astype(np.float32)
        found = moments.share(*(distribution_of(v) for v in (longs, shorts, longs + shorts)), 0.95)
        inside += found.lower <= 3e8 / (3e8 + 6e7 + 5e7) <= found.upper
    assert inside >= 180
    nothing = [distribution_of(np.zeros(5))] * 3
    assert np.isnan(moments.share(*nothing, 0.95).value)


def test_proportion_is_clopper_and_pearson():
    found = probability.proportion(np.array([0, 1, 500, 999, 1000]), 1000, 0.95)
    for hits, lower, upper in zip([0, 1, 500, 999, 1000], found.lower, found.upper, strict=True):
        expected = stats.binomtest(hits, 1000).proportion_ci(0.95, "exact")
        assert (lower, upper) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_probabilities_count_paths():
    cell = distribution_of([0.0] * 90 + [2e6] * 9 + [1e9])
    found = probability.exceedance(cell, [1e6, 5e6, 1e12], 0.95)
    assert found.value.tolist() == [0.10, 0.01, 0.0]
    assert probability.exhaustion(cell, 0.95).value == 0.10
    whole = distribution_of([0, 0, 1, 2, 3, 3, 9, 16], exponent=-20)
    assert (probability.at_least(whole, 4, 0.95).value * 8).tolist() == [6, 5, 4, 2]


def test_exceedance_allows_for_what_a_bin_hides(sample):
    values, cell = sample
    thresholds = [*np.quantile(values, [0.1, 0.5, 0.9, 0.99]), 1e6, 3.3333e6, 1e9]
    found = probability.exceedance(cell, thresholds, 0.95)
    for i, threshold in enumerate(thresholds):
        hits = int((values > threshold).sum())
        exact = probability.proportion(hits, len(values), 0.95)
        assert found.lower[i] <= exact.lower <= exact.value <= exact.upper <= found.upper[i]
        assert found.lower[i] <= found.value[i] <= found.upper[i]
    narrow = distribution_of(np.full(1000, 1.0001e6))
    assert probability.exceedance(narrow, [1e6], 0.95).lower.tolist() == [0.0]


def test_amplification_is_a_ratio_of_medians():
    exogenous = np.linspace(0.02, 0.04, 999)
    found = amplification.ratio_of_medians(
        distribution_of(1.5 * exogenous, -20), distribution_of(exogenous, -20), 0.95
    )
    assert found.value == pytest.approx(1.5, rel=2 * RELATIVE_ERROR)
    assert found.lower < 1.5 < found.upper


def test_nothing_comes_from_no_paths():
    cell = distribution_of([])
    for found in (
        moments.mean(cell, 0.95),
        moments.standard_deviation(cell, 0.95),
        quantile(cell, LEVELS, 0.95),
        expected_shortfall(cell, LEVELS, 0.95),
        probability.proportion([0], 0, 0.95),
    ):
        assert np.isnan([found.value, found.lower, found.upper]).all()


def test_paths_that_do_not_count_leave_only_zeros_out():
    tally = samples.tally(0, 300)
    for n_zero in (0, 5):
        found = distribution(tally, 0, 300 - int(tally.counts[0, 0]) + n_zero)
        whole = distribution(tally, 0)
        assert found.n == 300 - int(tally.counts[0, 0]) + n_zero
        assert found.integer_sum == whole.integer_sum
        assert order_statistic(found, found.n) == order_statistic(whole, whole.n)

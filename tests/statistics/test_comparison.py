"""How often paired intervals hold the true difference: few samples; docs/methods/comparison.md has more."""

import pytest
from scipy.stats import binom

from tests.statistics.failure_rate import FAILURE_RATE
from tests.statistics.paired import tool

N = 60


@pytest.mark.parametrize("name", tool.LAWS)
def test_intervals_hold_the_true_difference(name):
    shares, widths = tool.coverage(name, 2_500, N, None)
    least = binom.ppf(FAILURE_RATE, N, 0.92) / N
    assert (shares >= least).all()
    loose, wide = tool.coverage(name, 2_500, N, None, pairing=False)
    assert (loose >= least).all()
    assert widths[0] < 0.5 * wide[0]

"""Words and normals: uniform, and independent across paths, steps, sites and seeds."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chi2, kstwo

from kernels import sites
from kernels.parts.normal.normal_numpy import normal
from kernels.parts.philox.philox_numpy import words
from tests.statistics.failure_rate import DEVIATIONS, FAILURE_RATE, assert_mean

N = 200_000
PATHS = np.arange(N, dtype=np.uint64)
SITES = [sites.NORMAL, sites.MIXING, sites.COMMON_JUMP, sites.OWN_JUMP_COUNT, sites.OWN_JUMP_SIZE]


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_bytes_are_uniform(shift):
    count = np.bincount((words(1, PATHS, 0, sites.NORMAL, 1)[:, 0] >> shift) & 255, minlength=256)
    statistic = ((count - N / 256) ** 2 / (N / 256)).sum()
    assert chi2.ppf(FAILURE_RATE, 255) < statistic < chi2.isf(FAILURE_RATE, 255)


def test_normals_are_normal():
    from scipy.special import ndtr

    uniform = np.sort(ndtr(normal(words(2, PATHS, 5, sites.NORMAL, 1)[:, 0])))
    grid = np.arange(N + 1) / N
    gap = max((grid[1:] - uniform).max(), (uniform - grid[:-1]).max())
    assert gap < kstwo.isf(FAILURE_RATE, N)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"step": 0}, {"step": 1}),
        ({"seed": 0}, {"seed": 1}),
        ({"seed": 0}, {"seed": 1 << 32}),
        ({"path": 0}, {"path": 1}),
        ({"path": 0}, {"path": 1 << 32}),
        *[({"site": a}, {"site": b}) for a, b in pairwise(SITES)],
        ({"word": 0}, {"word": 1}),
        ({"word": 3}, {"word": 4}),
    ],
)
def test_independence(one, other):
    """Neighbouring draws of every kind are uncorrelated, and so are their squares."""

    def draw(seed=0, path=0, step=3, site=sites.NORMAL, word=0):
        return normal(words(seed, PATHS + np.uint64(path), step, site, word + 1)[:, word])

    a, b = draw(**one), draw(**other)
    limit = DEVIATIONS / np.sqrt(N)
    assert abs(np.corrcoef(a, b)[0, 1]) < limit
    assert abs(np.corrcoef(a**2, b**2)[0, 1]) < limit
    assert_mean(a * b, 0.0)

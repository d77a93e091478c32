"""Words to tails and normals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from kernels import sites
from kernels.parts.normal.normal_numpy import normal, tail
from kernels.parts.philox.philox_numpy import words
from tests.scenarios import quiet, simulate

WORD = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("word", "z"),
    [
        (0, -6.3379),  # (0 + 1/2) / 2**32
        (2**32 - 1, 6.3379),
        (2**31, 2.9e-10),
        (2**31 - 1, -2.9e-10),
        (0xF9999999, 1.959964),  # 97.5%
    ],
)
def test_by_hand(word, z):
    assert normal(word) == pytest.approx(z, abs=1e-4)


@given(WORD)
def test_inversion(word):
    """ndtr of the normal is the uniform (word + 1/2) / 2**32, in whichever tail is small."""
    probability, upper = tail(word)
    assert 0 < probability <= 0.5
    assert upper == (word >= 2**31)
    assert ndtr(-abs(normal(word))) == pytest.approx(probability, rel=1e-12)


@given(WORD)
def test_antithetic(word):
    """The complement of a word is the mirrored normal, exactly."""
    assert normal(word) == -normal(2**32 - 1 - word)


@given(WORD, WORD)
def test_increasing(a, b):
    if a < b:
        assert normal(a) < normal(b)


def test_fused_normals():
    """Polynomials of the fused engine against the inverse of scipy: 20,000 words, tails among them."""
    paths = np.arange(20_000, dtype=np.uint64)
    z = ndtri((words(3, paths, 0, sites.NORMAL, 1)[:, 0] + 0.5) / 2.0**32)
    scale = 0.05
    outcome = simulate("cpu", quiet(volatility=scale, shock=-1.0), seed=3, count=len(paths))
    fused = (np.log1p(-outcome.exogenous_fall[:, 0]) + 1) / scale
    assert fused == pytest.approx(z, abs=1e-5)

"""Mark prices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.mark.step_numpy import mark

MARKS = 0.5 * np.eye(2) + 0.5 * np.array([0.75, 0.25])


def test_by_hand():
    """Own .5, weights (.75, .25); books at -1% and -13% around -4%: marks -6.5% and -12.5%."""
    marks = mark(np.array(-0.04), np.array([-1.0, -13.0]), MARKS)
    assert marks == pytest.approx(
        [-0.04 - 0.01 * (0.875 * 1 + 0.125 * 13), -0.04 - 0.01 * (0.375 + 0.625 * 13)]
    )


weights = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)
displacements = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


@given(st.lists(weights, min_size=3, max_size=3), displacements, st.floats(-1, 1))
def test_marks_lie_among_prices(rows, displaced, fundamental):
    weight = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    marks = mark(np.array(fundamental), np.array(displaced), weight)
    prices = fundamental + 0.01 * np.array(displaced)
    assert np.all(marks >= prices.min() - 1e-12)
    assert np.all(marks <= prices.max() + 1e-12)


@given(st.lists(weights, min_size=3, max_size=3), displacements, st.integers(0, 2))
def test_a_lower_price_never_raises_a_mark(rows, displaced, venue):
    lower = np.array(displaced)
    lower[venue] -= 1.0
    assert np.all(
        mark(np.array(0.0), lower, np.array(rows)) < mark(np.array(0.0), np.array(displaced), np.array(rows))
    )


@given(displacements, st.floats(-1, 1))
def test_mirror(displaced, fundamental):
    weight = np.full((3, 3), 1 / 3)
    one = mark(np.array(fundamental), np.array(displaced), weight)
    assert np.array_equal(mark(np.array(-fundamental), -np.array(displaced), weight), -one)

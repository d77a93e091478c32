"""Arbitrage between venues."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.arbitrage.step_numpy import step
from kernels.mechanisms.book.step_numpy import consumption, displacement

INF = np.inf
venues = st.lists(
    st.tuples(st.floats(-10, 10), st.floats(0.01, 10), st.floats(0.05, 1.0)), min_size=1, max_size=6
)


def test_known_answer():
    """alpha .3, x (4, 0): both 2.76951, and the sum of C stays 12.4."""
    alpha, depth = np.full(2, 0.3), np.ones(2)
    q = step(consumption(np.array([4.0, 0.0]), alpha, INF), depth, alpha, 1.0)
    assert displacement(q, alpha, INF) == pytest.approx([2.76951, 2.76951], abs=1e-5)
    assert q.sum() == pytest.approx(12.4)


def test_opposite_displacements_cancel():
    q = step(np.array([1.0, -0.5]), np.array([1.0, 2.0]), np.ones(2), 1.0)
    assert q == pytest.approx([0.0, 0.0], abs=1e-15)


@given(venues, st.floats(0, 1))
def test_volume_is_conserved(rows, share):
    q, depth, alpha = np.array(rows).T
    assert (depth * step(q, depth, alpha, share)).sum() == pytest.approx((depth * q).sum(), abs=1e-9)


@given(venues)
def test_full_arbitrage_leaves_one_displacement(rows):
    q, depth, alpha = np.array(rows).T
    x = displacement(step(q, depth, alpha, 1.0), alpha, INF)
    assert x == pytest.approx(np.full(len(x), x.mean()), abs=1e-6)


@given(venues, st.floats(0, 1))
def test_gap_shrinks_by_the_share(rows, share):
    q, depth, alpha = np.array(rows).T
    target = step(q, depth, alpha, 1.0)
    assert step(q, depth, alpha, share) - target == pytest.approx((1 - share) * (q - target), abs=1e-9)


@given(venues, st.floats(0, 1))
def test_mirror(rows, share):
    q, depth, alpha = np.array(rows).T
    assert np.array_equal(step(-q, depth, alpha, share), -step(q, depth, alpha, share))


def test_venue_without_a_book_stays_at_zero():
    q = step(np.array([-2.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0]), np.array([0.6, 1.0, 0.6]), 0.5)
    assert q[1] == 0
    assert q.sum() == pytest.approx(-2.0)


def test_standing_books_conserve_past_their_vertex():
    """alpha > 1 has no root there: the volume is shared out by depth all the same."""
    depth, alpha = np.array([1.0, 3.0]), np.full(2, 1.1)
    q = step(np.array([-30.0, -1.0]), depth, alpha, 1.0)
    assert (depth * q).sum() == pytest.approx(-33.0)
    assert q[0] == pytest.approx(q[1])

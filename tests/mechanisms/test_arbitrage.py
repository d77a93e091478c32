"""Arbitrage between venues."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.arbitrage.step_numpy import step
from kernels.mechanisms.book.step_numpy import consumption, displacement
from tests.parity.compare import TOLERANCE, gaps
from tests.scenarios import ENGINES, LONG, quiet, simulate, uniform

INF = np.inf
venues = st.lists(
    st.tuples(st.floats(-10, 10), st.floats(0.01, 10), st.floats(0.05, 1.0)), min_size=1, max_size=6
)


def test_known_answer():
    """alpha .3, x (4, 0): both 2.76951, and the sum of C stays 12.4."""
    alpha, depth = np.full(2, 0.3), np.ones(2)
    q = step(consumption(np.array([4.0, 0.0]), alpha, INF), depth, alpha, INF, 1.0)
    assert displacement(q, alpha, INF) == pytest.approx([2.76951, 2.76951], abs=1e-5)
    assert q.sum() == pytest.approx(12.4)


def test_opposite_displacements_cancel():
    q = step(np.array([1.0, -0.5]), np.array([1.0, 2.0]), np.ones(2), INF, 1.0)
    assert q == pytest.approx([0.0, 0.0], abs=1e-15)


@given(venues, st.floats(0, 1))
def test_volume_is_conserved(rows, share):
    q, depth, alpha = np.array(rows).T
    assert (depth * step(q, depth, alpha, INF, share)).sum() == pytest.approx((depth * q).sum(), abs=1e-9)


@given(venues)
def test_full_arbitrage_leaves_one_displacement(rows):
    q, depth, alpha = np.array(rows).T
    x = displacement(step(q, depth, alpha, INF, 1.0), alpha, INF)
    assert x == pytest.approx(np.full(len(x), x.mean()), abs=1e-6)


@given(venues, st.floats(0, 1))
def test_gap_shrinks_by_the_share(rows, share):
    q, depth, alpha = np.array(rows).T
    target = step(q, depth, alpha, INF, 1.0)
    assert step(q, depth, alpha, INF, share) - target == pytest.approx((1 - share) * (q - target), abs=1e-9)


@given(venues, st.floats(0, 1))
def test_mirror(rows, share):
    q, depth, alpha = np.array(rows).T
    assert np.array_equal(step(-q, depth, alpha, INF, share), -step(q, depth, alpha, INF, share))


def test_venue_without_a_book_stays_at_zero():
    shape = np.array([0.6, 1.0, 0.6]), INF
    q = step(np.array([-2.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0]), *shape, 0.5)
    assert q[1] == 0
    assert q.sum() == pytest.approx(-2.0)


# Books that thin out

shapes = st.one_of(
    st.tuples(st.floats(0.05, 1.0), st.just(INF)),
    st.floats(1.01, 3.0).flatmap(
        lambda a: st.tuples(st.just(a), st.floats(0.01, 0.95).map(lambda s: s * a / (2 * (a - 1))))
    ),
)
"""Shape and band; density at the band at least 5% of that at rest."""

mixed = st.lists(st.tuples(st.floats(-10, 10), st.floats(0.01, 10), shapes), min_size=1, max_size=6)


def columns(rows):
    """Displacement, depth, and (alpha, band) of rows of `mixed`."""
    x, depth, shape = zip(*rows, strict=True)
    return np.array(x), np.array(depth), tuple(np.array(shape).T)


def test_equal_displacements_of_mixed_shapes_stay_equal():
    """Alpha (1.1 to 5%, .6), both at 6%: they hold 3.1 and 18, and nothing moves."""
    shape = np.array([1.1, 0.6]), np.array([5.0, INF])
    q = step(np.array([3.1, 18.0]), np.ones(2), *shape, 1.0)
    assert q == pytest.approx([3.1, 18.0], rel=1e-12)
    assert displacement(q, *shape) == pytest.approx([6.0, 6.0], rel=1e-12)


@given(st.floats(-10, 10), mixed, st.floats(0, 1))
def test_equal_displacements_stay_equal(x, rows, share):
    _, depth, shape = columns(rows)
    q = step(consumption(x, *shape), depth, *shape, share)
    assert displacement(q, *shape) == pytest.approx(np.full(len(rows), x), rel=1e-9, abs=1e-9)


@given(mixed, st.floats(0, 1))
def test_volume_is_conserved_where_books_thin_out(rows, share):
    x, depth, shape = columns(rows)
    q = consumption(x, *shape)
    assert (depth * step(q, depth, *shape, share)).sum() == pytest.approx((depth * q).sum(), abs=1e-9)


@given(mixed)
def test_full_arbitrage_leaves_one_displacement_where_books_thin_out(rows):
    x, depth, shape = columns(rows)
    after = displacement(step(consumption(x, *shape), depth, *shape, 1.0), *shape)
    assert after == pytest.approx(np.full(len(x), after.mean()), abs=1e-6)
    assert x.min() - 1e-9 <= after.mean() <= x.max() + 1e-9


def test_bisection_and_root_agree():
    """A book of shape 1.5 that is too shallow to matter changes the way, not the answer."""
    q, depth, shape = np.array([3.0, -1.0, 0.0]), np.array([1.0, 2.0, 1e-14]), np.array([0.3, 0.7, 0.5])
    root = step(q, depth, shape, INF, 1.0)
    bisected = step(q, depth, np.array([0.3, 0.7, 1.5]), np.array([INF, INF, 1.0]), 1.0)
    assert bisected[:2] == pytest.approx(root[:2], rel=1e-10)


def test_rows_do_not_touch_each_other():
    """A row of shapes up to 1 keeps the closed form, to the bit, beside one with shapes above."""
    q, depth, share = np.array([[3.0, 0.0], [3.1, 18.0]]), np.ones((2, 2)), np.full((2, 1), 0.5)
    alpha, band = np.array([[0.3, 0.6], [1.1, 0.6]]), np.array([[INF, INF], [5.0, INF]])
    both = step(q, depth, alpha, band, share)
    for i in range(2):
        assert np.array_equal(both[i], step(q[i], depth[i], alpha[i], band[i], 0.5))


def crash(alpha, band, forced, n_step=6):
    """Holders sell `forced` dollars per unit of distance at each venue in a crash; arbitrage follows."""
    sales = {(0, LONG, 0, v, 0): uniform(amount, 1 / 64, 1 / 8) for v, amount in enumerate(forced)}
    shock = np.zeros((n_step, 1))
    shock[1] = -0.1
    return quiet(
        n_step=n_step, n_venue=len(forced), depth=1e8, alpha=[alpha], band=[band], arbitrage=0.3,
        refill=0.9, shock=shock, forced=sales,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("alpha", "band"),
    [
        ((1.1, 0.6), (5.0, INF)),
        ((1.1, 1.1), (5.0, 5.0)),
        ((1.1, 1.1), (5.0, 2.0)),
        ((1.5, 1.05), (1.2, 9.0)),
        ((0.3, 0.6), (INF, INF)),
    ],
)
def test_engines_agree(alpha, band):
    """Sales in a crash, most of them at one venue, then five steps of arbitrage that sell on elsewhere."""
    scenario = crash(alpha, band, (1.5e10, 2e9))
    one, other = (simulate(engine, scenario) for engine in ENGINES)
    assert max(found.max() for found in gaps(scenario, one, other).values()) < TOLERANCE
    assert one.liquidated.max() > 0
    assert one.fall.max() > 0.12

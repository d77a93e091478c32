"""Order books: shape, refill, room and fills."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.book import SNAP
from kernels.mechanisms.book.step_numpy import consumption, displacement, mean_displacement, refill, room
from tests.scenarios import ENGINES, LONG, mass, quiet, simulate

INF = np.inf
shapes = st.one_of(
    st.tuples(st.floats(0.05, 1.0), st.just(INF)),
    st.tuples(st.floats(1.001, 1.2), st.floats(0.5, 2.4)),  # bands before the vertex of the quadratic
)
amounts = st.floats(-20, 20)


@pytest.mark.parametrize(
    ("q", "alpha", "x"),
    [
        (2.0, 1.0, 2.0),
        (-2.0, 1.0, -2.0),
        (12.4, 0.3, 4.0),
        (3.0, 0.5, 2.0),
        (0.0, 0.6, 0.0),
        (1.0, 1e-9, 1.0),
    ],
)
def test_displacement_by_hand(q, alpha, x):
    assert displacement(q, alpha, INF) == pytest.approx(x, abs=1e-8)


def test_no_cancellation_near_linear():
    """The textbook root loses half its digits here."""
    assert displacement(1e-3, 1 - 1e-9, INF) == pytest.approx(1e-3 * (1 + 1e-9), rel=1e-14)


def test_tangent_beyond_the_band():
    """alpha 1.05, band 4%: 3.4 depths to the band, then 1.05 - 0.1 x 4 = .65 depths per percent."""
    assert consumption(4.0, 1.05, 4.0) == pytest.approx(1.05 * 4 - 0.05 * 16)
    assert consumption(6.0, 1.05, 4.0) == pytest.approx(3.4 + 2 * 0.65)
    assert displacement(3.4 + 1.3, 1.05, 4.0) == pytest.approx(6.0)


@given(amounts, shapes)
def test_consumption_inverts_displacement(q, shape):
    assert consumption(displacement(q, *shape), *shape) == pytest.approx(q, rel=1e-10, abs=1e-12)


@given(amounts, amounts, shapes)
def test_displacement_is_increasing_and_odd(a, b, shape):
    assert displacement(-a, *shape) == -displacement(a, *shape)
    if a < b:
        assert displacement(a, *shape) <= displacement(b, *shape)


@given(amounts, st.floats(0, 1), st.floats(0.1, 1.1))
def test_refill_shrinks_and_comes_to_rest(q, factor, alpha):
    after = refill(q, factor, alpha)
    assert abs(after) <= abs(q)
    assert after == 0 or (after == q * factor and abs(after) >= alpha * SNAP)


def test_refill_snaps_a_tenth_of_a_basis_point():
    assert refill(np.array([2e-3, 1.9e-3]), 0.5, 1.0) == pytest.approx([1e-3, 0.0])


@given(st.floats(-6, 6), shapes, st.floats(7, 30))
def test_room_ends_at_the_hard_end(x, shape, end):
    """Selling all the room moves the price to minus the end, buying to plus the end."""
    q = consumption(x, *shape)
    sells, buys = room(q, *shape, end)
    assert displacement(q - sells, *shape) == pytest.approx(-end, rel=1e-9)
    assert displacement(q + buys, *shape) == pytest.approx(end, rel=1e-9)


def test_room_is_unlimited_without_an_end_and_never_negative():
    assert room(-3.0, 0.6, INF, INF) == (INF, INF)
    assert room(-30.0, 1.0, INF, 10.0) == (0.0, 40.0)


@pytest.mark.parametrize(
    ("start", "end", "alpha", "band", "mean"),
    [
        (1.0, 2.0, 0.5, INF, 1.541667),
        (0.0, 2.0, 1.0, INF, 1.0),
        (-1.0, 3.0, 1.0, INF, 1.0),  # (-.5 x 1 + 1.5 x 3) / 4
        (4.0, 6.0, 1.05, 4.0, 5.0),  # all of it on the tangent
        (2.0, 2.0, 0.3, INF, 2.0),  # nothing traded: the price that stands
    ],
)
def test_mean_displacement_by_hand(start, end, alpha, band, mean):
    assert mean_displacement(start, end, alpha, band) == pytest.approx(mean, abs=1e-6)


@given(st.floats(-8, 8), st.floats(-8, 8), shapes)
def test_mean_displacement_is_the_integral(start, end, shape):
    """Volume-weighted over the stretch, in whichever direction, between its ends."""
    mean = mean_displacement(start, end, *shape)
    low, high = min(start, end), max(start, end)
    assert low - 1e-9 <= mean <= high + 1e-9
    if high - low > 1e-2:
        q = np.linspace(consumption(low, *shape), consumption(high, *shape), 20_001)
        x = displacement((q[1:] + q[:-1]) / 2, *shape)
        assert mean == pytest.approx(x.mean(), abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("second", "lowest"), [(-0.004, 3.0), (-0.008, 3.3)])
def test_book_comes_back(engine, second, lowest):
    """One depth sold at -2%; half of the 1% that it moved the price is back a step later."""
    depth = 2.0**27
    forced = {(0, LONG, 0, 0, 0): mass(depth, 0.01)}
    outcome = simulate(
        engine, quiet(n_step=2, depth=depth, refill=0.5, shock=[[-0.02], [second]], forced=forced)
    )
    assert -100 * np.log1p(-outcome.fall[0, 0, 0]) == pytest.approx(lowest, abs=1e-4)

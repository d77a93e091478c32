"""Known answer 2: one market, holders spread evenly over the log axis, no refill. Percent units."""

import numpy as np
import pytest
from scipy.optimize import brentq

from kernels import outcome
from kernels.mechanisms.cascade import TOLERANCE
from kernels.parts.table.table_numpy import EDGES
from tests.scenarios import ENGINES, LIMIT, LONG, quiet, simulate, uniform

DEPTH = 1e8
BAND = 10.0


def fall(engine, alpha, gain, shock, **changes):
    """Total fall in percent of log price after a shock in percent; gain is kr = kappa x rho."""
    table = uniform(gain * DEPTH * 100)
    scenario = quiet(
        alpha=alpha, shock=-shock / 100, depth=DEPTH, forced={(0, LONG, 0, 0, 0): table}, **changes
    )
    done = simulate(engine, scenario)
    return -100 * np.log1p(-done.fall[0, 0, 0]), done


def impact(alpha, gain, shock):
    """The closed form: how far forced flow moves the price beyond the shock."""
    if alpha == 1:
        return gain * shock / (1 - gain)
    bend = (alpha - gain) ** 2 + 4 * (1 - alpha) * gain * shock
    if alpha < 1:
        return ((gain - alpha) + np.sqrt(bend)) / (2 * (1 - alpha))
    return ((alpha - gain) - np.sqrt(bend)) / (2 * (alpha - 1))


def tolerance(engine, alpha, gain, shock):
    """What the stopping rule leaves: flow of `TOLERANCE` depths, over the slope of the book there."""
    y = impact(alpha, gain, shock)
    return 1e-5 if engine == LIMIT else 1.5 * TOLERANCE / (alpha + 2 * (1 - alpha) * y) + 1e-4


LINEAR = [(1.0, gain, shock) for gain in (0.2, 0.5, 0.9) for shock in (0.5, 5.0)]
SQUARE = [
    (alpha, gain, shock) for alpha in (0.1, 0.3, 0.6) for gain in (0.2, 0.9, 1.5) for shock in (0.5, 4.0)
]


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
@pytest.mark.parametrize(("alpha", "gain", "shock"), LINEAR + SQUARE)
def test_total_fall(engine, alpha, gain, shock):
    total, done = fall(engine, alpha, gain, shock)
    assert total == pytest.approx(
        shock + impact(alpha, gain, shock), abs=tolerance(engine, alpha, gain, shock)
    )
    assert done.status[0] == outcome.OK
    assert done.liquidated_coins[0, 0, 0] == pytest.approx(gain * DEPTH * total, abs=TOLERANCE * DEPTH)


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
def test_supercritical_square_root_book_ends_at_a_finite_fall(engine):
    """With kr above alpha the smallest shock that starts anything ends near (kr - alpha)/(1 - alpha)."""
    shock = 1e-4 if engine == LIMIT else 0.05
    total, _ = fall(engine, 0.6, 0.9, shock)
    assert total == pytest.approx(0.3 / 0.4, rel=1e-3 if engine == LIMIT else 0.3)


def largest_shock(alpha, gain):
    return (alpha - gain) ** 2 / (4 * (alpha - 1) * gain)


def test_largest_shock_that_a_standing_book_survives():
    assert largest_shock(1.05, 0.5) == pytest.approx(3.025)


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
@pytest.mark.parametrize("gain", [0.5, 0.8])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_standing_book_below_its_end(engine, gain, part):
    shock = part * largest_shock(1.05, gain)
    total, done = fall(engine, 1.05, gain, shock, band=BAND, hard_end=BAND)
    assert total == pytest.approx(shock + impact(1.05, gain, shock), abs=tolerance(engine, 1.05, gain, shock))
    assert done.status[0] == outcome.OK


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
@pytest.mark.parametrize("gain", [0.5, 0.8])
def test_standing_book_is_exhausted_beyond(engine, gain):
    """What the book holds is executed, the rest waits, and the path says so."""
    shock = 1.02 * largest_shock(1.05, gain)
    total, done = fall(engine, 1.05, gain, shock, band=BAND, hard_end=BAND)
    held = DEPTH * (1.05 * BAND - 0.05 * BAND**2)
    assert total == pytest.approx(shock + BAND, abs=1e-3)
    assert done.status[0] == outcome.EXHAUSTED
    assert done.liquidated_coins[0, 0, 0] == pytest.approx(held, rel=1e-6)
    # Who waits is measured at the last marks, though nothing more can be executed.
    waiting = gain * DEPTH * total - held
    assert 0.99 * waiting <= done.backlog[0, 0] <= 1.0001 * waiting


@pytest.mark.parametrize("engine", ENGINES)
def test_standing_book_goes_on_at_its_density_beyond_the_band(engine):
    """Past the band the price moves with the slope of the band's end: alpha + 2 (1 - alpha) band."""
    alpha, band, slope = 1.05, 2.0, 1.05 - 0.1 * 2.0
    sold = 5.0
    held = alpha * band + (1 - alpha) * band**2
    table = np.minimum(EDGES / EDGES[1], 1) * sold * DEPTH
    scenario = quiet(
        alpha=alpha, band=band, hard_end=30, depth=DEPTH, shock=-0.001, forced={(0, LONG, 0, 0, 0): table}
    )
    total = -100 * np.log1p(-simulate(engine, scenario).fall[0, 0, 0])
    assert total == pytest.approx(0.1 + band + (sold - held) / slope, abs=1e-4)


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
@pytest.mark.parametrize(("gain", "miss"), [(0.5, 0.04), (0.9, 0.51)])
def test_thresholds_even_in_simple_returns_fall_less(engine, gain, miss):
    """The closed form of a linear book is for the log axis: elsewhere it overstates the fall."""
    table = gain * DEPTH * 100 * -np.expm1(-EDGES)
    scenario = quiet(shock=-0.05, depth=DEPTH, forced={(0, LONG, 0, 0, 0): table})
    total = -np.log1p(-simulate(engine, scenario).fall[0, 0, 0])
    true = brentq(lambda x: 0.05 - gain * np.expm1(-x) - x, 0.0, 1.0)
    assert total == pytest.approx(true, abs=2e-4 if engine == LIMIT else 5e-4 + 0.01 * TOLERANCE)
    assert 1 - total / (0.05 / (1 - gain)) == pytest.approx(miss, abs=0.01)

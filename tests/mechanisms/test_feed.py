"""Feeds that are wrong or late."""

import numpy as np
import pytest

from kernels.mechanisms.feed import Feed
from kernels.mechanisms.feed.step_numpy import error, stale
from tests.scenarios import ENGINES, LONG, marking, mass, quiet, simulate, uniform, with_parts


def feeds(scenario, steps, wrong=0.0, late=False):
    """Feeds with an error [candidate, asset, venue] or that are late in some steps."""
    shape = scenario.shape
    size = (shape.n_asset, shape.n_venue)
    row = np.array([int(n in steps) for n in range(shape.n_step)], np.int32)
    levels, still = np.zeros((2, 3, *size)), np.zeros((2, *size), np.int32)
    levels[1], still[1] = wrong, late
    any_error = np.array([0, int(np.any(wrong))], np.int32)
    part = Feed(row=row, wrong=any_error, error=levels, stale=still)
    return with_parts(scenario, feed=part)


def test_rows():
    scenario = feeds(quiet(n_step=3), {1}, wrong=-0.05, late=True)
    part = scenario.parts.feed
    assert error(part, 0) is None
    assert (error(part, 1) == -0.05).all()
    assert [bool(stale(part, n).any()) for n in range(3)] == [False, True, False]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [-0.03, 0.01])
def test_a_wrong_mark_by_hand(engine, size):
    """A price 2% down and a mark that is another 3% off, in log: 5% of a density of 1e8 are forced."""
    scenario = quiet(shock=-0.02, forced={(0, LONG, 0, 0, 0): uniform(1e8)}, depth=1e12)
    outcome = simulate(engine, feeds(scenario, {0}, size))
    assert outcome.liquidated_coins[0, 0, 0] == pytest.approx(1e8 * (0.02 - size), rel=1e-4)
    # What fills is the book's price, not the mark.
    assert outcome.fall[0, 0, 0] == pytest.approx(-np.expm1(-0.02), rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_median_does_not_follow_one_wrong_index(engine):
    scenario = quiet(shock=-0.02, forced={(0, LONG, 0, 0, 0): mass(1e6, 0.05)}, depth=1e12)
    index_alone = np.array([-0.2, 0, 0])[:, None, None]
    median = with_parts(scenario, marking=marking(scenario, median=1))
    assert simulate(engine, feeds(scenario, {0}, index_alone)).liquidated_coins[0, 0, 0] > 0.99e6
    assert simulate(engine, feeds(median, {0}, index_alone)).liquidated_coins[0, 0, 0] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stale_mark_triggers_nobody_until_it_catches_up(engine):
    """A fall of 10% in step 1: with a mark that is late in steps 1 and 2 all are forced in step 3."""
    table = mass(1e6, 0.05)
    for n_step, forced in ((2, 0.0), (3, 0.0), (4, 1e6)):
        shock = np.zeros((n_step, 1))
        shock[1] = -0.1
        scenario = quiet(n_step=n_step, shock=shock, depth=1e12, forced={(0, LONG, 0, 0, 0): table})
        outcome = simulate(engine, feeds(scenario, {1, 2}, late=True))
        assert outcome.liquidated_coins[0, 0, 0] == pytest.approx(forced, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stale_mark_that_recovers_in_time_forces_nobody(engine):
    shock = [[0], [-0.1], [0.1], [0]]
    scenario = quiet(n_step=4, shock=shock, depth=1e12, forced={(0, LONG, 0, 0, 0): mass(1e6, 0.05)})
    assert simulate(engine, scenario).liquidated_coins[0, 0, 0] == pytest.approx(1e6, rel=1e-6)
    assert simulate(engine, feeds(scenario, {1, 2}, late=True)).liquidated_coins[0, 0, 0] == 0

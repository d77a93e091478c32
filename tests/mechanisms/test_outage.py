"""Outages: venues that are down, by schedule or by chance."""

import numpy as np
import pytest

from kernels.mechanisms.outage import Outage, step_numpy
from tests.scenarios import ENGINES, LONG, mass, quiet, simulate, with_parts


def outages(scenario, steps=(), throughput=0.0, depth=1.0, **chance):
    """All venues down in some steps; `chance`: of failures, arrays [venue]."""
    shape = scenario.shape
    row = np.array([int(n in steps) for n in range(shape.n_step)], np.int32)
    one = np.ones(shape.n_venue)
    levels = {
        "hazard": 0 * one,
        "decay": 0 * one,
        "recovery": one,
        "failed_throughput": one,
        "failed_depth": one,
    }
    levels |= {name: value * one for name, value in chance.items()}
    part = Outage(
        row=row, down=np.array([0 * one, one], np.int32), throughput=np.stack([one, throughput * one]),
        depth=np.stack([one, depth * one]), **levels,
    )  # fmt: skip
    return with_parts(scenario, outage=part)


def crash(n_step, **changes):
    shock = np.zeros((n_step, 1))
    shock[0] = -0.1
    return quiet(n_step=n_step, shock=shock, forced={(0, LONG, 0, 0, 0): mass(30.0, 0.05)}, **changes)


@pytest.mark.parametrize("engine", ENGINES)
def test_throughput_by_hand(engine):
    """30 forced, 10 a step, a fifth of it in steps 1 and 2: 10, 2, 2, 10, 6."""
    done = [
        simulate(
            engine, outages(crash(n, throughput=10.0, depth=1e12), {1, 2}, throughput=0.2)
        ).liquidated_coins[0, 0, 0]
        for n in range(1, 6)
    ]
    assert done == pytest.approx([10, 12, 14, 24, 30], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_down_executes_nothing(engine):
    """Also where it is unlimited otherwise; triggers go on, and all of it waits."""
    outcome = simulate(engine, outages(crash(2, depth=1e12), {0, 1}))
    assert outcome.liquidated_coins[0, 0, 0] == 0
    assert outcome.backlog[0, 0] == pytest.approx(30, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_depth_by_hand(engine):
    """30 dollars into a book of 10 a percent, half of it in the outage: 6 points beyond the news."""
    outcome = simulate(engine, outages(crash(1, depth=10.0), {0}, throughput=1.0, depth=0.5))
    assert -100 * np.log1p(-outcome.fall[0, 0, 0]) == pytest.approx(16, abs=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_arbitrage_leaves_out_who_is_down(engine):
    """Three percent off at one of two venues: arbitrage of all halves that, unless a venue is down."""
    shock = np.zeros((2, 1))
    shock[0] = -0.01
    scenario = quiet(
        n_step=2, n_venue=2, shock=shock, depth=10.0, arbitrage=1.0,
        forced={(0, LONG, 0, 0, 0): mass(30.0, 0.005)},
    )  # fmt: skip
    shared = simulate(engine, scenario).fall[0, 0]
    apart = simulate(engine, outages(scenario, {1}, throughput=1.0)).fall[0, 0]
    assert -100 * np.log1p(-shared) == pytest.approx([4, 2.5], abs=1e-3)
    assert -100 * np.log1p(-apart) == pytest.approx([4, 1], abs=1e-3)


def test_chance_by_hand():
    """Hazard 1% per dollar and 50 dollars lately: 0.5. Up again with chance 0.25."""
    scenario = outages(quiet(n_venue=4), hazard=0.01, recovery=0.25, failed_depth=0.4, decay=0.5)
    part, state = scenario.parts.outage, step_numpy.initial((1, 4))
    state.load[:] = 50
    state.failed[0, 2:] = True
    drawn = np.array([[0.49, 0.51, 0.24, 0.26]])
    down, _, depth = step_numpy.decide(part, state, 0, drawn)
    assert down.tolist() == [[True, False, False, True]]
    assert depth.tolist() == [[0.4, 1, 1, 0.4]]
    step_numpy.remember(part, state, np.full((1, 4), 10.0))
    assert (state.load == 35).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_share_of_paths_that_fail(engine):
    """30 dollars in step 0, then a hazard of 1% per dollar: 30% of the paths are down in step 1."""
    shock = np.zeros((2, 1))
    shock[:] = -0.1
    table = mass(30.0, 0.05) + mass(50.0, 0.15)
    scenario = quiet(n_step=2, shock=shock, depth=1e12, forced={(0, LONG, 0, 0, 0): table})
    scenario = outages(scenario, hazard=0.01, failed_throughput=0.0)
    count = 4000
    waits = simulate(engine, scenario, seed=1, count=count).backlog[:, 0] > 1
    assert waits.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / count))

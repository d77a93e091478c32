"""Halts: scheduled closures and circuit breakers."""

import numpy as np
import pytest

from kernels.mechanisms.halt import Halt, step_numpy
from kernels.outcome import FAILED
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import ENGINES, LONG, mass, quiet, simulate, uniform, with_parts


def halts(scenario, closed=(), moves=(), steps=1, decay=1.0, rises=True):
    """All markets closed in some steps, with breakers of some moves."""
    shape = scenario.shape
    size = (shape.n_asset, shape.n_venue)
    row = np.array([int(n in closed) for n in range(shape.n_step)], np.int32)
    level = np.asarray(moves or [np.inf], float)[:, None, None] * np.ones(size)
    part = Halt(
        row=row, closed=np.stack([np.zeros(size, np.int32), np.ones(size, np.int32)]), fall=level,
        rise=level if rises else np.full_like(level, np.inf), steps=np.full(level.shape, steps, np.int32),
        decay=np.full(size, decay),
    )  # fmt: skip
    return with_parts(scenario, halt=part)


def shocks(n_step, **at):
    shock = np.zeros((n_step, 1))
    for step, size in at.items():
        shock[int(step[1:])] = size
    return shock


@pytest.mark.parametrize("engine", ENGINES)
def test_orders_wait_by_hand(engine):
    """30 forced in step 0, 10 a step; closed in steps 1 and 2: 10, 0, 0, 10, 10."""
    done = []
    for n_step in range(1, 6):
        scenario = quiet(
            n_step=n_step, shock=shocks(n_step, n0=-0.1), depth=1e12, throughput=10.0,
            forced={(0, LONG, 0, 0, 0): mass(30.0, 0.05)},
        )  # fmt: skip
        outcome = simulate(engine, halts(scenario, closed={1, 2}))
        done.append(outcome.liquidated_coins[0, 0, 0])
        assert outcome.backlog[0, 0] == pytest.approx(20, rel=1e-5)
    assert done == pytest.approx([10, 10, 10, 20, 30], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_closed_market_triggers_nobody_and_shows_its_last_price(engine):
    for n_step, forced, fall in ((3, 0.0, 0.0), (4, 1e6, 0.1)):
        scenario = quiet(
            n_step=n_step, shock=shocks(n_step, n1=-0.1), depth=1e12,
            forced={(0, LONG, 0, 0, 0): mass(1e6, 0.05)},
        )  # fmt: skip
        outcome = simulate(engine, halts(scenario, closed={1, 2}))
        assert outcome.liquidated_coins[0, 0, 0] == pytest.approx(forced, rel=1e-6)
        assert outcome.fall[0, 0, 0] == pytest.approx(-np.expm1(-fall), abs=1e-6)
        assert outcome.exogenous_fall[0, 0] == pytest.approx(-np.expm1(-0.1), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_breaker_by_hand(engine):
    """Shock 5%, 5 depths forced, a level of 7% in log price: 2 are sold, a halt of two steps, then 3."""
    done = []
    for n_step in range(1, 6):
        scenario = quiet(
            n_step=n_step, shock=shocks(n_step, n0=-0.05), depth=1e8,
            forced={(0, LONG, 0, 0, 0): mass(5e8, 0.03)},
        )  # fmt: skip
        outcome = simulate(engine, halts(scenario, moves=[0.07], steps=2))
        done.append(outcome.liquidated_coins[0, 0, 0] / 1e8)
        if n_step == 3:
            assert -np.log1p(-outcome.fall[0, 0, 0]) == pytest.approx(0.07, abs=1e-5)
    assert done == pytest.approx([2, 2, 2, 5, 5], rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_jump_past_the_level_halts_at_once(engine):
    scenario = quiet(
        n_step=4, shock=shocks(4, n1=-0.1), depth=1e12, forced={(0, LONG, 0, 0, 0): mass(1e6, 0.05)}
    )
    assert simulate(engine, halts(scenario, moves=[0.07], steps=3)).liquidated_coins[0, 0, 0] == 0
    assert simulate(engine, halts(scenario, moves=[0.07], steps=2)).liquidated_coins[0, 0, 0] > 0.99e6
    assert simulate(engine, halts(scenario, moves=[0.11], steps=3)).liquidated_coins[0, 0, 0] > 0.99e6


def test_levels_trip_one_after_the_other():
    part = halts(quiet(n_step=8), moves=[0.07, 0.13], steps=2).parts.halt
    state = step_numpy.initial((1, 1, 1))
    price = [-0.05, -0.08, -0.2, -0.2, -0.2, -0.2, -0.3]
    halted = [bool(step_numpy.decide(part, state, np.full((1, 1, 1), p), n)) for n, p in enumerate(price)]
    assert halted == [False, True, True, True, True, False, False]


def test_a_reference_that_follows_begins_again_where_the_market_opens():
    part = halts(quiet(n_step=8), moves=[0.1], steps=1, decay=0.5).parts.halt
    state = step_numpy.initial((1, 1, 1))
    halted = []
    for n, price in enumerate([-0.08, -0.12, -0.25, -0.34]):
        at = np.full((1, 1, 1), price)
        now = step_numpy.decide(part, state, at, n)
        halted.append(bool(now))
        step_numpy.remember(part, state, at, now, np.zeros((1, 1, 1), bool))
    # References: 0, -4%, then -25% on opening again, -29.5%.
    assert halted == [False, False, True, False]
    assert state.reference[0, 0, 0] == pytest.approx((-0.34 - 0.34) / 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_money_and_positions_are_conserved(engine):
    """Whatever halts, in the end all that was triggered has been executed or waits."""
    shock = np.zeros((12, 1))
    shock[1:5] = -0.03
    for closed, moves in (((3, 4), ()), ((), (0.05, 0.09)), ((2,), (0.04,))):
        scenario = quiet(
            n_step=12, n_venue=2, shock=shock, depth=1e8, alpha=0.6, refill=0.9, arbitrage=0.3,
            throughput=[1e8, np.inf], fund=1e6, adl_policy=1, closing_share=0.7, permanent=1e-11,
            forced={(0, LONG, 0, v, 0): uniform(2e9, 0.02, 0.2) for v in range(2)},
        )  # fmt: skip
        outcome = simulate(engine, halts(scenario, closed, list(moves), steps=2))
        assert outcome.status[0] & FAILED == 0
        assert outcome.loss[0, 0, -1, -1] == pytest.approx(outcome.loss[0, 1:3, -1, -1].sum(), rel=1e-5)
        assert outcome.liquidated_coins[0, -1, 0] > 0


@pytest.mark.parametrize("name", [n for n in VARIANTS if "closed" in n or "breakers" in n or "outages" in n])
def test_no_path_fails(name):
    outcome = simulate("cpu", compiled(name), seed=3, count=200)
    assert not (outcome.status & FAILED).any()

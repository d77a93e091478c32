"""Uncertain leverage: one factor per venue and path on all that can be forced."""

import numpy as np
import pytest

from kernels.mechanisms.leverage import Leverage
from kernels.mechanisms.leverage.step_numpy import factor
from kernels.parts.table.table_numpy import EDGES
from tests.mechanisms.test_account import random_scenario
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import DEEP, ENGINES, LONG, SHORT, quiet, simulate, with_parts

N_PATH = 4000


def uncertain(scenario, own=0.0, common=0.0, most=np.inf):
    """The scenario with uncertain leverage; arrays broadcast."""
    shape = scenario.shape
    a, v = shape.n_asset, shape.n_venue
    part = Leverage(
        common=np.broadcast_to(np.asarray(common, float), (v,)).copy(),
        own=np.broadcast_to(np.asarray(own, float), (v,)).copy(),
        most=np.broadcast_to(np.asarray(most, float), (a, 2, v)).copy(),
    )
    return with_parts(scenario, leverage=part)


def test_factors_have_median_one_and_correlate():
    """sd 0.5 of its own and 0.3 shared: log sd 0.583, correlation 0.09 / 0.34."""
    part = uncertain(quiet(n_venue=3), own=0.5, common=0.3).parts.leverage
    drawn = np.log(factor(part, 7, np.arange(N_PATH, dtype=np.uint64))[:, 0, 0])
    error = 1 / np.sqrt(N_PATH)
    assert np.median(drawn, axis=0) == pytest.approx(np.zeros(3), abs=4 * 0.583 * 1.25 * error)
    assert drawn.std(axis=0) == pytest.approx(np.full(3, np.hypot(0.5, 0.3)), rel=4 * error)
    correlation = np.corrcoef(drawn.T)[np.triu_indices(3, 1)]
    assert correlation == pytest.approx(np.full(3, 0.09 / 0.34), abs=4 * error)


@pytest.mark.parametrize("engine", ENGINES)
def test_multiplies_what_is_forced_and_lost(engine):
    """Deep books, a fall of 10%: notional, margin lost and deficit are the table's times the factor."""
    density = 1e8
    market = quiet(depth=DEEP, shock=[[np.log(0.9)]], forced={(0, LONG, 0, 0, 0): density * EDGES})
    scenario = uncertain(market, own=0.4)
    found, plain = simulate(engine, scenario, seed=3, count=20), simulate(engine, market)
    drawn = factor(scenario.parts.leverage, 3, np.arange(20, dtype=np.uint64))[:, 0, LONG, 0]
    assert found.liquidated_coins[:, 0, 0] == pytest.approx(plain.liquidated_coins[0, 0, 0] * drawn, rel=1e-5)
    for component in range(3):
        wanted = plain.loss[0, component, 0, 0] * drawn
        assert found.loss[:, component, 0, 0] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_more_than_all_open_interest(engine):
    """Where 40% can be forced, no factor takes more than 2.5 times that."""
    market = quiet(
        depth=DEEP, shock=[[np.log(0.5)]], tier_notional=250.0e6,
        forced={(0, LONG, 0, 0, 0): 100e6 * np.clip(EDGES / 0.5, 0, 1)},
    )  # fmt: skip
    found = simulate(engine, uncertain(market, own=2.0, most=2.5), count=200).liquidated_coins[:, 0, 0]
    assert found.max() == pytest.approx(250e6, rel=1e-5)
    assert found.min() < 50e6


@pytest.mark.parametrize("engine", ENGINES)
def test_no_spread_changes_nothing(engine):
    """A factor that is always one leaves the numbers as they are."""
    market = random_scenario(5)
    one, other = (simulate(engine, x, count=10).batch.rows for x in (market, uncertain(market)))
    assert other == pytest.approx(one, rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_engines_agree(seed):
    """Both engines, path by path, with a backlog and accounts."""
    scenario = uncertain(random_scenario(seed, throughput=6e7), own=0.5, common=0.3, most=3.0)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert one.liquidated[:, :, :, SHORT].sum() > 0

"""Funding: what longs pay, shorts receive, and what it does to their triggers and losses."""

import numpy as np
import pytest

from kernels.mechanisms.funding.step_numpy import charge, open_notional, rate
from kernels.parts.table.table_numpy import EDGES
from tests.mechanisms.test_flow import flows
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import DEEP, ENGINES, LONG, SHORT, funded, mass, quiet, simulate

ONE = 1e6


def test_binance_by_hand():
    """Premium 0.3%: 0.3% + clamp(0.01% - 0.3%) = 0.25%. Premium 0.03%: 0.01%. The cap holds both ways."""
    scenario = funded(quiet(n_venue=2), interest=1e-4, clamp=5e-4, cap=0.01)
    part = scenario.parts.funding
    part.premium[:] = [[1.0, 0.0], [-1.0, 0.0]]  # the first venue over the second
    for percent, wanted in (
        (0.3, 2.5e-3),
        (0.03, 1e-4),
        (0.0, 1e-4),
        (-0.3, -2.5e-3),
        (5.0, 0.01),
        (-5, -0.01),
    ):
        found = rate(part, np.array([[[percent, 0.0]]]), 0)
        assert found[0, 0] == pytest.approx([wanted, 1e-4], rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_paid_on_open_positions(engine):
    """A price 0.3% above the index, 100M open: 0.25% of it at its present worth."""
    scenario = flows(quiet(n_venue=2, depth=100 * ONE, tier_notional=100 * ONE), [[[30 * ONE, 0.0]]])
    scenario = funded(scenario, interest=1e-4, clamp=5e-4, premium=[[[1.0, 0.0], [-1.0, 0.0]]])
    found = simulate(engine, scenario)
    at_premium, at_index = 100 * ONE * 2.5e-3 * np.exp(0.003), 100 * ONE * 1e-4
    assert found.funding[0, :, LONG] == pytest.approx([at_premium, at_index, at_premium + at_index], rel=1e-4)
    assert found.funding[0, :, SHORT].sum() == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("spike", "side"), [(0.01, LONG), (-0.01, SHORT)])
def test_payers_are_forced_though_prices_stand_still(engine, spike, side):
    """1% a step: after five payments, all with a margin up to 5%, whatever their leverage was."""
    density = 100 * ONE
    scenario = quiet(n_step=6, depth=DEEP, forced={(0, s, 0, 0, 0): density * EDGES for s in (LONG, SHORT)})
    found = simulate(engine, funded(scenario, spike))
    reached = abs(np.log(1 - 5 * spike))
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(density * reached, rel=1e-5)
    assert found.liquidated[0, 0, 0, side] == pytest.approx(density * reached, rel=1e-5)


def test_exact_for_one_maintenance_class():
    """A long is forced when k + (m - 1) - f = mu m, a short when k - (m - 1) + f = mu m."""
    mu, paid, price, k = 0.02, 0.03, 0.93, 0.08
    part = funded(quiet(group_rate=mu)).parts.funding
    added = charge(part, np.full((1, 1, 1), paid), np.full((1, 1, 1), np.log(price)))[0, 0, :, 0]
    reached = np.array([-np.log(price), np.log(price)]) + added
    # The start margin of those at that distance, Eq. (2) of docs/methods/liquidation.md.
    long, short = 1 - (1 - mu) * np.exp(-reached[0]), (1 + mu) * np.exp(reached[1]) - 1
    assert long == pytest.approx(mu * price - (price - 1) + paid)
    assert short == pytest.approx(mu * price + (price - 1) - paid)
    assert k < long


@pytest.mark.parametrize("engine", ENGINES)
def test_losses_hold_what_was_paid(engine):
    """Longs of 100 with a margin of 6% pay 2% and are closed at .90: they lose 12, 6 of it beyond margin."""
    scenario = quiet(
        n_step=3, depth=DEEP, forced={(0, LONG, 0, 0, 0): mass(100 * ONE, 0.06)},
        shock=[[0.0], [0.0], [np.log(0.9)]],
    )  # fmt: skip
    found = simulate(engine, funded(scenario, [0.01, 0.01, 0.0]))
    assert found.loss[0, :3, 0, 0] == pytest.approx([12 * ONE, 6 * ONE, 6 * ONE], rel=1e-5)
    # What they paid on the way is what shorts received: 2 of the 12.
    assert found.funding[0, 0, LONG] == pytest.approx(2 * ONE, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_who_has_left_pays_no_more(engine):
    """Half of the longs are forced and close in full; the other half pays on."""
    forced = 50 * ONE * np.clip(EDGES / EDGES[1], 0, 1)
    scenario = quiet(
        n_step=3, depth=DEEP, forced={(0, LONG, 0, 0, 0): forced}, tier_notional=100 * ONE,
        shock=[[np.log(0.99)], [0.0], [0.0]],
    )  # fmt: skip
    found = simulate(engine, funded(scenario, 0.001))
    assert found.funding[0, 0, LONG] == pytest.approx(3 * 50 * ONE * 0.99 * 0.001, rel=1e-5)


def test_deleveraging_closes_in_full():
    """Of 100: forced 30 with psi 0.5, and 10 deleveraged, leave 75."""
    scenario = funded(quiet(tier_notional=100.0, closing_share=0.5))
    found = open_notional(
        scenario.parts.funding, scenario.arrays, np.full((1, 1, 1), 40.0), np.full((1, 1, 1), 10.0)
    )
    assert found.item() == pytest.approx(100 - 0.5 * 30 - 10)


def random_scenario(seed):
    rng = np.random.default_rng(seed)
    forced = {
        (a, side, g, v, 0): rng.uniform(0, 2e9) * EDGES
        for a in range(2) for side in range(2) for g in range(2) for v in range(2)
    }  # fmt: skip
    scenario = quiet(
        n_step=8, n_asset=2, n_venue=2, n_group=2, forced=forced, depth=rng.uniform(0.5e8, 2e8, (2, 2)),
        volatility=0.02, refill=0.8, alpha=0.6, monitoring=0.58, fund=1e6, fee_rate=0.002, surplus_share=0.5,
        closing_share=0.7, throughput=4e7,
    )  # fmt: skip
    return funded(scenario, rng.normal(0, 0.01, 8), interest=0.002, clamp=0.001, cap=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_engines_agree(seed):
    """Both engines, path by path, with rates of both signs and a backlog."""
    scenario = random_scenario(seed)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.funding[:, -1].min() > 0
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()

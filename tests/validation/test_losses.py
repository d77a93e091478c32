"""Known answers 5, 6, 7, 9 and 12: what forced positions lose, and who pays, through the whole engine."""

import numpy as np
import pytest

from kernels import outcome
from kernels.mechanisms.adl import ADL_PRO_RATA, ADL_QUEUE
from kernels.mechanisms.book.step_numpy import displacement, mean_displacement
from kernels.outcome import COMPONENTS
from kernels.parts.table.table_numpy import EDGES
from stress.compile.tiers import ladder_prices
from tests.scenarios import DEEP, ENGINES, LONG, SHORT, mass, quiet, simulate, uniform

MILLION = 2.0**20
"""Dollars per unit of the hand-worked numbers."""

UNPAID = dict.fromkeys(COMPONENTS, 0)
"""What components are where nobody says otherwise."""


def components(done, tier=-1):
    """Losses of a path in units, by component."""
    return dict(zip(COMPONENTS, done.loss[0, :, -1, tier] / MILLION, strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_slice_and_fund(engine):
    """100 even in k on (.05, .10], filled at .91: deficit 1.6, lost 7.4, left 0.1; a fund of 1.0 is spent."""
    rate = 0.02  # so that a mark of .91 triggers k up to .1082: everybody
    margin = 1 - (1 - rate) * np.exp(-EDGES)
    table = 100 * MILLION * np.clip((margin - 0.05) / 0.05, 0, 1)
    scenario = quiet(
        depth=DEEP, shock=np.log(0.91), group_rate=rate, fund=MILLION, fee_rate=0.0, surplus_share=1.0,
        forced={(0, LONG, 0, 0, 0): table},
    )  # fmt: skip
    done = simulate(engine, scenario)
    loss = components(done)
    expected = {"deficit": 1.6, "margin_lost": 7.4, "fund_draw": 1.0, "bad_debt": 0.6, "total": 9.0, "adl": 0}
    assert loss == pytest.approx(UNPAID | expected, abs=6e-3)
    assert loss["total"] == pytest.approx(9.0, rel=1e-5)
    assert done.exhaustion_time[0, 0] == 1
    assert done.venues_exhausted[0] == 1
    assert done.status[0] == outcome.OK


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("policy", "taken"), [(ADL_PRO_RATA, (7.5, 7.5, 15)), (ADL_QUEUE, (0, 0, 30))])
def test_deleveraging(engine, policy, taken):
    """30 bankrupt at .92, mark .90, winners 100/50/50, the 100 first in the queue: forgone .60."""
    notional = np.zeros((1, 2, 1, 3))
    notional[0, SHORT, 0] = np.array([50, 50, 100]) * MILLION
    notional[0, LONG, 0, 0] = 30 * MILLION
    scenario = quiet(
        n_tier=3, shock=np.log(0.90), adl_policy=policy, tier_notional=notional,
        forced={(0, LONG, 0, 0, 0): mass(30 * MILLION, 0.08)},
    )  # fmt: skip
    done = simulate(engine, scenario)
    loss = components(done)
    expected = {"adl": 0.6, "deficit": 0.6, "margin_lost": 2.4, "total": 3.0, "bad_debt": 0, "fund_draw": 0}
    assert loss == pytest.approx(UNPAID | expected, abs=1e-5)
    assert done.adl_notional[0, 0, :3] / MILLION == pytest.approx(taken, abs=1e-4)
    assert done.liquidated_coins[0, 0, 0] / MILLION == pytest.approx(30, rel=1e-6)
    # Closed at the bankruptcy price, and no order reached the book.
    assert done.liquidated[0, 0, 0, 0] / MILLION == pytest.approx(30 * 0.92, rel=1e-6)
    assert done.open_interest_closed[0, 0] / MILLION == pytest.approx(30, rel=1e-6)
    assert done.fall[0, 0, 0] == pytest.approx(0.10, abs=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_backlog(engine):
    """10 forced, 3 a step, fills at 5/6/7/8%: executed 3/3/3/1, loss .62."""
    prices = np.array([0.95, 0.94, 0.93, 0.92])
    scenario = quiet(
        n_step=4, depth=DEEP, throughput=3 * MILLION, shock=np.diff(np.log(prices), prepend=0.0)[:, None],
        forced={(0, LONG, 0, 0, 0): uniform(10 * MILLION / 0.02, 0.01, 0.03)}, closing_share=0.7,
    )  # fmt: skip
    done = simulate(engine, scenario)
    assert components(done)["total"] == pytest.approx(0.62, rel=2e-6)
    assert done.backlog[0] / MILLION == pytest.approx([7, 7], rel=1e-5)
    assert done.liquidated_coins[0, 0, 0] / MILLION == pytest.approx(10, rel=1e-6)
    assert done.liquidated[0, 0, 0, 0] / MILLION == pytest.approx(3 * prices[:3].sum() + prices[3], rel=1e-5)
    assert done.open_interest_closed[0, 0] / MILLION == pytest.approx(7, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_backlog_is_first_in_first_out(engine):
    """The thinnest margins go first: after one step only the first tier has been executed."""
    forced = {
        (0, LONG, 0, 0, 0): uniform(3 * MILLION * 128, 1 / 128, 2 / 128),
        (0, LONG, 0, 0, 1): uniform(7 * MILLION * 64, 1 / 64, 2 / 64),
    }
    scenario = quiet(n_tier=2, depth=DEEP, throughput=3 * MILLION, shock=np.log(0.95), forced=forced)
    done = simulate(engine, scenario)
    assert done.liquidated_tier[0, 0] / MILLION == pytest.approx([3 * 0.95, 0, 3 * 0.95], abs=1e-5)


def test_volume_weighted_displacement():
    """alpha .5, from 1 to 2 percent: 1.541667."""
    assert mean_displacement(1.0, 2.0, 0.5, np.inf) == pytest.approx(1.541667, abs=1e-6)
    assert mean_displacement(-1.0, -2.0, 0.5, np.inf) == pytest.approx(-1.541667, abs=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_fill_is_the_volume_weighted_price_of_the_step(engine):
    """Two steps that sell 1 and then 1.5 more depths into a book of alpha .5: fills at x of Eq. (4)."""
    depth = 64 * MILLION
    forced = uniform(depth / 0.01, 0.01, 0.02) + uniform(2 * depth / 0.01, 0.04, 0.05)
    scenario = quiet(
        n_step=2, alpha=0.5, depth=depth, shock=[[-0.02], [-0.03]],
        forced={(0, LONG, 0, 0, 0): forced},
    )  # fmt: skip
    done = simulate(engine, scenario)
    first, last = displacement(np.array([1.0, 3.0]), 0.5, np.inf)
    assert (first, last) == pytest.approx((1.0, 2.0))
    # From 0 to 1: (.5 / 2 + 2/3 x .5) / (.5 + .5) = .583333.
    first, last = np.exp(-0.02 - 0.01 * 0.583333), np.exp(-0.05 - 0.01 * 1.541667)
    assert done.liquidated[0, 0, 0, 0] == pytest.approx(depth * (first + 2 * last), rel=1e-6)


def test_ladder():
    """mu 1.25%, slices of 20%: the second rung lies at .99684 of the first, whatever the margin."""
    prices, sizes = ladder_prices(np.array([0.05, 0.1, 0.3]), LONG, 0.0125, 0.0, [0.2] * 4)
    assert prices[1] / prices[0] == pytest.approx(0.99684, abs=1e-5)
    assert sizes == pytest.approx([0.2] * 5)
    assert (np.diff(prices, axis=0) < 0).all()

"""The loss waterfall: fees, surplus, the insurance fund."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.adl import ADL_PRO_RATA
from kernels.mechanisms.waterfall import SOCIALISE_RUN, SOCIALISE_STEP
from kernels.mechanisms.waterfall.funds_numpy import Funds
from kernels.mechanisms.waterfall.step_numpy import draw, fees
from kernels.outcome import COMPONENTS, OK, PAYERS
from stress.compile.tiers import margin_table
from tests.scenarios import (
    DEEP,
    ENGINES,
    LONG,
    SHORT,
    mass,
    quiet,
    replaced,
    simulate,
    uniform,
    waterfall,
    winners,
    with_parts,
)

dollars = st.floats(0, 1e12)


def test_fund_by_hand():
    """Known answer 5: a fund of 1.0 against a deficit of 1.6."""
    assert draw(1.0, 1.6) == pytest.approx((1.0, 0.6))
    assert draw(2.0, 1.6) == pytest.approx((1.6, 0.0))
    assert draw(0.0, 1.6) == (0.0, 1.6)


@given(dollars, dollars, dollars)
def test_fund_never_pays_more_than_it_has_and_more_is_never_worse(fund, more, deficit):
    drawn, bad = draw(fund, deficit)
    assert 0 <= drawn <= fund
    assert bad >= 0
    assert drawn + bad == pytest.approx(deficit)
    assert draw(fund + more, deficit)[1] <= bad


def slice_fees(notional, left, price=0.9, rate=0.01, share=0.6, partial=False):
    arrays = quiet(fee_rate=rate, surplus_share=share).arrays
    one = np.ones((1, 1, 1))
    fee, surplus = fees(
        arrays, np.array([0]), notional * one, left * one, np.array([price]), np.array([[partial]])
    )
    return fee.item(), surplus.item()


def test_fee_by_hand():
    """100 at .9, fee 1%: 0.9; of the 2.1 left after it the fund keeps 60%."""
    assert slice_fees(100, 3.0) == pytest.approx((0.9, 1.26))
    assert slice_fees(100, 0.5) == pytest.approx((0.5, 0.0))
    assert slice_fees(100, -0.1) == (0.0, 0.0)
    assert slice_fees(100, 3.0, partial=True) == pytest.approx((0.9, 0.0))


@given(dollars, st.floats(-1e9, 1e12), st.floats(0.01, 2), st.floats(0, 0.1), st.floats(0, 1), st.booleans())
def test_fees_come_out_of_margin_left(notional, left, price, rate, share, partial):
    fee, surplus = slice_fees(notional, left, price, rate, share, partial)
    assert fee >= 0
    assert surplus >= 0
    assert fee + surplus <= max(left, 0.0) * (1 + 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_fees_and_surplus_refill_the_fund(engine):
    """Step 1 leaves margin, of which fees and half the rest go to an empty fund; step 2 draws all of it."""
    unit, price = 2.0**20, np.exp([-1 / 32, -0.3])
    near, far = uniform(100 * unit * 64, 1 / 64, 1 / 32), uniform(100 * unit * 32, 1 / 8, 5 / 32)
    scenario = quiet(
        n_step=2, depth=DEEP, shock=np.diff(np.log(price), prepend=0.0)[:, None], fee_rate=0.005,
        surplus_share=0.5, group_rate=0.02, forced={(0, LONG, 0, 0, 0): near + far},
    )  # fmt: skip
    rows = margin_table(np.stack([near, far], axis=-1), LONG, 0.02, 0.0)[-1] / unit
    left = rows[0] - 100 * (1 - price[0])
    fee = 0.5 * price[0]
    gained = fee + (left - fee) / 2
    loss = dict(zip(COMPONENTS, simulate(engine, scenario).loss[0, :, 0, 0] / unit, strict=True))
    assert loss["fees"] == pytest.approx(fee, rel=1e-5)
    assert loss["deficit"] == pytest.approx(100 * (1 - price[1]) - rows[1], rel=1e-5)
    assert loss["fund_draw"] == pytest.approx(gained, rel=1e-5)
    assert loss["bad_debt"] == pytest.approx(loss["deficit"] - gained, rel=1e-5)
    assert loss["total"] == pytest.approx(100 * (2 - price.sum()), rel=1e-5)


UNIT = 2.0**20


def paid(done, path=0, venue=0):
    """Losses of a venue in units, by component; the deficit is what its payers paid."""
    assert done.status[path] == OK
    found = dict(zip(COMPONENTS, done.loss[path, :, venue, -1] / UNIT, strict=True))
    assert found["deficit"] == pytest.approx(sum(found[name] for name in PAYERS), rel=1e-5, abs=1e-5)
    return found


def falling(steps, n_asset=1, winners_hold=200.0, special=None, **changes):
    """30 longs with a margin of .08 in every asset, closed in a deep book as prices step through `steps`."""
    notional = np.zeros((n_asset, 2, 1, 1))
    notional[:, LONG], notional[:, SHORT] = 30 * UNIT, winners_hold * UNIT
    prices = np.asarray(steps, float).reshape(len(steps), -1)
    shock = np.diff(np.log(prices), prepend=0.0, axis=0)
    scenario = quiet(
        n_step=len(steps), n_asset=n_asset, depth=DEEP, tier_notional=notional, shock=shock,
        forced={(a, LONG, 0, 0, 0): mass(30 * UNIT, 0.08) for a in range(n_asset)}, **changes,
    )  # fmt: skip
    return with_parts(scenario, waterfall=waterfall(scenario.shape, **(special or {})))


def with_longs(scenario, table, assets=(0,)):
    """The scenario with other longs in these assets, and none in the others."""
    tables = {(a, LONG, 0, 0, 0): table for a in assets}
    other = quiet(n_asset=scenario.shape.n_asset, forced=tables).arrays
    return replaced(scenario, forced=other.forced, margin=other.margin, forced_total=other.forced_total)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_market_has_a_fund_of_its_own(engine):
    """Deficits of .6 and 1.2 against funds of .8 and .2: .6 and .2 are drawn, 1.0 is bad debt."""
    special = {"split": 1, "share": [[0.8], [0.2]]}
    one = paid(simulate(engine, falling([[0.9, 0.88]], 2, fund=UNIT, special=special)))
    assert (one["fund_draw"], one["bad_debt"]) == pytest.approx((0.8, 1.0), abs=2e-4)
    shared = paid(simulate(engine, falling([[0.9, 0.88]], 2, fund=UNIT)))
    assert (shared["fund_draw"], shared["bad_debt"]) == pytest.approx((1.0, 0.8), abs=2e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_fund_deleverages_its_own_market_alone(engine):
    """The second market's fund is empty from the start; the first one's is not touched by it."""
    special = {"split": 1, "share": [[1.0], [0.0]]}
    scenario = falling([[0.9, 0.9]], 2, fund=10 * UNIT, adl_policy=ADL_PRO_RATA, special=special)
    done = simulate(engine, scenario)
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(30, rel=1e-5)
    assert paid(done)["fund_draw"] == pytest.approx(0.6, abs=2e-4)
    assert paid(done)["adl"] == pytest.approx(0.6, abs=2e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fund_in_coins_is_worth_less_when_they_have_fallen(engine):
    """Half of 1.0 in the coin, which is at .80 when the others' deficit of .60 comes a step later: the fund
    pays .50 in cash and .10 in .125 coins, and is left with .375 coins. A deficit of 1.2 takes all of .90."""

    def run(price):
        special = {"coin_share": 0.5, "coin": 1}
        scenario = falling([[1.0, 0.8], [price, 0.8]], 2, fund=UNIT, special=special)
        return paid(simulate(engine, with_longs(scenario, mass(30 * UNIT, 0.08))))

    assert run(0.9)["fund_draw"] == pytest.approx(0.6, abs=2e-4)
    assert run(0.88)["fund_draw"] == pytest.approx(0.9, abs=2e-4)
    assert run(0.88)["bad_debt"] == pytest.approx(0.3, abs=2e-4)


def test_cash_goes_before_coins():
    scenario = falling([1.0], fund=UNIT, special={"coin_share": 0.5})
    funds = Funds(scenario, 1)
    log_price = np.log(np.full((1, 1, 1), 0.8))
    funds.begin(0, scenario.arrays.index_weight, log_price)
    assert funds.worth.item() == pytest.approx(0.9 * UNIT)
    funds.settle(np.full((1, 1, 1, 1), 0.6 * UNIT), 0.0, scenario.arrays.index_weight, log_price, None)
    assert funds.cash.item() == pytest.approx(0.0)
    assert funds.coins.item() == pytest.approx(0.375 * UNIT)


def test_the_running_peak_forgets_after_its_window():
    """A window of 16 steps: 100 at the start and 60 since; the peak is 100 for 16 steps, then 60."""
    scenario = falling([1.0], fund=100.0, special={"window": 1})
    funds, seen = Funds(scenario, 1), []
    for n in range(20):
        if n == 1:
            funds.cash[:] = 60.0
        funds.begin(n, scenario.arrays.index_weight, np.zeros((1, 1, 1)))
        seen.append(funds.peak.item())
    assert seen == [100.0] * 16 + [60.0] * 4


@pytest.mark.parametrize("engine", ENGINES)
def test_drawdown_within_a_window(engine):
    """A deficit of .6 takes a fund of 1.5 to 60% of its peak. Later losers are deleveraged while the peak is
    remembered, and go to the book once it is forgotten."""
    for wait, closed in ((3, True), (40, False)):
        special = {"window": 1}
        scenario = falling(
            [0.9, *[0.9] * wait, 0.5],
            fund=1.5 * UNIT,
            adl_policy=ADL_PRO_RATA,
            adl_drawdown=0.3,
            special=special,
        )
        done = simulate(engine, with_longs(scenario, mass(30 * UNIT, 0.08) + mass(20 * UNIT, 0.45)))
        assert bool(done.adl_notional[0, 0, 0] > 0) == closed


@pytest.mark.parametrize("engine", ENGINES)
def test_a_claim_is_paid_by_those_who_are_deleveraged_later(engine):
    """With a fund of .01 .59 is owed after the first step. 20 more longs, with .45, are bankrupt at .30 in
    the second, 5.0 short; the shorts they are closed against make 9.0, and pay the .59 out of it."""
    scenario = falling([0.9, 0.3], fund=0.01 * UNIT, adl_policy=ADL_PRO_RATA, special={"claim": 1})
    done = simulate(engine, with_longs(scenario, mass(30 * UNIT, 0.08) + mass(20 * UNIT, 0.45)))
    found = paid(done)
    assert found["adl"] == pytest.approx(0.59 + 5.0, abs=2e-3)
    assert found["bad_debt"] == pytest.approx(0.0, abs=1e-5)
    assert done.adl_forgone[0, 0, 0] / UNIT == pytest.approx(5.59, abs=2e-3)
    # Nobody is deleveraged after the first step: the claim ends as bad debt.
    alone = falling([0.9, 0.9], adl_policy=ADL_PRO_RATA, fund=0.01 * UNIT, special={"claim": 1})
    assert paid(simulate(engine, alone))["bad_debt"] == pytest.approx(0.59, abs=2e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("when", [SOCIALISE_STEP, SOCIALISE_RUN])
def test_socialised_losses_come_out_of_profits(engine, when):
    """30 lose .60 more than they have; shorts of 4 make .40 at .90 and give it all, .20 is bad debt. At the
    end of a run that comes back to .95 they have .20 left to give."""
    for last, profit in ((0.9, 0.4), (0.95, 0.4 if when == SOCIALISE_STEP else 0.2)):
        found = paid(simulate(engine, falling([0.9, last], winners_hold=4.0, special={"socialise": when})))
        assert found["socialised"] == pytest.approx(profit, abs=3e-4)
        assert found["bad_debt"] == pytest.approx(0.6 - profit, abs=3e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_profits_are_given_once(engine):
    """Two deficits of .60 and more. A profit of .40 at .90 pays once, then only what it grows by."""
    scenario = falling([0.9, 0.88], winners_hold=4.0, special={"socialise": SOCIALISE_STEP})
    done = simulate(engine, with_longs(scenario, mass(30 * UNIT, 0.08) + mass(30 * UNIT, 0.105)))
    assert paid(done)["socialised"] == pytest.approx(0.48, abs=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_entries_decide_whose_profit_it_is(engine):
    """Shorts from .95 have made half of what those from 1.00 have."""
    scenario = falling([0.9], winners_hold=4.0, special={"socialise": SOCIALISE_STEP})
    scenario = with_parts(scenario, adl=winners(scenario.shape, entry=0.95))
    assert paid(simulate(engine, scenario))["socialised"] == pytest.approx(0.2, abs=3e-4)


@given(
    st.lists(st.floats(0, 1e9), min_size=4, max_size=4), st.floats(0, 1e9), st.floats(0, 1),
    st.booleans(), st.integers(0, 2), st.floats(0, 1e9), st.floats(0.2, 3.0),
)  # fmt: skip
def test_what_is_not_paid_is_owed_or_bad(deficits, fund, in_coins, claim, socialise, profit, coin):
    """Every dollar of a step's deficits ends in one place, whatever the rules; no balance goes below zero."""
    shape = quiet(n_tier=2, n_asset=2).shape
    scenario = quiet(n_tier=2, n_asset=2, fund=fund)
    special = {
        "split": 1,
        "share": [[0.3], [0.7]],
        "coin_share": in_coins,
        "claim": claim,
        "socialise": socialise,
    }
    scenario = with_parts(scenario, waterfall=waterfall(shape, **special))
    funds, price = Funds(scenario, 1), np.log(np.full((1, 2, 1), coin))
    funds.begin(0, scenario.arrays.index_weight, price)
    pending = np.array(deficits).reshape(1, 2, 1, 2)
    paid = funds.settle(pending, 0.0, scenario.arrays.index_weight, price, lambda: np.full((1, 2, 1), profit))
    drawn, given, bad = (paid[name] for name in ("fund_draw", "socialised", "bad_debt"))
    parts = drawn.sum() + given.sum() + bad.sum() + funds.owed.sum()
    assert parts == pytest.approx(pending.sum(), rel=1e-9, abs=1e-6)
    assert min(x.min() for x in (drawn, given, bad, funds.owed, funds.cash, funds.coins)) >= -1e-6
    later, rest = funds.end(lambda: np.full((1, 2, 1), profit))
    assert drawn.sum() + given.sum() + bad.sum() + later.sum() + rest.sum() == pytest.approx(
        pending.sum(), rel=1e-9, abs=1e-6
    )
    assert (given + later).sum() <= 2 * profit * (1 + 1e-9)

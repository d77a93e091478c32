"""Auto-deleveraging: who closes whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms import adl
from kernels.mechanisms.adl import ADL_NONE, ADL_PRO_RATA, ADL_QUEUE, HORIZONS
from kernels.mechanisms.adl.step_numpy import close, is_on, start_of_list
from kernels.mechanisms.adl.take_numpy import capped, queue, room, standing, take, walk, waterfill
from kernels.mechanisms.waterfall.funds_numpy import Funds
from kernels.outcome import COMPONENTS
from tests.scenarios import (
    ENGINES,
    LONG,
    SHORT,
    mass,
    quiet,
    replaced,
    simulate,
    uniform,
    winners,
    with_parts,
)

UNIT = 2.0**20
POLICIES = [
    adl.ADL_QUEUE, adl.ADL_PRO_RATA, adl.ADL_QUEUE_HYPERLIQUID, adl.ADL_CAPPED_PRO_RATA,
    adl.ADL_LEVERAGE_WATERFILL, adl.ADL_RANDOM_START,
]  # fmt: skip


def shorts_at(price, notional, equity, entry=1.0, survival=1.0):
    """Shorts of one market as winners at a price, tiers by rising leverage."""
    shape = quiet(n_tier=len(notional)).shape
    part = winners(shape, equity=np.array(equity), entry=np.array(entry))
    zero, one = np.zeros(1, int), np.ones((1, len(notional)))
    return standing(
        part, zero, zero + SHORT, zero, np.array([price]), np.array([notional], float), survival * one
    )


def closed_by(policy, notional, need, equity, price=0.9, start=0.0, **where):
    at = shorts_at(price, notional, equity, **where)
    return take(np.array([policy]), at, np.array([float(need)]), np.array([start]))[0]


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        (adl.ADL_PRO_RATA, [7.5, 7.5, 15]),
        (adl.ADL_QUEUE, [0, 0, 30]),
        (adl.ADL_QUEUE_HYPERLIQUID, [0, 0, 30]),
        # Profit over equity at -10%: 9.1%, 16.7%, 50%; 4.55 of the first, then the same share of the rest.
        (adl.ADL_CAPPED_PRO_RATA, [50 / 11, 25 / 3, 100 * (30 - 50 / 11 - 25 / 3) / 100]),
        # Leverage .82, 1.5 and 4.5; cut to 3.15 the last tier gives 30.
        (adl.ADL_LEVERAGE_WATERFILL, [0, 0, 30]),
        # From 80% of the list of 200 on: all in the last tier.
        (adl.ADL_RANDOM_START, [0, 0, 30]),
    ],
)  # fmt: skip
def test_take_by_hand(policy, taken):
    """Known answer 6: 30 against winners of 50, 50 and 100, at 1x, 2x and 10x."""
    assert closed_by(policy, [50, 50, 100], 30, [1.0, 0.5, 0.1], start=0.8) == pytest.approx(taken)


def test_queue_goes_on_to_the_next_tier():
    assert queue(np.array([[50.0, 50, 100]]), np.array([[170.0]]), np.arange(3)[None])[0] == pytest.approx(
        [20, 50, 100]
    )


def test_the_two_queues_differ_where_winners_entered_at_different_prices():
    """At .9, a 2x short from 1.5 and a 3x short from 1: Binance looks at profit over collateral, Hyperliquid
    at price gain and leverage. The first has made .6 on a collateral of .05, the second .1 on 1/3."""
    who = {"notional": [50, 50], "need": 30, "equity": [0.55, 1 / 3]}
    assert closed_by(adl.ADL_QUEUE, entry=[1.5, 1.0], **who) == pytest.approx([30, 0])
    # 1.5/.9 x .9/.65 = 2.31 and 1/.9 x .9/.4333 = 2.31: just below and above with these entries.
    assert closed_by(adl.ADL_QUEUE_HYPERLIQUID, entry=[1.45, 1.0], **who) == pytest.approx([0, 30])
    assert closed_by(adl.ADL_QUEUE, entry=[1.45, 1.0], **who) == pytest.approx([30, 0])


def test_only_winners_in_profit_are_closed():
    """Shorts from .8 lose at .9, whatever their leverage."""
    at = shorts_at(0.9, [50, 50], [1.0, 0.5], entry=[1.0, 0.8])
    assert at.notional[0] == pytest.approx([50, 0])


def test_capped_by_hand():
    """Caps of 10%, 50% and 100% of 100 each, 100 needed: 10, 45 and 45; of 150 needed 10, 50, 90."""
    for need, taken in ((100, [10, 45, 45]), (150, [10, 50, 90])):
        given = capped(np.full((1, 3), 100.0), np.array([[need]]), np.array([[0.1, 0.5, 1.0]]))
        assert given[0] == pytest.approx(taken)


def test_waterfill_by_hand():
    """100 each at 2x, 5x and 10x, 70 needed: both above come down to 4.3333x, from 5x by 13.3%."""
    given = waterfill(np.full((1, 3), 100.0), np.array([[70.0]]), np.array([[2.0, 5, 10]]))[0]
    assert given == pytest.approx([0, 100 * (1 - 13 / 15), 100 * (1 - 13 / 30)])


def test_walk_goes_round():
    assert walk(np.array([[50.0, 50, 100]]), np.array([[60.0]]), np.array([[170.0]]))[0] == pytest.approx(
        [30, 0, 30]
    )


many = st.lists(st.floats(0.01, 1e9), min_size=1, max_size=8)


@given(many, st.floats(0, 1), st.sampled_from(POLICIES), st.floats(0, 0.999), st.floats(0.3, 0.999))
def test_take_conserves(notional, share, policy, start, price):
    at = shorts_at(price, notional, 1 / np.arange(1, len(notional) + 1))
    policy = np.array([policy])
    most = (room(policy, at) * at.notional).sum()
    taken = take(policy, at, np.array([share * most]), np.array([start]))
    assert taken.sum() == pytest.approx(share * most, rel=1e-9, abs=1e-6)
    assert np.all(taken >= -1e-6)
    assert np.all(taken <= at.notional * (1 + 1e-9))


@given(many, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.3, 0.99))
def test_waterfill_does_not_depend_on_the_way(notional, first, second, price):
    """Two cuts of the same market at one price leave what one cut of their sum leaves."""
    total, equity = sum(notional), 1 / np.arange(1, len(notional) + 1)
    once = closed_by(adl.ADL_LEVERAGE_WATERFILL, notional, (first + second) * total, equity, price)
    cut = closed_by(adl.ADL_LEVERAGE_WATERFILL, notional, first * total, equity, price)
    left = np.array(notional) - cut
    again = closed_by(
        adl.ADL_LEVERAGE_WATERFILL, left, second * total, equity, price, survival=left / np.array(notional)
    )
    assert cut + again == pytest.approx(once, rel=1e-6, abs=1e-6 * total)


def test_random_starts_are_even_and_their_own():
    starts = start_of_list(7, np.arange(4000), 3, 2)
    assert starts.shape == (4000, 2)
    assert starts.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)
    assert abs(np.corrcoef(starts.T)[0, 1]) < 0.06
    assert not np.array_equal(starts, start_of_list(7, np.arange(4000), 4, 2))


@pytest.mark.parametrize(
    ("policy", "fund", "peak", "on"),
    [
        (ADL_QUEUE, 0.0, 10.0, True),
        (ADL_QUEUE, 1.0, 10.0, True),  # at the threshold
        (ADL_QUEUE, 3.0, 10.0, False),
        (ADL_PRO_RATA, 7.0, 10.0, False),
        (ADL_NONE, 0.0, 10.0, False),
    ],
)
def test_is_on(policy, fund, peak, on):
    arrays = quiet(adl_policy=policy, adl_below=1.0).arrays
    assert is_on(arrays, funds(fund, peak))[0, 0, 0] == on


def funds(worth, peak, spent=False, **arrays):
    """Funds of one venue as they stand when a step begins."""
    made = Funds(quiet(adl_policy=ADL_QUEUE, adl_below=1.0, **arrays), 1)
    made.worth[:], made.peaks[..., 0], made.spent[:] = worth, peak, spent
    return made


def test_a_fund_that_was_spent_turns_it_on_whatever_came_in_since():
    arrays = quiet(adl_policy=ADL_QUEUE, adl_below=1.0).arrays
    assert is_on(arrays, funds(5.0, 10.0, spent=True))[0, 0, 0]


def test_is_on_after_a_drawdown_of_the_running_peak():
    arrays = quiet(adl_policy=ADL_QUEUE, adl_drawdown=0.3).arrays
    assert [is_on(arrays, funds(worth, 100.0))[0, 0, 0] for worth in (70.0, 72.0)] == [True, False]


def losers(policy=ADL_PRO_RATA, side=LONG, winners=200.0, margin=0.08, **changes):
    notional = np.zeros((1, 2, 1, 1))
    notional[0, side], notional[0, 1 - side] = 30 * UNIT, winners * UNIT
    return quiet(
        adl_policy=policy, tier_notional=notional, forced={(0, side, 0, 0, 0): mass(30 * UNIT, margin, side)},
        **changes,
    )  # fmt: skip


@given(st.floats(-0.6, 0.6), st.floats(0.0, 0.4), st.floats(1, 100), st.floats(0.02, 0.2))
def test_close_conserves(mark, frontier, winners, margin):
    side = LONG if mark < 0 else SHORT
    scenario = losers(side=side, winners=winners, margin=margin)
    zero = np.zeros(1, int)
    which, closed = close(
        scenario.arrays,
        scenario.parts.adl,
        zero,
        zero,
        np.array([mark]),
        np.zeros((1, 2, 1)),
        np.full((1, 2), frontier),
        np.ones((1, 2, 1)),
        np.zeros(1),
    )
    assert which[0] == side
    assert closed.taken.sum() == pytest.approx(closed.notional.sum(), abs=2.0)
    assert closed.notional.sum() <= min(30, winners) * UNIT * (1 + 1e-9)
    assert 0 <= closed.executed[0, 0] <= frontier + 1e-12
    assert np.all(closed.deficit >= 0)
    assert closed.survival[0, 0] == pytest.approx(1 - closed.taken.sum() / (winners * UNIT))
    loss = abs(np.expm1(mark)) * closed.notional.sum()
    assert closed.margin.sum() + closed.deficit.sum() == pytest.approx(
        max(loss, closed.margin.sum()), rel=1e-6, abs=1
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_shorts_are_closed_against_longs(engine):
    """The mirror image: 30 shorts with k .08, mark 1.10: forgone .60, closed at 1.08."""
    done = simulate(engine, losers(side=SHORT, shock=np.log(1.10)))
    assert done.loss[0, 4, 0, 0] / UNIT == pytest.approx(0.6, abs=1e-5)
    assert done.liquidated[0, 0, 0, 1] / UNIT == pytest.approx(30 * 1.08, rel=1e-6)
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(30, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_enough_winners_the_rest_goes_to_the_book(engine):
    done = simulate(engine, losers(shock=np.log(0.90), winners=12.0, depth=1e18))
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(12, rel=1e-4)
    assert done.liquidated_coins[0, 0, 0] / UNIT == pytest.approx(30, rel=1e-5)
    # The rest is filled at .90 with k .08, and no fund pays: .02 of 18 is bad debt.
    assert done.loss[0, 4, 0, 0] / UNIT + done.loss[0, 5, 0, 0] / UNIT == pytest.approx(0.6, rel=1e-4)
    assert done.loss[0, 3, 0, 0] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fund_first_spent_turns_it_on_for_the_next_step(engine):
    """Step 1 spends the fund on the book; the bankrupt of step 2 are closed against winners."""
    table = uniform(30 * UNIT * 16, 1 / 16, 2 / 16) + uniform(30 * UNIT * 4, 1 / 4, 2 / 4)
    notional = np.full((1, 2, 1, 1), 200 * UNIT)
    scenario = quiet(
        n_step=2, depth=1e18, adl_policy=ADL_QUEUE, fund=0.1 * UNIT, tier_notional=notional,
        shock=[[-0.2], [-0.5]], forced={(0, LONG, 0, 0, 0): table},
    )  # fmt: skip
    done = simulate(engine, scenario)
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(30, rel=1e-5)
    assert done.loss[0, 3, 0, 0] / UNIT == pytest.approx(0.1, rel=1e-6)
    assert done.loss[0, 5, 0, 0] > 0
    assert done.exhaustion_time[0, 0] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_fees_of_the_step_that_spent_the_fund_do_not_turn_it_off(engine):
    """Maintenance of 5%: a fall of 10% leaves some bankrupt and some with a fee to pay; then the rest go."""
    scenario = quiet(
        n_step=2, depth=1e18, adl_policy=ADL_QUEUE, fund=0.1 * UNIT, fee_rate=0.05, surplus_share=1.0,
        group_rate=0.05, tier_notional=np.full((1, 2, 1, 1), 200 * UNIT), shock=[[-0.1], [-0.6]],
        forced={(0, LONG, 0, 0, 0): uniform(30 * UNIT * 8, 1 / 64, 1 / 4)},
    )  # fmt: skip
    done = simulate(engine, scenario)
    assert done.exhaustion_time[0, 0] == 1
    assert done.loss[0, 6, 0, 0] > 0
    assert done.adl_notional[0, 0, 0] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_too_few_winners_are_all_closed(engine):
    """Bankrupt 30, winners 10, and rungs that close and live on in between: 10 are closed, no less."""
    forced = {
        (0, LONG, 0, 0, 0): uniform(30 * UNIT * 8, 1 / 16, 3 / 16),
        (0, LONG, 1, 0, 0): uniform(300 * UNIT * 8, 1 / 16, 3 / 16),
    }
    notional = np.full((1, 2, 1, 1), 10 * UNIT)
    partial = np.zeros((1, 2, 2, 1), bool)
    partial[:, :, 1] = True
    scenario = quiet(
        n_step=1, n_group=2, depth=1e18, adl_policy=ADL_PRO_RATA, tier_notional=notional, shock=[[-0.5]],
        forced=forced, group_partial=partial,
    )  # fmt: skip
    done = simulate(engine, scenario)
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(10, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_deleveraged_winners_are_not_forced_later(engine):
    """All shorts are closed against bankrupt longs at -10%; a rally then finds nobody to force."""
    forced = {(0, LONG, 0, 0, 0): mass(30 * UNIT, 0.05), (0, SHORT, 0, 0, 0): mass(30 * UNIT, 0.2, SHORT)}
    scenario = quiet(n_step=2, adl_policy=ADL_QUEUE, shock=[[-0.1], [0.5]], forced=forced, depth=1e18)
    done = simulate(engine, scenario)
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(30, rel=1e-6)
    assert done.liquidated[0, 0, 0, 1] == pytest.approx(0, abs=1e-4 * UNIT)


@pytest.mark.parametrize("engine", ENGINES)
def test_looking_back(engine):
    """30 closed at .92; the mark is .90, five minutes later .80, after half an hour .95, at the end 1.00."""
    shock = np.zeros((70, 1))
    shock[0], shock[3], shock[20], shock[50] = np.log([0.9, 0.8 / 0.9, 0.95 / 0.8, 1 / 0.95])
    done = simulate(engine, losers(n_step=70, shock=shock, depth=1e18))
    forgone, spared = done.adl_forgone[0, :, 0] / UNIT, done.adl_spared[0, :, 0] / UNIT
    assert list(HORIZONS) == [0, 5, 30, 60]
    assert forgone == pytest.approx([0.6, 3.6, 0, 0], abs=1e-4)
    assert spared == pytest.approx([0, 0, 0.9, 2.4], abs=1e-4)
    assert done.adl_overshoot[0, :, 0] / UNIT == pytest.approx([0, 3.0, 0, 0], abs=1e-4)
    assert done.adl_forgone[0, :, 1] == pytest.approx(done.adl_forgone[0, :, 0])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_ends_before_the_horizon_is_looked_back_at_from_its_end(engine):
    done = simulate(engine, losers(n_step=3, shock=[[np.log(0.9)], [0.0], [np.log(0.8 / 0.9)]], depth=1e18))
    assert done.adl_forgone[0, :, 0] / UNIT == pytest.approx([0.6, 3.6, 3.6, 3.6], abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_at_the_mark_winners_forgo_nothing_and_the_fund_pays(engine):
    """30 bankrupt at .92, mark .90: the .60 comes out of a fund of .50, and .10 is bad debt."""
    scenario = losers(shock=np.log(0.90), fund=0.5 * UNIT, adl_below=UNIT, depth=1e18)
    scenario = with_parts(scenario, adl=winners(scenario.shape, at_mark=1))
    done = simulate(engine, scenario)
    paid = dict(zip(COMPONENTS, done.loss[0, :, 0, 0] / UNIT, strict=True))
    assert (paid["adl"], paid["deficit"]) == pytest.approx((0.0, 0.6), abs=1e-4)
    assert (paid["fund_draw"], paid["bad_debt"]) == pytest.approx((0.5, 0.1), abs=1e-4)
    assert done.adl_forgone[0, 0, 0] == pytest.approx(0)
    assert done.adl_notional[0, 0, 0] / UNIT == pytest.approx(30, rel=1e-6)
    assert done.liquidated[0, 0, 0, 0] / UNIT == pytest.approx(27, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_hedges_lost(engine):
    """Of winners of 200, 150 are never forced: three quarters of what is closed were hedges."""
    scenario = losers(shock=np.log(0.90), depth=1e18)
    scenario = with_parts(scenario, adl=winners(scenario.shape, hedged=150 * UNIT))
    done = simulate(engine, scenario)
    assert done.adl_hedged[0] / UNIT == pytest.approx([22.5, 22.5], rel=1e-5)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("side", [LONG, SHORT])
def test_engines_agree_on_who_is_closed(policy, side):
    """Tiers with entries and profits of their own, one of them at a loss; both engines take from the same."""
    shape = (1, 2, 1, 4)
    notional = np.broadcast_to(np.array([40.0, 30, 60, 20]) * UNIT, shape).copy()
    notional[0, side] = [30 * UNIT, 0, 0, 0]
    shock = np.log(0.9 if side == LONG else 1.1)
    scenario = quiet(
        n_tier=4, shock=shock, adl_policy=policy, tier_notional=notional, depth=1e18,
        forced={(0, side, 0, 0, 0): mass(30 * UNIT, 0.04, side)},
    )  # fmt: skip
    sign = 1 if side == LONG else -1
    part = winners(
        scenario.shape, equity=np.array([2, 1.5, 1, 0.5]), entry=1 + sign * np.array([0, 0.2, 0.1, -0.2])
    )
    scenario = with_parts(scenario, adl=part)
    one, other = (simulate(engine, scenario, seed=5, count=3) for engine in ENGINES)
    assert one.adl_notional == pytest.approx(other.adl_notional, rel=1e-5, abs=1.0)
    assert one.adl_notional[:, 0, 3] == pytest.approx(0)
    assert one.adl_notional[:, 0, -1].min() > UNIT


def test_scenario_without_parts_still_runs():
    scenario = replaced(quiet(), adl_policy=np.zeros(1, np.int32))
    assert simulate("numpy", with_parts(scenario, adl=None)).status[0] == 0

"""Auto-deleveraging: who closes whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.adl.step_numpy import close, is_on, take
from kernels.scenario import ADL_NONE, ADL_PRO_RATA, ADL_QUEUE
from tests.scenarios import ENGINES, LONG, SHORT, mass, quiet, simulate, uniform

UNIT = 2.0**20


@pytest.mark.parametrize(
    ("policy", "taken"), [(ADL_PRO_RATA, [7.5, 7.5, 15]), (ADL_QUEUE, [0, 0, 30])], ids=["pro rata", "queue"]
)
def test_take_by_hand(policy, taken):
    """Known answer 6: 30 against winners of 50, 50 and 100, tiers by rising leverage."""
    assert take(np.array([policy]), np.array([[50.0, 50, 100]]), np.array([30.0]))[0] == pytest.approx(taken)


def test_queue_goes_on_to_the_next_tier():
    assert take(np.array([ADL_QUEUE]), np.array([[50.0, 50, 100]]), np.array([170.0]))[0] == pytest.approx(
        [20, 50, 100]
    )


@given(
    st.lists(st.floats(0, 1e9), min_size=1, max_size=8),
    st.floats(0, 1),
    st.sampled_from([ADL_QUEUE, ADL_PRO_RATA]),
)
def test_take_conserves(winners, share, policy):
    winners = np.array([winners])
    need = share * winners.sum()
    taken = take(np.array([policy]), winners, np.array([need]))
    assert taken.sum() == pytest.approx(need, rel=1e-9, abs=1e-6)
    assert np.all(taken >= 0)
    assert np.all(taken <= winners * (1 + 1e-9))


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
    assert is_on(arrays, np.array([fund]), np.array([peak]), np.array([False]))[0] == on


def test_a_fund_that_was_spent_turns_it_on_whatever_came_in_since():
    arrays = quiet(adl_policy=ADL_QUEUE, adl_below=1.0).arrays
    assert is_on(arrays, np.array([5.0]), np.array([10.0]), np.array([True]))[0]


def test_is_on_after_a_drawdown_of_the_running_peak():
    arrays = quiet(adl_policy=ADL_QUEUE, adl_drawdown=0.3).arrays
    fund, peak, spent = np.array([[70.0], [72.0]]), np.full((2, 1), 100.0), np.zeros((2, 1), bool)
    assert list(is_on(arrays, fund, peak, spent)[:, 0]) == [True, False]


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
    arrays = losers(side=side, winners=winners, margin=margin).arrays
    zero = np.zeros(1, int)
    which, closed = close(
        arrays,
        zero,
        zero,
        np.array([mark]),
        np.zeros((1, 2, 1)),
        np.full((1, 2), frontier),
        np.ones((1, 2, 1)),
    )
    assert which[0] == side
    assert closed.taken.sum() == pytest.approx(closed.notional.sum(), abs=2.0)
    assert closed.notional.sum() <= min(30, winners) * UNIT * (1 + 1e-9)
    assert 0 <= closed.executed[0, 0] <= frontier + 1e-12
    assert np.all(closed.forgone >= 0)
    assert closed.survival[0, 0] == pytest.approx(1 - closed.taken.sum() / (winners * UNIT))
    loss = abs(np.expm1(mark)) * closed.notional.sum()
    assert closed.margin.sum() + closed.forgone.sum() == pytest.approx(
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

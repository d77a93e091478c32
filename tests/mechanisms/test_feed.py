"""Feeds that are wrong or late."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mechanisms.feed import Feed
from kernels.mechanisms.feed.step_numpy import error, shown, stale
from kernels.outcome import CHANNELS
from stress.compile import compile_config
from stress.config import load
from tests.mechanisms.test_account import random_scenario
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.parity.variants import CONFIGS
from tests.scenarios import ENGINES, LONG, SHORT, marking, mass, quiet, simulate, uniform, with_parts


def feeds(scenario, steps, wrong=0.0, late=False, lag=0):
    """Feeds with an error [candidate, asset, venue], that are late or by `lag` steps behind in some steps."""
    shape = scenario.shape
    size = (shape.n_asset, shape.n_venue)
    row = np.array([int(n in steps) for n in range(shape.n_step)], np.int32)
    levels, still = np.zeros((2, 3, *size)), np.zeros((2, *size), np.int32)
    behind = np.zeros_like(still)
    levels[1], still[1], behind[1] = wrong, late, lag
    any_error = np.array([0, int(np.any(wrong))], np.int32)
    part = Feed(row=row, wrong=any_error, error=levels, stale=still, lag=behind)
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


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lagging_mark_by_hand(engine):
    """A price of 2%, 4%, 3% down in log and two steps of lag: 2% are forced in step 3, 4% in the end."""
    for n_step, forced in ((1, 0.0), (2, 0.0), (3, 0.02), (4, 0.04), (6, 0.04)):
        shock = np.zeros((n_step, 1))
        shock[:3, 0] = [-0.02, -0.02, 0.01][:n_step]
        scenario = quiet(n_step=n_step, shock=shock, depth=1e12, forced={(0, LONG, 0, 0, 0): uniform(1e8)})
        found = simulate(engine, feeds(scenario, set(range(n_step)), lag=2))
        assert found.liquidated_coins[0, 0, 0] == pytest.approx(1e8 * forced, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lagging_mark_follows_no_cascade_of_its_own_step(engine):
    """What is forced moves the book by as much again; the mark sees it a step later, and then forces more."""
    depth = 1e8
    forced = {(0, LONG, 0, 0, 0): uniform(0.5 * depth / 0.01)}
    shock = np.array([[-0.01], [0.0], [0.0]])
    scenario = quiet(n_step=3, depth=depth, shock=shock, forced=forced)
    on_time, late = simulate(engine, scenario), simulate(engine, feeds(scenario, {0, 1, 2}, lag=1))
    assert on_time.liquidated_coins[0, 0, 0] == pytest.approx(1e8, rel=2e-2)
    # Half of 1%, and then half of the 0.5% that it has moved the price by.
    assert late.liquidated_coins[0, 0, 0] == pytest.approx(0.75e8, rel=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lag_that_ends_shows_everything_at_once(engine):
    """Behind in steps 1 and 2 only: the fall of step 1 is seen in step 3, as by a mark that stood still."""
    for n_step, forced in ((3, 0.0), (4, 1e6)):
        shock = np.zeros((n_step, 1))
        shock[1] = -0.1
        scenario = quiet(n_step=n_step, shock=shock, depth=1e12, forced={(0, LONG, 0, 0, 0): mass(1e6, 0.05)})
        outcome = simulate(engine, feeds(scenario, {1, 2}, lag=3))
        assert outcome.liquidated_coins[0, 0, 0] == pytest.approx(forced, rel=1e-6)


def test_marks_of_earlier_steps():
    """Of three remembered, step 4's lag of two is step 2; before the start it is the start's."""
    past = np.array([3.0, 4.0, 2.0]).reshape(3, 1, 1, 1)
    assert shown(np.array([[2]]), past, 4).item() == 2.0
    assert shown(np.array([[1]]), past, 4).item() == 3.0
    assert shown(np.array([[3]]), past, 2).item() == 0.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_lag_delays_and_no_more(seed, lag):
    """With a bottomless book, a mark that is behind forces in n + lag steps what one on time does in n."""
    rng = np.random.default_rng(seed)
    shock = np.concatenate([rng.normal(0, 0.03, 5), np.zeros(lag)])[:, None]
    sides = {(0, side, 0, 0, 0): uniform(1e8) for side in (LONG, SHORT)}
    late = quiet(n_step=5 + lag, shock=shock, depth=1e14, forced=sides)
    prompt = quiet(n_step=5, shock=shock[:5], depth=1e14, forced=sides)
    one, other = (
        simulate("numpy", x).liquidated_coins for x in (prompt, feeds(late, set(range(5 + lag)), lag=lag))
    )
    assert other == pytest.approx(one, rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_engines_agree_on_lags(seed):
    """Accounts, both sides, marks of two venues: some behind by up to three steps, some for a while."""
    rng = np.random.default_rng(seed)
    scenario = random_scenario(seed, n_step=10)
    lag = rng.integers(0, 4, (3, 2))
    scenario = feeds(scenario, set(range(rng.integers(0, 3), 8)), wrong=0.01 * (seed % 2), lag=lag)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    on_time = simulate("numpy", with_parts(scenario, feed=None), count=20)
    assert (on_time.liquidated[:, -1, -1, -1] != one.liquidated[:, -1, -1, -1]).all()


def test_lenders_may_be_behind():
    """An oracle two minutes behind: loans are liquidated two minutes later, on venues that are on time."""
    text = (
        "sellers.desk={kind: cefi_loans, sold_on: {beta: 1}, pools: {bitcoin: {collateral: {BTC: 100%}, "
        "margin_call: 80%, half_life: 1s, loans: [{from: 60%, to: 79%, amount: $2B}]}}}"
    )
    shock = "{kind: price_shock, at: 2m, over: 1m, size: -6%}"
    channel, sold = CHANNELS.index("cefi_loan"), {}
    for horizon in (3, 4, 5, 6):
        for lag in ("", ", {kind: lagging_feed, at: 0s, over: 3m, lag: 2m, venues: [desk]}"):
            still = [f"assets.{a}.volatility=0.0001%" for a in ("BTC", "ETH")]
            changes = [text, f"overlays=[{shock}{lag}]", f"run.horizon={horizon}m", *still]
            scenario = compile_config(load(CONFIGS / "small.yaml", changes))
            sold[horizon, lag != ""] = simulate("numpy", scenario, count=1).sold_by[0, channel]
    assert sold[3, False] > 1e6
    assert sold[3, True] == 0
    # Not behind any more from step 3 on: what it saw on time then is the price two minutes after the news.
    assert sold[4, True] > 1e6

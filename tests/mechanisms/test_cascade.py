"""The cascade: rounds of forced flow in one step."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import outcome
from kernels.mechanisms.cascade import MAX_ROUNDS, TOLERANCE, step_numpy
from kernels.mechanisms.cascade.step_numpy import run
from kernels.mechanisms.mark.step_numpy import Marks
from tests.scenarios import ENGINES, LIMIT, LONG, SHORT, mass, quiet, simulate, uniform

DEPTH = 1e8


def cascade(scenario, shock, limit=np.inf, monitoring=0.0, q=0.0):
    """The cascade of the only asset after a log shock, from rest unless `q` says otherwise."""
    arrays, n_venue = scenario.arrays, scenario.shape.n_venue
    frontier = np.maximum(np.array([-shock, shock])[:, None] + monitoring, 0) * np.ones((1, 1, n_venue))
    return run(
        arrays, np.array([0]), Marks(arrays.mark_weight), np.array([shock]), np.full((1, n_venue), q),
        arrays.depth, frontier,
        np.zeros((1, 2, n_venue)), np.full((1, 2, n_venue), limit),
        np.ones((1, 2, n_venue, scenario.shape.n_tier)), np.full((1, 2, n_venue), monitoring),
        np.zeros((1, n_venue)),
    )  # fmt: skip


def linear(gain, **changes):
    return quiet(depth=DEPTH, forced={(0, LONG, 0, 0, 0): uniform(gain * DEPTH * 100)}, **changes)


def test_rounds_of_a_linear_market_are_a_geometric_series():
    """kr .5, shock 4%: flows of 2, 1, .5, ... depths, jumps ahead never past their sum of 4."""
    end = cascade(linear(0.5), -0.04)
    flow = end.flow[0, LONG, 0] / DEPTH
    assert end.first[0] == pytest.approx(2 * DEPTH)
    assert end.converged[0]
    assert 4 * (1 - 0.5 ** end.rounds[0]) - 1e-9 <= flow <= 4 + 1e-9
    assert flow >= 4 - TOLERANCE
    assert end.q[0, 0] == pytest.approx(-flow)


def test_permanent_impact_moves_the_fundamental_of_all_venues():
    """One depth sold at one venue; a tenth of a percent stays for both."""
    forced = {(0, LONG, 0, 0, 0): mass(DEPTH, 0.02)}
    scenario = quiet(n_venue=2, depth=DEPTH, permanent=0.001 / DEPTH, forced=forced)
    end = cascade(scenario, -0.05)
    assert end.fundamental[0] == pytest.approx(-0.051)
    assert end.q[0] == pytest.approx([-1.0, 0.0])


@given(st.floats(0.01, 2.0), st.floats(0.001, 0.2), st.floats(0.1, 1.0), st.floats(0.01, 20))
@settings(max_examples=50)
def test_flow_is_bounded_and_accounted_for(gain, shock, alpha, limit):
    end = cascade(linear(gain, alpha=alpha), -shock, limit * DEPTH)
    flow, wanted = end.flow[0, LONG, 0], end.wanted[0, LONG, 0]
    assert 0 <= flow <= min(limit * DEPTH, wanted)
    assert flow >= end.first[0] - 1e-6
    assert end.q[0, 0] == pytest.approx(-flow / DEPTH)
    assert end.rounds[0] <= MAX_ROUNDS
    assert end.frontier[0, LONG, 0] >= shock


@given(
    st.tuples(st.floats(0.1, 3.0), st.floats(0.1, 3.0)),
    st.floats(0.005, 0.1),
    st.floats(0.2, 1.5),
    st.floats(-0.05, 0.05),
    st.sampled_from([LONG, SHORT]),
)
@settings(max_examples=80, deadline=None)
def test_jumps_stay_below_what_plain_rounds_reach(gain, shock, alpha, q, side):
    """Books that stiffen and that give way, at rest or displaced either way; marks of two venues."""
    forced = {(0, side, 0, v, 0): uniform(gain[v] * DEPTH * 100) for v in range(2)}
    weight = np.array([[[0.8, 0.2], [0.4, 0.6]]])
    scenario = quiet(n_venue=2, depth=DEPTH, alpha=alpha, band=0.8, mark_weight=weight, forced=forced)
    start = -shock if side == LONG else shock
    end = cascade(scenario, start, 15 * DEPTH, q=q)
    with mock.patch.multiple(step_numpy, FIRST_JUMP=10**9, MAX_ROUNDS=10**5, TOLERANCE=1e-10):
        limit = cascade(scenario, start, 15 * DEPTH, q=q)
    assert limit.converged[0]
    assert (end.flow <= limit.flow * (1 + 1e-9) + 1e-3).all()
    assert (end.frontier <= limit.frontier + 1e-9).all()


@given(st.floats(0.01, 1.0), st.floats(0.001, 0.2), st.floats(0.1, 1.0))
@settings(max_examples=50)
def test_mirror(gain, shock, alpha):
    """Shorts in a rally as longs in a crash."""
    falling = cascade(linear(gain, alpha=alpha), -shock)
    short = quiet(depth=DEPTH, alpha=alpha, forced={(0, SHORT, 0, 0, 0): uniform(gain * DEPTH * 100)})
    rising = cascade(short, shock)
    assert np.array_equal(rising.flow[0, ::-1], falling.flow[0])
    assert np.array_equal(rising.frontier[0, ::-1], falling.frontier[0])
    assert np.array_equal(rising.q, -falling.q)


def test_both_sides_meet_in_one_book():
    """Three depths sold and one bought: the net of two moves the price."""
    forced = {(0, LONG, 0, 0, 0): mass(3 * DEPTH, 0.01), (0, SHORT, 0, 0, 0): mass(DEPTH, 0.01, SHORT)}
    end = cascade(quiet(depth=DEPTH, forced=forced), 0.0, monitoring=0.05)
    assert end.flow[0, :, 0] == pytest.approx([3 * DEPTH, DEPTH])
    assert end.q[0, 0] == pytest.approx(-2.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_mixed_steps_are_counted(engine):
    forced = {(0, LONG, 0, 0, 0): mass(3 * DEPTH, 0.01), (0, SHORT, 0, 0, 0): mass(DEPTH, 0.01, SHORT)}
    scenario = quiet(depth=DEPTH, volatility=1e-9, monitoring=5e7, forced=forced)
    done = simulate(engine, scenario)
    counters = dict(zip(outcome.COUNTERS, done.batch.counters, strict=True))
    assert counters["mixed"] == counters["active"] == 1
    assert done.liquidated_coins[0, 0, 0] == pytest.approx(4 * DEPTH, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cut_cascade_is_carried_on(engine):
    """kr just below one needs more rounds than the cap: the path says so, and the next step goes on."""
    scenario = linear(0.995, n_step=1, shock=-0.02)
    done = simulate(engine, scenario)
    assert done.status[0] & outcome.UNCONVERGED
    longer = linear(0.995, n_step=12, shock=np.append(-0.02, np.zeros(11))[:, None])
    fall = -100 * np.log1p(-simulate(engine, longer).fall[0, 0, 0])
    assert fall == pytest.approx(-100 * np.log1p(-simulate(LIMIT, scenario).fall[0, 0, 0]), rel=0.01)
    assert fall > -100 * np.log1p(-done.fall[0, 0, 0])


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_in_the_way(engine):
    done = simulate(engine, quiet(shock=-0.05, forced={(0, LONG, 0, 0, 0): uniform(1e9, 0.25, 0.5)}))
    assert done.liquidated[0, -1, -1, -1] == 0
    assert done.fall[0, 0, 0] == pytest.approx(-np.expm1(-0.05), rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_assets_do_not_touch_each_other(engine):
    """The same market beside others has the same cascade."""
    forced = {(1, LONG, 0, 0, 0): uniform(0.5 * DEPTH * 100)}
    done = simulate(engine, quiet(n_asset=3, depth=DEPTH, shock=[[0, -0.04, 0]], forced=forced))
    alone = simulate(engine, linear(0.5, shock=-0.04))
    assert np.array_equal(done.fall[0, :, 0], [0, alone.fall[0, 0, 0], 0])
    ratio = alone.branching_ratio[0, 0]
    assert np.array_equal(done.branching_ratio[0], [0, ratio, 0, ratio])


def test_an_index_that_falls_past_the_table_is_recorded_alike():
    """The mark ends beyond the last edge of the distance table, 98% down, with books moved in every step."""
    scenario = quiet(
        n_step=3, depth=1e9, refill=0.9, shock=[[-2.0], [-2.2], [-0.3]],
        forced={(0, LONG, 0, 0, 0): uniform(1e8, 1 / 4, 4.0)},
    )  # fmt: skip
    falls = [simulate(engine, scenario).index_fall[0, 0] for engine in ("numpy", "cpu")]
    assert falls[0] > 0.985
    assert falls[1] == pytest.approx(falls[0], abs=1e-5)

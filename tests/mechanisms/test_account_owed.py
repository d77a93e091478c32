"""Accounts that pay funding and feel raised margins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mechanisms.account.step_numpy import in_force, reached
from kernels.mechanisms.overlay import MarginRaise
from kernels.outcome import EXHAUSTED
from kernels.parts.table.table_numpy import EDGES
from kernels.state import initial
from tests.accounts import accounts, long_portfolio
from tests.mechanisms.test_account import COIN_MARGINED, ONE, random_scenario
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import DEEP, ENGINES, LONG, funded, quiet, simulate, with_parts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("weights", "owed"), [([0.5, 0.5], 0.02), ([0.75, -0.25], 0.01), ([0.5, -0.5], 0.0)])
def test_portfolios_pay_funding(engine, weights, owed):
    """Longs pay 1% a step, twice, and shorts receive it: who has margin for no more than the rest goes."""
    market = quiet(n_step=3, n_asset=2, depth=DEEP)
    scenario = accounts(market, forced={(0, 0, 0): 100 * ONE * EDGES}, **long_portfolio(weights))
    found = simulate(engine, funded(scenario, 0.01))
    assert found.liquidated_coins[0, 0, -1] == pytest.approx(100 * ONE * owed, rel=1e-4)
    # The first half of them goes after one payment, and has lost that; the others have lost two.
    assert found.loss[0, 0, 0, 0] == pytest.approx(100 * ONE * owed * owed * 0.75, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_inverse_contracts_pay_on_their_face(engine):
    """At a price of .8 and 1% a step, two payments are 2% of the face: z = (1 + .01 + .02 - .8) / .8."""
    scenario = accounts(
        quiet(n_step=3, depth=DEEP, shock=[[np.log(0.8)], [0.0], [0.0]]), inverse=1.0, legs=1.0,
        forced={(0, 0, 0): 100 * ONE * EDGES}, **COIN_MARGINED,
    )  # fmt: skip
    found = simulate(engine, funded(scenario, 0.01))
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(100 * ONE * (0.23 / 0.8 - 0.01), rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_has_been_paid_is_lost(engine):
    """Longs of 100 with up to 6% of margin pay 2% and are closed at .90: they lose 12."""
    index = np.searchsorted(EDGES, 0.06)
    table = 100 * ONE * (EDGES[index] <= EDGES)
    market = quiet(n_step=3, depth=DEEP, shock=[[0.0], [0.0], [np.log(0.9)]])
    scenario = accounts(market, forced={(0, 0, 0): table}, **long_portfolio([1.0]))
    found = simulate(engine, funded(scenario, [0.01, 0.01, 0.0]))
    margin = (EDGES[index - 1] + EDGES[index]) / 2
    lost = [12, 100 * margin, 12 - 100 * margin]
    assert found.loss[0, :3, 0, 0] / ONE == pytest.approx(lost, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_accounts_that_have_left_pay_no_more(engine):
    """Of 100 half are accounts, who are closed in full: 50 are open from then on."""
    scenario = accounts(
        quiet(n_step=3, depth=DEEP, shock=[[np.log(0.9)], [0.0], [0.0]]),
        forced={(0, 0, 0): 50 * ONE * (EDGES >= 0.05)}, **long_portfolio([1.0]),
    )  # fmt: skip
    found = simulate(engine, funded(scenario, 0.001, open_interest=100 * ONE))
    assert found.funding[0, 0, LONG] == pytest.approx(3 * 50 * ONE * 0.9 * 0.001, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("inverse", [False, True])
def test_raised_margins_reach_accounts(engine, inverse):
    """Four points more of maintenance, on notional at .95, or on the face of inverse contracts."""
    terms = COIN_MARGINED | {"legs": 1.0} if inverse else long_portfolio([1.0], 0.01)
    scenario = accounts(
        quiet(n_step=2, depth=DEEP, shock=[[np.log(0.95)], [0.0]]), inverse=inverse,
        forced={(0, 0, 0): 100 * ONE * EDGES}, **terms,
    )  # fmt: skip
    raised = MarginRaise(
        np.array([0, 1], np.int32), np.zeros((2, 1, 2, 1)), np.array([0.0, 0.04]).reshape(2, 1, 1)
    )
    found = simulate(engine, with_parts(scenario, margin_raise=raised))
    need = (0.05 + 0.05) / 0.95 if inverse else 0.05 + 0.05 * 0.95
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(100 * ONE * (need - 0.01), rel=1e-4)


def owing(seed, **changes):
    """A random scenario in which funding of both signs is paid, and margins are raised on the way."""
    rng = np.random.default_rng(seed)
    scenario = random_scenario(seed, **changes)
    n, a, v = scenario.shape.n_step, scenario.shape.n_asset, scenario.shape.n_venue
    rate = rng.uniform(0, 0.02, (3, a, v)) * np.array([0, 1, 0.5])[:, None, None]
    raised = MarginRaise((np.arange(n) * 3 // n).astype(np.int32), np.zeros((3, a, 2, v)), rate)
    scenario = funded(scenario, rng.normal(0, 0.01, n), interest=0.002, clamp=0.001, cap=0.02)
    part = replace(scenario.parts.account, inverse=rng.integers(0, 2, (2, v)).astype(float))
    return with_parts(scenario, margin_raise=raised, account=part)


@pytest.mark.parametrize("seed", range(8))
def test_engines_agree_on_what_is_owed(seed):
    scenario = owing(seed, adl_policy=seed % 3)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.funding[:, -1].min() > 0
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    # A last bit may decide whether one more round is worth it: a path may differ by what rounds tolerate.
    explained = steep(one, other)
    assert np.count_nonzero(worst[~explained] >= TOLERANCE) <= 1
    assert (worst[~explained] < 10 * TOLERANCE).all()
    without = simulate("numpy", with_parts(scenario, funding=None, margin_raise=None), count=20)
    assert (without.liquidated[:, -1, -1, -1] != one.liquidated[:, -1, -1, -1]).all()


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_owing_less_is_never_nearer(seed, factor):
    """From equal states: less paid and less asked brings no long portfolio further."""
    rng = np.random.default_rng(seed)
    scenario = accounts(quiet(n_asset=2), **long_portfolio(rng.dirichlet([1, 1]), 0.02))
    price = np.exp(rng.normal(0, 0.2, (1, 1, 2, 1)))
    paid, rate = rng.uniform(0, 0.3, (1, 2, 1)), rng.uniform(0, 0.3, (1, 2, 1))

    def distance(share):
        raised = MarginRaise(np.zeros(1, np.int32), np.zeros((1, 2, 2, 1)), share * rate)
        state = initial(scenario, 1)
        state.paid = share * paid
        held = in_force(funded(with_parts(scenario, margin_raise=raised)), state, 0)
        return reached(held.parts.account, price)

    assert (distance(factor) <= distance(1.0)).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_money_adds_up_with_what_is_owed(seed):
    found = simulate("numpy", owing(seed, n_step=4, adl_policy=seed % 7), count=4)
    assert (found.status & ~np.uint32(EXHAUSTED) == 0).all()

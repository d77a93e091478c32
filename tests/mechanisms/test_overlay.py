"""Overlays: what is in force in a step, and that both engines obey."""

import numpy as np
import pytest

from kernels.mechanisms.liquidation.step_numpy import threshold_margin
from kernels.mechanisms.overlay import MarginRaise
from kernels.mechanisms.overlay.step_numpy import depth, shock, volatility
from kernels.outcome import CHANNELS
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import GBM
from stress.compile import compile_config
from stress.conditions import conditional_on
from stress.config import load
from stress.config.factor import extended
from tests.parity.variants import CONFIGS
from tests.scenarios import DEEP, ENGINES, LONG, SHORT, mass, quiet, simulate, with_parts


def compiled(*changes):
    return compile_config(load(CONFIGS / "small.yaml", list(changes)))


def test_rows():
    arrays = quiet(n_step=3, n_asset=2, shock=[[0, 0], [-0.01, 0.02], [0, 0]]).arrays.replace(
        volatility_row=np.array([0, 1, 0], np.int32), volatility_level=np.array([[1, 1], [3, 2.0]]),
        depth_row=np.array([0, 0, 1], np.int32), depth_level=np.array([[[1.0], [1]], [[0.5], [1]]]),
    )  # fmt: skip
    assert [list(volatility(arrays, n)) for n in range(3)] == [[1, 1], [3, 2], [1, 1]]
    assert [depth(arrays, n)[0, 0] for n in range(3)] == [1, 1, 0.5]
    assert list(shock(arrays, 1)) == [-0.01, 0.02]


@pytest.mark.parametrize("engine", ENGINES)
def test_shock_is_what_the_exogenous_price_does(engine):
    scenario = quiet(n_step=3, n_asset=2, shock=[[-0.01, 0.02], [-0.02, -0.05], [0.01, 0]])
    outcome = simulate(engine, scenario)
    assert outcome.exogenous_fall[0] == pytest.approx(-np.expm1([-0.03, -0.03]), rel=1e-6)
    assert outcome.index_fall[0] == pytest.approx(-np.expm1([-0.03, -0.03]), rel=1e-6)


def test_news_that_passes_by_hand():
    """-9% over 30 minutes, 45% of it in log price taken back over 40, after 5 minutes; beta 1.4 and 1."""
    change = (
        "overlays=[{kind: price_shock, at: 10m, over: 30m, size: -9%, betas: {ETH: 1.4}, "
        "stays: 5m, recovery: 40m, recovered: 45%}]"
    )
    scenario = compiled("run.horizon=2h", "run.step=60s", change)
    assets, found = list(scenario.shape.assets), scenario.arrays.shock
    for asset, beta in (("BTC", 1.0), ("ETH", 1.4)):
        steps = found[:, assets.index(asset)]
        assert steps[10:40] == pytest.approx(np.full(30, -0.003144 * beta), rel=2e-4)
        assert steps[45:85] == pytest.approx(np.full(40, 0.001061 * beta), rel=2e-4)
        assert np.count_nonzero(steps) == 70
        assert np.exp(steps.sum() / beta) == pytest.approx(0.9495, abs=5e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_volatility_scales_the_draws_of_its_steps(engine):
    """Zero everywhere but in step 2, where the same normal counts once or three times."""
    falls = []
    for factor in (1.0, 3.0):
        scenario = quiet(
            n_step=3, process=GBM, volatility=0.01, shock=[[0], [-1.0], [0]],
            volatility_row=[0, 1, 0], volatility_level=[[0.0]],
        )  # fmt: skip
        arrays = scenario.arrays.replace(volatility_level=np.array([[0.0], [factor]]))
        falls.append(
            simulate(engine, type(scenario)(scenario.shape, arrays), seed=5, count=50).exogenous_fall[:, 0]
        )
    one, three = (np.log1p(-fall) + 1 for fall in falls)
    assert one.std() > 0.005
    assert three == pytest.approx(3 * one, abs=2e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_depth_scales_the_impact(engine, factor):
    scenario = quiet(shock=-0.05, depth=1e8, depth_level=factor, forced={(0, LONG, 0, 0, 0): mass(1e8, 0.02)})
    outcome = simulate(engine, scenario)
    assert -100 * np.log1p(-outcome.fall[0, 0, 0]) == pytest.approx(5 + 1 / factor, rel=1e-5)


FACTORS = (
    "factors={SPX: {name: shares, volatility: 16%, correlations: {BTC: 0.84}}, "
    "USD: {name: dollar, volatility: 7%, correlations: {SPX: -0.5, ETH: -0.2}, betas: {BTC: -3}}}"
)


def shocked(root, event, *more):
    """The small config with one shock on a factor, and no other event."""
    event = f"overlays=[{{kind: price_shock, at: 1m, over: 10m, {event}}}]"
    return compile_config(load(root / "tests/configs/small.yaml", [FACTORS, event, *more]))


def test_a_factor_moves_assets_by_hand(root):
    """Worked in docs/methods/exogenous.md: shares -5%, correlation 0.84, 16% against 45% a year."""
    moved = shocked(root, "factor: SPX, size: -5%").arrays.shock.sum(axis=0)
    assert moved[0] == pytest.approx(-0.121180, abs=5e-7)
    assert np.expm1(moved[0]) == pytest.approx(-0.1141, abs=5e-5)
    # Ether is tied to shares through Bitcoin alone: 0.8 x 0.84.
    assert moved[1] == pytest.approx(np.log(0.95) * 0.8 * 0.84 * 75 / 16)


def test_betas_of_the_event_come_before_those_of_the_factor(root):
    for event, btc in (("", -3), (", betas: {BTC: -2, ETH: 0}", -2)):
        moved = shocked(root, f"factor: USD, size: 1%{event}").arrays.shock.sum(axis=0)
        assert moved[0] == pytest.approx(btc * np.log(1.01))
    assert moved[1] == 0


def test_factors_leave_the_assets_as_they_are(root):
    """What is drawn does not change; the shock is what regression on a drawn factor would say."""
    scenario = shocked(root, "factor: USD, size: 1%")
    without = compile_config(load(root / "tests/configs/small.yaml"))
    assert np.array_equal(scenario.arrays.cholesky, without.arrays.cholesky)
    config = load(root / "tests/configs/small.yaml", [FACTORS])
    whole = extended(config.correlation_matrix(), ("BTC", "ETH"), config.factors)
    cholesky = np.linalg.cholesky(whole)
    assert cholesky[:2, :2] == pytest.approx(without.arrays.cholesky)
    assert whole[0, 2] == pytest.approx(0.84)
    assert whole[1, 2] == pytest.approx(0.8 * 0.84)
    assert whole[3, 1:3] == pytest.approx([-0.2, -0.5])
    draws = np.random.default_rng(3).standard_normal((200_000, 4)) @ cholesky.T
    volatility = np.array([0.45, 0.75, 0.16, 0.07])
    returns = draws * volatility
    beta = (returns[:, 1] * returns[:, 3]).mean() / (returns[:, 3] ** 2).mean()
    moved = scenario.arrays.shock.sum(axis=0)
    assert moved[1] / np.log(1.01) == pytest.approx(beta, abs=0.1)
    # Conditional independence: given what is named, the rest says nothing more.
    precision = np.linalg.inv(whole)
    assert precision[0, 3] == pytest.approx(0, abs=1e-12)
    assert precision[1, 2] != 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shock_on_a_factor_reaches_the_path(root, engine):
    still = [f"assets.{a}.volatility={v}" for a, v in (("BTC", "0.0001%"), ("ETH", "0.0001%"))]
    scenario = shocked(root, "factor: SPX, size: -5%, betas: {BTC: 2, ETH: 3}", *still)
    fall = simulate(engine, scenario).exogenous_fall[0]
    assert fall == pytest.approx(1 - 0.95 ** np.array([2, 3]), rel=1e-4)


def test_margins_raised_by_hand():
    """From 0.5% to 5%: at once everybody with a margin up to 5% is forced, longs and shorts."""
    margin = compiled(
        "venues.beta.liquidation.ladder=[]",
        "venues.alpha.markets.BTC.maintenance=[{rate: 0.5%}]",
        "overlays=[{kind: margin, at: 90s, factor: 10, venues: [alpha], assets: [BTC]}]",
    ).parts.margin_raise
    assert (margin.level[margin.row[:2]] == 0).all()  # in force from the first step that begins later
    raised = margin.level[margin.row[2]]
    assert raised[0, :, 0] == pytest.approx([np.log(0.995 / 0.95), np.log(1.05 / 1.005)])
    assert np.count_nonzero(raised) == 2
    distance = raised[0, :, 0]
    assert threshold_margin(distance, np.array([LONG, SHORT]), 0.005, 0.0) == pytest.approx([0.05, 0.05])


@pytest.mark.parametrize("engine", ENGINES)
def test_raised_margins_force_at_rest(engine):
    """Prices stand still, margins rise: those within the added distance go, and lose nothing."""
    density = 1e8
    forced = {(0, side, 0, 0, 0): density * EDGES for side in (LONG, SHORT)}
    level = np.array([[[[0.0], [0.0]]], [[[0.04], [0.03]]]])
    scenario = with_parts(
        quiet(n_step=3, depth=DEEP, forced=forced),
        margin_raise=MarginRaise(np.array([0, 1, 1], np.int32), level, np.zeros((2, 1, 1))),
    )
    found = simulate(engine, scenario)
    assert found.liquidated[0, 0, 0, :2] == pytest.approx([density * 0.04, density * 0.03], rel=1e-5)
    assert found.loss[0, 0].sum() == pytest.approx(0.0, abs=1.0)


def test_several_classes_err_by_little():
    """Rates of 0.5% and 2%, doubled: the mean of 0.504% and 2.062% stands for both, 0.8% off for either."""
    level = compiled(
        "venues.alpha.markets.BTC.maintenance=[{share: 50%, rate: 0.5%}, {share: 50%, rate: 2%}]",
        "overlays=[{kind: margin, at: 0s, factor: 2}]",
    ).parts.margin_raise.level
    exact = np.log([0.995 / 0.99, 0.98 / 0.96])
    assert level[-1, 0, LONG, 0] == pytest.approx(exact.mean())
    assert np.abs(exact - exact.mean()).max() < 0.008


def test_market_maker_defaults():
    """Half the depth is gone, and its Bitcoins are sold over five minutes, by depth."""
    scenario = compiled(
        "overlays=[{kind: market_maker_default, at: 2m, over: 5m, share: 50%, "
        "inventory: {BTC: $100M, ETH: -$10M}}]",
    )
    arrays, flow = scenario.arrays, scenario.parts.flow
    depth = arrays.depth_level[arrays.depth_row]
    assert (depth[:2] == 1).all()
    assert (depth[2:] == 0.5).all()
    orders = flow.level[flow.row][:, 0]
    assert (orders[[0, 1, 7, 8]] == 0).all()
    assert orders[2:7].sum(axis=(0, 2)) == pytest.approx([-100e6, 10e6])
    assert orders[2] == pytest.approx(orders[6])
    share = arrays.depth / arrays.depth.sum(axis=1, keepdims=True)
    assert orders[3] == pytest.approx(np.array([[-20e6], [2e6]]) * share)
    assert CHANNELS[flow.channel[0]] == "market_maker"


def test_what_a_run_is_conditional_on():
    overlays = (
        "overlays=[{kind: margin, at: 5m, factor: 2, venues: [alpha]}, "
        "{kind: funding, at: 0s, over: 1h, rate: 4%}, "
        "{kind: market_maker_default, name: gone, at: 2m, over: 5m, share: 50%}, "
        "{kind: price_shock, at: 2m, over: 5m, size: -5%, recovery: 5m, recovered: 45%}]"
    )
    config = load(CONFIGS / "small.yaml", [overlays, "venues.beta.funding={cap: 2%}"])
    assert conditional_on(config) == (
        "margins x2 from 5m on alpha, funding 4% higher for 1h from 0s, gone (50% of depth gone from 2m), "
        "price shock of -5% over 5m from 2m, 45% of it taken back"
    )


FLOW = "{kind: flow, at: 2m, over: 1h, amount: {BTC: -$600M, ETH: $60M}, traded_on: {alpha: 2, beta: 1}%s}"


@pytest.mark.parametrize("of", ["etf", "treasury"])
def test_orders_by_hand(of):
    """$600M over an hour, by weights of 2 and 1: $6.67M and $3.33M a minute are sold."""
    flow = compiled(f"overlays=[{FLOW % f', of: {of}'}]", "run.horizon=65m").parts.flow
    orders = flow.level[flow.row][:, 0]
    assert CHANNELS[flow.channel[0]] == of
    assert (orders[[0, 1, 62, 64]] == 0).all()
    assert orders[2:62].sum(axis=(0, 2)) == pytest.approx([-600e6, 60e6])
    assert orders[30] == pytest.approx(np.array([[-20e6, -10e6], [2e6, 1e6]]) / 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_orders_are_sent_beside_those_that_answer_returns(engine):
    """Sold in full, under their channel; a calendar of the same channel comes on top."""
    still = [f"assets.{a}.volatility=0.0001%" for a in ("BTC", "ETH")]
    sellers = (
        "sellers.dats={kind: treasuries, sold_on: {alpha: 1}, companies: "
        "{one: {holdings: {BTC: $2B}, sales: [{at: 2m, over: 5m, amount: $20M}]}}}"
    )
    events = (
        "overlays=[{kind: flow, at: 2m, over: 5m, amount: {BTC: -$10M}, traded_on: {beta: 1}, of: treasury}]"
    )
    found = simulate(engine, compiled(events, sellers, "run.horizon=10m", "books.shape=1", *still))
    sold = found.sold_by[0, CHANNELS.index("treasury")]
    assert 28e6 < sold < 30e6  # of $30M at start prices: it moves the price


def test_orders_are_named():
    config = load(CONFIGS / "small.yaml", [f"overlays=[{FLOW % ''}]", "run.horizon=65m"])
    assert conditional_on(config) == "$600M of BTC sold, $60M of ETH bought over 1h from 2m"

"""Frozen flows: orders that come whatever the price does, and wait where they cannot go."""

import numpy as np
import pytest

from kernels.mechanisms.flow import Flow, Premium, Response
from kernels.mechanisms.flow.step_numpy import by_premium
from kernels.outcome import CHANNELS, EXHAUSTED
from kernels.parts.table.table_numpy import EDGES
from tests.mechanisms.test_account import random_scenario
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import ENGINES, LIMIT, LONG, quiet, simulate, with_parts

ONE = 1e6
MAKER, ETF, TREASURY = (CHANNELS.index(name) for name in ("market_maker", "etf", "treasury"))


def flows(scenario, schedule, channel=(MAKER,)):
    """The scenario with orders: schedule [step, source, asset, venue], broadcast."""
    shape = scenario.shape
    wanted = (shape.n_step, len(channel), shape.n_asset, shape.n_venue)
    level = np.concatenate([np.zeros((1, *wanted[1:])), np.broadcast_to(schedule, wanted)])
    row = np.arange(1, shape.n_step + 1, dtype=np.int32)
    return with_parts(scenario, flow=Flow(row, level, np.array(channel, np.int32)))


@pytest.mark.parametrize("engine", ENGINES)
def test_two_orders(engine):
    """50 on a linear book of 100: half a percent, twice; the first fills at exp(-0.25%)."""
    scenario = flows(quiet(n_step=2, depth=100 * ONE), -50 * ONE)
    found = simulate(engine, scenario)
    assert found.fall[0, 0, 0] == pytest.approx(1 - np.exp(-0.01), rel=1e-5)
    fills = np.exp(-0.0025) + np.exp(-0.0075)
    assert found.sold_by[0, MAKER] == pytest.approx(50 * ONE * fills, rel=1e-5)
    assert found.loss.sum() == found.liquidated.sum() == found.backlog.sum() == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_takes_its_time(engine):
    """Orders of 50 and 50, 30 a step: 30, 30, 30, 10, each deeper than the last."""
    schedule = np.array([-50, -50, 0, 0, 0.0])[:, None, None, None] * ONE
    scenario = flows(quiet(n_step=5, depth=100 * ONE, throughput=30 * ONE), schedule)
    found = simulate(engine, scenario)
    fills = 30 * np.exp(-0.0015) + 30 * np.exp(-0.0045) + 30 * np.exp(-0.0075) + 10 * np.exp(-0.0095)
    assert found.sold_by[0, MAKER] == pytest.approx(fills * ONE, rel=1e-5)
    assert found.fall[0, 0, 0] == pytest.approx(1 - np.exp(-0.01), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_book_ends_and_sources_share_what_is_left(engine):
    """A book that ends at 1% holds 100: of 90 and 60 it takes two thirds each, and the path says so."""
    schedule = np.array([-90, -60.0])[None, :, None, None] * ONE
    scenario = flows(quiet(depth=100 * ONE, hard_end=1.0), schedule, (MAKER, ETF))
    found = simulate(engine, scenario)
    fill = np.exp(-0.005)
    assert found.sold_by[0, [MAKER, ETF]] == pytest.approx([60 * ONE * fill, 40 * ONE * fill], rel=1e-4)
    assert found.status[0] & EXHAUSTED


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
def test_flows_set_off_a_cascade(engine):
    """Sales of 10 before linear forced selling of kr = 1/2: twice as far."""
    density = 0.5 * 100 * ONE / 0.01
    scenario = quiet(depth=100 * ONE, forced={(0, LONG, 0, 0, 0): density * EDGES})
    found = simulate(engine, flows(scenario, -10 * ONE))
    precision = 1e-5 if engine == LIMIT else 2e-2
    assert found.fall[0, 0, 0] == pytest.approx(1 - np.exp(-0.002), rel=precision)
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(10 * ONE, rel=precision)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_lost_on_the_way(engine):
    """With prices that stand still, all that is ordered is executed in the end, whatever the throughput."""
    schedule = np.zeros((12, 2, 2, 2))
    schedule[:3] = np.random.default_rng(4).uniform(-1, 1, (3, 2, 2, 2)) * ONE
    scenario = flows(
        quiet(n_step=12, n_asset=2, n_venue=2, depth=1e15, throughput=0.7 * ONE), schedule, (MAKER, ETF)
    )
    found = simulate(engine, scenario)
    wanted = np.abs(schedule.sum(axis=0)).sum(axis=(1, 2))
    # Orders of both signs of one source on one book cancel only while they wait, so that more may go.
    assert (found.sold_by[0, [MAKER, ETF]] >= wanted * (1 - 1e-5)).all()
    assert (found.sold_by[0, [MAKER, ETF]] <= np.abs(schedule).sum(axis=(0, 2, 3)) * (1 + 1e-5)).all()


def with_random_flows(seed):
    rng = np.random.default_rng(seed)
    schedule = rng.uniform(-3e7, 2e7, (6, 2, 3, 2)) * (rng.random((6, 1, 3, 1)) < 0.5)
    return flows(random_scenario(seed, throughput=3e7), schedule, (MAKER, ETF))


@pytest.mark.parametrize("seed", range(8))
def test_engines_agree(seed):
    """Both engines, path by path, beside isolated positions and accounts of both signs."""
    scenario = with_random_flows(seed)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.sold_by[:, [MAKER, ETF]].min() > ONE
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert worst.max() < 10 * TOLERANCE


@pytest.mark.parametrize("seed", range(4))
def test_no_orders_change_nothing(seed):
    """A part without orders leaves every bit of the fused engine's rows as it was."""
    scenario = random_scenario(seed)
    with_part = flows(scenario, 0.0)
    with_part.parts.flow.row[:] = 0
    one, other = (simulate("cpu", x, count=20) for x in (scenario, with_part))
    assert np.array_equal(one.batch.rows, other.batch.rows)


def following(scenario, rate, decay=0.5, start=0.0, lowest=-1.0, highest=0.0):
    """The scenario with sources that answer returns, and order nothing else."""
    shape, n = scenario.shape, np.shape(rate)[0]
    size = (n, shape.n_asset)
    part = Response(
        decay=np.broadcast_to(decay, n).astype(float), start=np.broadcast_to(start, size).astype(float),
        lowest=np.broadcast_to(lowest, size).astype(float), rate=np.asarray(rate, float),
        highest=np.broadcast_to(highest, size).astype(float),
    )  # fmt: skip
    none = np.zeros((shape.n_step, n, *np.shape(rate)[1:]))
    return with_parts(flows(scenario, none, (ETF,) * n), response=part)


@pytest.mark.parametrize("engine", ENGINES)
def test_redemptions_follow_returns(engine):
    """A fall of 10% in log, half of it forgotten a step: 100, 50, 25 of rate times it, a step late."""
    shock = np.array([-0.1, 0, 0, 0])[:, None]
    scenario = following(quiet(n_step=4, depth=1e15, shock=shock), [[[1000 * ONE]]])
    found = simulate(engine, scenario)
    assert found.sold_by[0, ETF] == pytest.approx(175 * ONE * np.exp(-0.1), rel=1e-5)
    # What is remembered at the start counts from the first step on: 200, then 200, 100, 50.
    found = simulate(engine, following(scenario, [[[1000 * ONE]]], start=-0.2))
    assert found.sold_by[0, ETF] == pytest.approx(550 * ONE * np.exp(-0.1), rel=1e-5)
    # After a rise of 40% the fall only makes for less of a rise: .4, .1, .05, .025.
    found = simulate(engine, following(scenario, [[[1000 * ONE]]], start=0.4))
    assert found.sold_by[0, ETF] == pytest.approx(0, abs=10)


@pytest.mark.parametrize("engine", ENGINES)
def test_redemptions_have_a_most_and_a_floor(engine):
    """Remembering -20%, of which 5% count: 50 a step; remembering a rise, as much is bought."""
    market = quiet(n_step=3, depth=1e15)
    found = simulate(engine, following(market, [[[1000 * ONE]]], decay=1.0, start=-0.2, lowest=-0.05))
    assert found.sold_by[0, ETF] == pytest.approx(150 * ONE, rel=1e-5)
    up = following(market, [[[1000 * ONE]]], decay=1.0, start=0.02, lowest=-0.05, highest=0.05)
    deep = following(
        quiet(n_step=1, depth=100 * ONE), [[[1000 * ONE]]], start=0.01, lowest=-0.05, highest=0.05
    )
    assert simulate(engine, up).sold_by[0, ETF] == pytest.approx(60 * ONE, rel=1e-5)
    assert simulate(engine, deep).fall[0, 0, 0] == 0  # it buys


@pytest.mark.parametrize("engine", ENGINES)
def test_own_impact_is_remembered(engine):
    """Sales move the price, and what they moved it by is a return like others."""
    scenario = following(quiet(n_step=3, depth=100 * ONE), [[[10_000 * ONE]]], start=-0.01)
    fall, memory = 0.0, -0.01
    for _ in range(3):
        move = 0.01 * 10_000 * memory / 100  # a linear book of 100 a percent
        fall, memory = fall + move, 0.5 * memory + move
    assert simulate(engine, scenario).fall[0, 0, 0] == pytest.approx(1 - np.exp(fall), rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_engines_agree_on_followers(seed):
    rng = np.random.default_rng(seed)
    rate = rng.uniform(-2e8, 2e9, (2, 3, 2))
    scenario = following(
        random_scenario(seed),
        rate,
        decay=[0.9, 0.3],
        start=rng.normal(0, 0.02, (2, 3)),
        highest=[[0.0], [1.0]],
    )
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.sold_by[:, ETF].sum() > 1e6
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()


def companies(scenario, above=np.inf, below=0.0, buys=0.0, sells=0.0, most=1e12, share=None):
    """The scenario with companies that go by their premium, and order nothing else; all [company, ...]."""
    shape, n = scenario.shape, np.broadcast(above, below).size
    share = np.full((n, shape.n_asset), 1 / shape.n_asset) if share is None else np.asarray(share, float)
    books = (n, shape.n_asset, shape.n_venue)
    rules = (np.broadcast_to(np.asarray(x, float), n).copy() for x in (above, below))
    orders = (np.broadcast_to(np.asarray(x, float), books).copy() for x in (buys, sells))
    limit = np.broadcast_to(np.asarray(most, float), n).copy()
    part = Premium(np.zeros(n, np.int32), share, *rules, *orders, limit)
    return with_parts(flows(scenario, 0.0, (TREASURY,)), premium=part)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_premium_decides(engine):
    """mNAV of 1.1 and elasticity 1.5: 1.05 is at 0.9112, 1 at 0.8264. Prices of 1, .95, .90, .80, .80 and .85
    are seen a step late: 7 are bought in three steps, none in the fourth, 10 sold in the next two."""
    prices = np.array([1, 0.95, 0.90, 0.80, 0.80, 0.85])
    market = quiet(n_step=6, depth=1e15, shock=np.diff(np.log(prices), prepend=0.0)[:, None])
    at = {"above": [(1.05 / 1.1) ** 2], "below": [(1 / 1.1) ** 2]}
    assert (at["above"][0], at["below"][0]) == pytest.approx((0.9112, 0.8264), abs=1e-4)
    found = simulate(engine, companies(market, **at, buys=7 * ONE, sells=10 * ONE))
    wanted = 7 * (1 + 0.95 + 0.90) + 10 * (0.80 + 0.85)
    assert found.sold_by[0, TREASURY] == pytest.approx(wanted * ONE, rel=1e-5)
    # With no more than 14 to sell: 10, then 4.
    found = simulate(engine, companies(market, **at, sells=10 * ONE, most=14 * ONE))
    assert found.sold_by[0, TREASURY] == pytest.approx((10 * 0.80 + 4 * 0.85) * ONE, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_selling_below_moves_the_price_and_buying_holds_it(engine):
    """10 a step on a linear book of 100 a percent, three steps: 0.3% down; buyers who stop leave no mark."""
    market = quiet(n_step=3, depth=100 * ONE)
    found = simulate(engine, companies(market, below=[2.0], sells=10 * ONE))
    assert found.fall[0, 0, 0] == pytest.approx(1 - np.exp(-0.003), rel=1e-5)
    assert simulate(engine, companies(market, above=[0.5], buys=10 * ONE)).fall[0, 0, 0] == 0


@pytest.mark.parametrize("seed", range(5))
def test_what_companies_do_is_monotone_in_prices(seed):
    """Lower prices: never more bought, never less sold; and never more sold than there is."""
    rng = np.random.default_rng(seed)
    scenario = companies(
        quiet(n_asset=2, n_venue=2), rng.uniform(0.9, 1.2, 3), rng.uniform(0.6, 0.9, 3),
        rng.random((3, 2, 2)), rng.random((3, 2, 2)), 4 * rng.random(3), rng.dirichlet([1, 1], 3),
    )  # fmt: skip
    part, high = scenario.parts.premium, rng.normal(0, 0.2, (50, 2))
    low = high - 0.3 * rng.random((50, 2))
    none, left = np.zeros((50, 1, 2, 2)), np.tile(part.most, (50, 1))
    (one, after), (other, later) = (by_premium(part, none, left, index) for index in (high, low))
    assert (other <= one + 1e-12).all()
    assert (later <= after).all()
    assert (later >= 0).all()
    sold = (left - later)[:, :, None, None] * (part.sells / part.sells.sum(axis=(1, 2), keepdims=True))
    value = np.exp(low) @ part.share.T
    bought = (value > part.above)[:, :, None, None] * part.buys
    assert other[:, 0] == pytest.approx((bought - sold).sum(axis=1))


@pytest.mark.parametrize("seed", range(6))
def test_engines_agree_on_companies(seed):
    rng = np.random.default_rng(seed)
    scenario = companies(
        random_scenario(seed), rng.uniform(0.97, 1.03, 3), rng.uniform(0.9, 0.99, 3),
        rng.uniform(0, 1e6, (3, 3, 2)), rng.uniform(0, 2e7, (3, 3, 2)), rng.uniform(1e7, 1e9, 3),
        rng.dirichlet([1, 1, 1], 3),
    )  # fmt: skip
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.sold_by[:, TREASURY].max() > ONE
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert worst.max() < 10 * TOLERANCE

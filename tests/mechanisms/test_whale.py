"""Whales: lumps in a market's table, drawn per path, and what their default costs."""

import numpy as np
import pytest

from kernels.mechanisms.whale import BAND, Whale
from kernels.mechanisms.whale.step_numpy import cover, crowd, draw, losses
from kernels.parts.table.table_numpy import EDGES
from tests.mechanisms.test_leverage import uncertain
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import DEEP, ENGINES, LIMIT, LONG, SHORT, quiet, simulate, with_parts

ONE = 1e6
SURE = 1 << 32


def whales(scenario, chance=SURE, **changes):
    """The scenario with whales on both sides: 10% of open interest at 10x, unless `changes` say otherwise."""
    shape = scenario.shape
    market = (shape.n_asset, 2, shape.n_venue)
    notional = scenario.arrays.tier_notional.sum(axis=-1)
    arrays = {
        "size": np.full(market, np.log(0.1)), "deviation": np.zeros(market), "power": np.zeros(market),
        "cap": np.ones(market), "open": notional, "margin": np.full(market, np.log(0.1)),
        "spread": np.zeros(market), "rate": np.zeros(market),
        "floor": np.append(np.inf, 1 / 2.0 ** np.arange(1, shape.n_tier)),
    }  # fmt: skip
    for name, value in changes.items():
        arrays[name] = np.broadcast_to(np.asarray(value, float), arrays[name].shape).copy()
    chance = np.broadcast_to(np.asarray(chance, np.uint64), market).copy()
    return with_parts(scenario, whale=Whale(chance=chance, **arrays))


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
def test_a_whale_takes_the_market_down(engine):
    """100M of longs, 10M of them one whale at 10x. A fall of 10.6% finds him at ln(1/.9) = 10.54%; his 10M
    on a linear book of 100M take the price 0.1% further. Nobody else is there."""
    market = quiet(depth=100 * ONE, tier_notional=100 * ONE, shock=[[-0.1065]])
    found = simulate(engine, whales(market, chance=[[[SURE], [0]]]))
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(10 * ONE, rel=1e-4)
    assert found.fall[0, 0, 0] == pytest.approx(1 - np.exp(-0.1065 - 0.001), rel=1e-5)
    fill = np.exp(-0.1065 - 0.0005)
    # He loses 10.15% on a margin of 10%.
    loss, deficit = 10 * ONE * (1 - fill), 10 * ONE * (0.9 - fill)
    assert found.loss[0, :3, 0, 0] == pytest.approx([loss, ONE, deficit], rel=2e-3)
    assert found.cover[0] == pytest.approx(np.full((2, 2), deficit), rel=2e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_just_before_nothing_happens(engine):
    """At 10.5% he stands; from there on he is forced within the band."""
    market = quiet(depth=DEEP, tier_notional=100 * ONE, shock=[[np.log(0.9) + 1e-4]])
    assert simulate(engine, whales(market)).liquidated.sum() == 0
    market = quiet(depth=DEEP, tier_notional=100 * ONE, shock=[[np.log(0.9) - BAND / 4]])
    assert simulate(engine, whales(market)).liquidated_coins[0, 0, 0] == pytest.approx(2.5 * ONE, rel=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_open_interest_is_conserved(engine):
    """With all longs in the table and a fall that forces everyone, whale and others make all there is."""
    forced = {(0, LONG, 0, 0, 0): 100 * ONE * np.clip(EDGES / 0.25, 0, 1)}
    market = quiet(depth=DEEP, forced=forced, shock=[[-0.5]])
    found = simulate(engine, whales(market, deviation=0.5, cap=0.4), count=50)
    assert found.liquidated_coins[:, 0, 0] == pytest.approx(np.full(50, 100 * ONE), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_whale_waits_in_line(engine):
    """10M and 4M a step: 4, 4, 2. What waits is the backlog."""
    market = quiet(n_step=4, depth=DEEP, tier_notional=100 * ONE, throughput=4 * ONE,
                   shock=[[-0.15], [0.0], [0.0], [0.0]])  # fmt: skip
    found = simulate(engine, whales(market, chance=[[[SURE], [0]]]))
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(10 * ONE, rel=1e-4)
    assert found.backlog[0, 0] == pytest.approx(6 * ONE, rel=1e-3)
    assert found.loss[0, 0, 0, 0] == pytest.approx(10 * ONE * (1 - np.exp(-0.15)), rel=1e-4)


def test_draws():
    """A chance of a quarter; log-normal and Pareto sizes; leverage log-uniform from 5x to 20x."""
    path, n = np.arange(4000, dtype=np.uint64), 4000
    quarter = whales(quiet(tier_notional=100.0), chance=SURE // 4).parts.whale
    there = draw(quarter, 1, path)[0] > 0
    assert there.mean(axis=0) == pytest.approx(np.full((1, 2, 1), 0.25), abs=4 * np.sqrt(0.1875 / n))
    normal = whales(quiet(tier_notional=100.0), deviation=0.7, cap=9.0).parts.whale
    sizes = draw(normal, 1, path)[0][:, 0, LONG, 0]
    assert np.median(np.log(sizes)) == pytest.approx(np.log(10), abs=4 * 0.7 * 1.25 / np.sqrt(n))
    pareto = whales(quiet(tier_notional=100.0), power=1 / 1.5, cap=9.0).parts.whale
    sizes = draw(pareto, 1, path)[0][:, 0, LONG, 0]
    assert sizes.min() >= 10
    assert (sizes > 20).mean() == pytest.approx(2**-1.5, abs=4 * np.sqrt(0.23 / n))
    spread = whales(quiet(tier_notional=100.0), margin=np.log(0.05), spread=np.log(4)).parts.whale
    leverage = 1 / draw(spread, 1, path)[1][:, 0, SHORT, 0]
    assert 5 <= leverage.min() < 5.1 < 19.9 < leverage.max() <= 20
    assert np.median(leverage) == pytest.approx(10, rel=4 * np.log(4) / 2 / np.sqrt(n))


def test_thresholds_by_hand():
    """10x at 1% maintenance: a long at ln(.99/.90), a short at ln(1.10/1.01)."""
    market = quiet(n_tier=5, tier_notional=20.0)
    part = whales(market, rate=0.01).parts.whale
    found = crowd(market.arrays, part, np.ones((1, 1, 2, 1)), 0, np.zeros(1, np.uint64))
    assert found.distance[0, 0, :, 0] == pytest.approx([np.log(0.99 / 0.9), np.log(1.1 / 1.01)])
    assert found.tier[0, 0, :, 0].tolist() == [3, 3]  # from 8x on, in tiers from 0, 2, 4, 8 and 16
    assert found.scale == pytest.approx(np.full((1, 1, 2, 1), 0.9))


def test_margin_is_lost_or_left():
    side, margin = np.array([LONG, LONG, SHORT]), np.array([0.1, 0.1, 0.05])
    lost, deficit, left = losses(side, margin, np.full(3, 50.0), np.array([0.93, 0.88, 1.02]))
    assert lost + left == pytest.approx(50 * margin)
    assert deficit == pytest.approx([0.0, 1.0, 0.0])


def test_cover_counts_single_accounts():
    """Two whales on the first venue and one on the second: 5 and 5 + 3; 4 and 4; 5 and 5 + 4 over all."""
    deficit = np.zeros((1, 2, 2, 2))
    deficit[0, 0, LONG, 0], deficit[0, 1, SHORT, 0], deficit[0, 1, LONG, 1] = 5, 3, 4
    assert cover(deficit)[0].tolist() == [[5, 8], [4, 4], [5, 9]]


def random_scenario(seed, **changes):
    """Two assets on two venues, isolated positions of both sides, and whales of all sizes."""
    rng = np.random.default_rng(seed)
    forced = {
        (a, side, g, v, t): rng.uniform(0, 5e8) * EDGES
        for a in range(2) for side in range(2) for g in range(2) for v in range(2) for t in range(2)
    }  # fmt: skip
    scenario = quiet(
        n_step=8, n_asset=2, n_venue=2, n_group=2, n_tier=2, forced=forced,
        depth=rng.uniform(0.5e8, 2e8, (2, 2)), volatility=0.02, refill=0.8, alpha=0.6, monitoring=0.58,
        mark_weight=np.full((2, 2, 2), 0.5), fund=1e6, fee_rate=0.002, surplus_share=0.5,
        closing_share=0.7, group_rate=np.array([0.005, 0.02])[:, None], **changes,
    )  # fmt: skip
    return whales(
        scenario, chance=SURE // 2, deviation=0.8, cap=0.5, size=np.log(0.02), margin=np.log(0.02),
        spread=np.log(8), rate=0.01,
    )  # fmt: skip


@pytest.mark.parametrize("throughput", [np.inf, 4e7])
@pytest.mark.parametrize("seed", range(4))
def test_engines_agree(seed, throughput):
    """Both engines, path by path, with uncertain leverage, with and without a backlog."""
    scenario = uncertain(random_scenario(seed, throughput=throughput), own=0.3, most=4.0)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.cover.sum() > 0
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert (one.status == other.status).all()


@pytest.mark.parametrize("seed", range(4))
def test_monotone_in_one_step(seed):
    """One step down: more notional in the hands of whales with as much margin never makes the fall smaller
    than without those who have it now."""
    rng = np.random.default_rng(seed)
    market = quiet(depth=rng.uniform(0.5e8, 2e8), tier_notional=1e9, shock=[[-rng.uniform(0.02, 0.12)]])
    small, large = (
        simulate(LIMIT, whales(market, size=np.log(share), spread=np.log(2), margin=np.log(0.03)), count=20)
        for share in (0.05, 0.2)
    )
    assert (small.fall <= large.fall * (1 + 1e-9)).all()
    assert small.fall.sum() < large.fall.sum()

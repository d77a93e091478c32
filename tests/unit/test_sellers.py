"""Lenders, treasury companies, stop orders, early exits and hedges: from a config to what they sell."""

from pathlib import Path

import numpy as np
import pytest

from kernels.outcome import CHANNELS
from kernels.parts.table.table_numpy import EDGES
from stress.compile import compile_config
from stress.compile.exits import adjusted
from stress.config import load, loads
from stress.errors import ConfigError
from tests.scenarios import ENGINES, simulate

CONFIGS = Path(__file__).parents[1] / "configs"

STILL = """\
extends: small.yaml
run: {horizon: 2m, monitoring: step}
dynamics: {kind: gbm}
assets: {BTC: {volatility: 0%}, ETH: {volatility: 0%}}
books: {shape: 1, refill_half_life: never, arbitrage_half_life: never, permanent_impact: 0%,
        withdrawal: {sensitivity: 0}}
mixes:
  majors: {long: {0x-1x: 100%, 1x-3x: 0%, 3x-5x: 0%, 5x-10x: 0%, 10x-20x: 0%, 20x-50x: 0%, 50x-100x: 0%,
                  100x-1001x: 0%},
           short: {0x-1x: 100%, 1x-3x: 0%, 3x-5x: 0%, 5x-10x: 0%, 10x-20x: 0%, 20x-50x: 0%, 50x-100x: 0%,
                   100x-1001x: 0%}}
  capped: {long: {0x-1x: 100%, 1x-3x: 0%, 3x-5x: 0%, 5x-10x: 0%, 10x-20x: 0%, 20x-50x: 0%},
           short: {0x-1x: 100%, 1x-3x: 0%, 3x-5x: 0%, 5x-10x: 0%, 10x-20x: 0%, 20x-50x: 0%},
           never_forced: 100%}
venues: {alpha: {markets: {BTC: {depth: $1T}, ETH: {depth: $1T}}},
         beta: {markets: {BTC: {depth: $1T}, ETH: {depth: $1T}}}}
"""


def still(sellers, size="0%", over="60s"):
    """Scenario of a market with one fall in the first step, in which nobody but `sellers` is forced."""
    text = (
        STILL + f"overlays: [{{kind: price_shock, at: 0s, over: {over}, size: {size}, betas: {{ETH: 1}}}}]\n"
    )
    return compile_config(loads(text + "sellers:\n" + sellers, file=str(CONFIGS / "still.yaml")))


POOL = """\
  aave:
    kind: defi_loans
    sold_on: {{alpha: 3, beta: 1}}
    pools:
      ether:
        {{collateral: {{ETH: 100%}}, liquidation_threshold: 80%, bonus: 5%, close_factor: {close},
          loans: [{{from: 64%, to: 64.01%, amount: $100M}}]}}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loan_is_due_at_its_threshold(engine):
    """64% of loan-to-value against 80%: due at .80; at .79 1.3125 a dollar have gone, 3:1, at no bad debt."""
    close = simulate(engine, still(POOL.format(close="100%"), "-16%"))
    assert close.sold_by.sum() == 0
    found = simulate(engine, still(POOL.format(close="100%"), "-21%"))
    assert found.liquidated_coins[0, 2, 1] == pytest.approx(131.25e6, rel=1e-3)
    assert found.sold_by[0, CHANNELS.index("defi_loan")] == pytest.approx(131.25e6 * 0.79, rel=1e-3)
    assert found.loss[0, 2].sum() == 0
    # The table spreads them over its bin, k from 1.5 to 1.5625.
    k = 1.53125
    debt = 131.25e6 / (1.05 * 0.8 * k)
    assert found.loss[0, 0, 2, -1] == pytest.approx(debt * k * (1 - 0.79 / 1.05), rel=1e-3)
    assert found.fall[0, 1, 2] == 0  # no book of its own
    # At .60 a dollar of debt has .875 of collateral, where it would bring .893 at 1.5625.
    found = simulate(engine, still(POOL.format(close="100%"), "-40%"))
    assert found.loss[0, 5, 2, -1] == pytest.approx(debt * (1 - 0.6 / 1.05 * k), rel=1e-3)
    assert found.venues_exhausted[0] == 1  # a reserve of nothing is spent by the first bad debt


def test_sales_go_where_they_are_said_to():
    part = still(POOL.format(close="100%")).parts.account
    assert part.sold[0, 2, 1] == pytest.approx([0.75, 0.25, 0.0])
    assert part.sold.sum() == 1


def test_a_close_factor_makes_rungs():
    """Half is due at .80, a quarter at .80 / 1.16 = .6897, and all of the debt in the end."""
    part = still(POOL.format(close="50%")).parts.account
    table = part.forced[0, 2].sum(axis=1)
    for price, repaid in ((0.84, 0.0), (0.79, 0.5), (0.72, 0.5), (0.66, 0.75)):
        distance = 1.25 / price - 1.25
        middle = 1.5625 if repaid <= 0.5 else (0.5 * 1.5625 + 0.25 * 1.5625 * 1.16) / 0.75
        assert np.interp(distance, EDGES, table) == pytest.approx(
            100e6 * repaid * 1.05 * 0.8 * middle, rel=1e-3
        )
    whole = np.diff(table) / (1.05 * 0.8 * (1.25 + (EDGES[1:] + EDGES[:-1]) / 2))
    assert whole.sum() == pytest.approx(100e6, rel=0.02)


def test_a_lender_takes_his_time():
    sellers = """\
  desk:
    kind: cefi_loans
    sold_on: {alpha: 1}
    reserve: $3M
    pools:
      bitcoin: {collateral: {BTC: 100%}, margin_call: 80%, half_life: 2m, topped_up: 60%,
                loans: [{from: 64%, to: 64.01%, amount: $100M}]}
"""
    scenario = still(sellers, "-21%")
    part = scenario.parts.account
    assert part.response[0, 2] == pytest.approx(1 - 0.5**0.5)
    assert scenario.arrays.fund[2] == 3e6
    found = simulate("numpy", scenario)
    # Two steps, half of what is called: 40% of 100M, 1.25 of coins for a dollar.
    assert found.liquidated_coins[0, 2, 0] == pytest.approx(0.5 * 0.4 * 125e6, rel=1e-3)
    assert found.sold_by[0, CHANNELS.index("cefi_loan")] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_company_sells_no_more_than_its_limit(engine):
    """Debt of 50 on 100, due at .625: under a covenant of 80% it sells 80, 20 a minute."""
    sellers = """\
  dats:
    kind: treasuries
    sold_on: {alpha: 1}
    companies: {one: {holdings: {BTC: $60M, ETH: $40M}, debt: $50M, covenant: 80%, limit: $20M/m}}
"""
    assert simulate(engine, still(sellers, "-36%")).sold_by.sum() == 0
    found = simulate(engine, still(sellers, "-45%"))
    assert found.sold_by[0, CHANNELS.index("treasury")] == pytest.approx(2 * 20e6 * 0.55, rel=1e-3)
    assert found.loss.sum() == found.backlog.sum() == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("side", "size"), [("long", "-3%"), ("short", "3%")])
def test_stop_orders_trigger_by_the_price(engine, side, size):
    """Orders of 100 with triggers from 2% to 4%: half of them after 3%."""
    sellers = f"""\
  stops:
    kind: stop_loss
    side: {side}
    orders: {{alpha: {{ETH: $100M}}}}
    triggers: [{{from: 2%, to: 4%}}]
"""
    scenario = still(sellers, size)
    price = 1 + float(size[:-1]) / 100
    exact = np.interp(0.03, EDGES, scenario.parts.account.forced[0, 0, :, 0])
    assert exact == pytest.approx(50e6, rel=0.02)
    found = simulate(engine, scenario)
    assert found.sold_by[0, CHANNELS.index("stop_loss")] == pytest.approx(exact * price, rel=1e-4)
    assert found.loss.sum() == 0


EXITS = "exits: {kind: retail_exit, share: {1x-3x: 50%, 5x-10x: 20%}, at: 80%}"
PUTS = "puts: {kind: hedge, share: {3x-5x: 40%, 5x-10x: 30%}, ratio: 50%, beyond: 4%}"


def test_resting_stops_follow_depth_and_volatility():
    """Density 0.8 between 2 and 4 days' volatilities of 2%, on a book of $100M: $320M, $80M of it by -5%."""
    volatility = f"{2 * 365**0.5:.12g}%"
    text = "stops: {kind: resting_stops, venues: [alpha], assets: [BTC], density: 0.8, from: 2, to: 4}"
    overrides = [f"assets.BTC.calm_volatility={volatility}", "venues.alpha.markets.BTC.depth=$100M"]
    config = load(CONFIGS / "small.yaml", [*overrides, f"sellers={{{text}}}"])
    part = compile_config(config).parts.account
    (slot,) = np.flatnonzero(part.channel == CHANNELS.index("stop_loss"))
    total = part.forced[slot, 0].sum(axis=-1)
    assert total[-1] == pytest.approx(320e6)
    assert np.interp(0.05, EDGES, total) == pytest.approx(80e6, rel=1e-2)
    assert np.interp(0.038, EDGES, total) == 0
    assert part.forced[slot, 1].sum() == 0


def test_nobody_is_counted_twice():
    """What exits early and what is still liquidated are what was liquidated before; shorts as they were."""
    before = compile_config(load(CONFIGS / "small.yaml"))
    after = compile_config(load(CONFIGS / "small.yaml", [f"sellers={{{EXITS}}}"]))
    left = after.arrays.forced_total[..., -1]
    exits = after.parts.account.forced[:, :, -1].sum(axis=-1)  # [slot, venue]: an asset each
    assert left[:, 0] + exits == pytest.approx(before.arrays.forced_total[:, 0, :, -1])
    assert (exits > 0).all()
    assert np.array_equal(left[:, 1], before.arrays.forced_total[:, 1, :, -1])
    assert np.array_equal(after.arrays.tier_notional, before.arrays.tier_notional)
    # Whoever exits does so before he would have been liquidated: at 80% of the distance.
    gone = before.arrays.forced_total[0, 0, 0] - after.arrays.forced_total[0, 0, 0]
    early = np.interp(1 - np.exp(-0.8 * EDGES), EDGES, after.parts.account.forced[0, 0].sum(axis=-1))
    assert early == pytest.approx(gone, abs=0.02 * gone[-1])


@pytest.mark.parametrize("hedge", [("50%", "0%", 0.20), ("50%", "4%", 0.16)])
@pytest.mark.parametrize("side", [0, 1])
def test_a_hedge_moves_the_threshold(hedge, side):
    """Forced by a move of 10%; by 20% if half of it is hedged, by 16% with puts 4% out of the money."""
    ratio, beyond, moved = hedge
    name = ("long", "short")[side]
    text = f"extends: small.yaml\nsellers: {{h: {{kind: hedge, side: {name}, share: 100%, ratio: {ratio}, "
    config = loads(text + f"beyond: {beyond}}}}}\n", file=str(CONFIGS / "hedge.yaml"))
    at = -np.log(0.9) if side == 0 else np.log(1.1)
    forced = np.zeros((1, len(EDGES), len(config.tiers)))
    forced[0, :, 0] = 100 * np.clip(EDGES / (2 * at), 0, 1)  # 50 by a move of 10%
    table, exits = adjusted(config, "alpha", "BTC", side, forced, np.zeros(1))
    then = -np.log(1 - moved) if side == 0 else np.log(1 + moved)
    assert np.interp(then, EDGES, table[0, :, 0]) == pytest.approx(50, rel=0.02)
    assert (np.diff(table, axis=1) >= 0).all()
    assert exits == {}


def test_hedges_spare_the_hedged_alone():
    before = compile_config(load(CONFIGS / "small.yaml"))
    after = compile_config(load(CONFIGS / "small.yaml", [f"sellers={{{PUTS}}}"]))
    long, short = after.arrays.forced_total[:, 0], after.arrays.forced_total[:, 1]
    assert (long <= before.arrays.forced_total[:, 0] * (1 + 1e-12)).all()
    assert np.array_equal(short, before.arrays.forced_total[:, 1])
    near = EDGES < 0.04  # puts do not pay before
    assert long[..., near] == pytest.approx(before.arrays.forced_total[:, 0][..., near])
    assert after.parts.account is None


@pytest.mark.parametrize("engine", ENGINES)
def test_funds_redeem_what_they_remember(engine):
    """150B, sensitivity .06, remembering -10%: .6% in a day, 625k in a minute, half as much a minute on."""
    sellers = """\
  funds:
    kind: etf
    holdings: {BTC: $150B}
    sensitivity: 0.06
    half_life: 1m
    remembered: {BTC: -0.1}
    most: 1%
    sold_on: {alpha: 3, beta: 1}
"""
    scenario = still(sellers)
    assert scenario.parts.response.rate[0, 0] == pytest.approx(np.array([0.75, 0.25]) * 6.25e6)
    found = simulate(engine, scenario)
    assert found.sold_by[0, CHANNELS.index("etf")] == pytest.approx(1.5 * 625e3, rel=1e-4)
    capped = still(sellers.replace("most: 1%", "most: 0.3%"))
    assert simulate(engine, capped).sold_by[0, CHANNELS.index("etf")] == pytest.approx(625e3, rel=1e-4)


def test_momentum_may_buy():
    sellers = """\
  trend:
    kind: momentum
    holdings: {ETH: $1.44B}
    sensitivity: 100
    half_life: 10m
    flows: both
    most: 500%
    sold_on: {alpha: 1}
"""
    part = still(sellers).parts.response
    assert part.rate[0, 1, 0] == pytest.approx(100e6)  # 1.44B a day is 1M a minute
    assert (part.lowest[0], part.highest[0]) == pytest.approx((-0.05, 0.05))
    assert part.decay[0] == pytest.approx(2**-0.1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_company_sells_on_the_day(engine):
    """80 over a minute from the middle of the first: half of it in each, Bitcoin and Ether 3:1."""
    sellers = """\
  dats:
    kind: treasuries
    sold_on: {alpha: 1}
    companies: {one: {holdings: {BTC: $300M, ETH: $100M}, sales: [{at: 30s, over: 60s, amount: $80M}]}}
"""
    scenario = still(sellers)
    assert scenario.parts.account is None
    level = scenario.parts.flow.level[scenario.parts.flow.row]
    assert level[:, 0, :, 0] == pytest.approx(np.array([[-30e6, -10e6], [-30e6, -10e6]]))
    found = simulate(engine, scenario)
    assert found.sold_by[0, CHANNELS.index("treasury")] == pytest.approx(80e6, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("defi-loans", ["defi_loan"]),
        ("cefi-loans", ["cefi_loan"]),
        ("treasury", ["treasury"]),
        ("etf", ["etf", "momentum"]),
        ("stop-loss", ["stop_loss", "retail_exit"]),
    ],
)
def test_examples_show_what_they_say(name, channels):
    found = simulate("cpu", compile_config(load(CONFIGS.parents[1] / "configs" / f"{name}.yaml")), count=20)
    for channel in channels:
        assert np.median(found.sold_by[:, CHANNELS.index(channel)]) > 1e7
    assert not found.status.any()


def test_november_sells_by_all_who_are_in_it():
    config = load(CONFIGS.parents[1] / "configs" / "nov-2025.yaml", ["run.step=5m"])
    found = simulate("cpu", compile_config(config), count=10)
    for channel in ("isolated", "cross_margin", "defi_loan", "cefi_loan", "etf"):
        assert np.median(found.sold_by[:, CHANNELS.index(channel)]) > 1e7
    assert 0.05 < np.median(found.index_fall[:, 0]) < 0.2


def test_companies_go_by_their_mnav(root):
    """mNAV of 1.1 with an elasticity of 1.5 is 1 where holdings are worth 0.8264 of the start; a tenth of $3B
    is for sale, less where the calendar takes more than the rest."""
    premium = "premium: {mnav: 1.1, elasticity: 1.5, buys: $3M/m, buys_above: 1.05, sells: $6M/m, most: 10%}"
    one = f"one: {{holdings: {{BTC: $2B, ETH: $1B}}, {premium}}}"
    two = (
        "two: {holdings: {ETH: $200M}, sales: [{at: 2m, over: 5m, amount: $150M}], "
        "premium: {mnav: 0.9, elasticity: 2, sells: $1M/m}}"
    )
    sellers = (
        f"sellers.dats={{kind: treasuries, sold_on: {{alpha: 1, beta: 3}}, companies: {{{one}, {two}}}}}"
    )
    parts = compile_config(load(root / "tests/configs/small.yaml", [sellers])).parts
    part = parts.premium
    assert part.above == pytest.approx([(1.05 / 1.1) ** 2, np.inf])
    assert part.below == pytest.approx([(1 / 1.1) ** 2, 1 / 0.9])
    assert part.share == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))
    assert part.buys[0] == pytest.approx(np.array([[0.5e6, 1.5e6], [0.25e6, 0.75e6]]))
    assert part.sells[1] == pytest.approx(np.array([[0, 0], [0.25e6, 0.75e6]]))
    assert part.most == pytest.approx([0.3e9, 50e6])
    assert parts.flow.channel[part.source].tolist() == [CHANNELS.index("treasury")] * 2


def test_companies_with_a_premium_are_few(root):
    one = "c{}: {{holdings: {{BTC: $1B}}, premium: {{mnav: 1, elasticity: 2, sells: $1M/m}}}}"
    sellers = [
        f"sellers.s{i}={{kind: treasuries, sold_on: {{alpha: 1}}, companies: {{"
        + ", ".join(one.format(j) for j in range(6)) + "}}"
        for i in range(3)
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"s2\.companies\.c4\.premium: is one too many"):
        compile_config(load(root / "tests/configs/small.yaml", sellers))

"""Accounts of a config: what they need, what they are worth, and that open interest is conserved."""

import numpy as np
import pytest

from kernels.mechanisms.account.step_numpy import level, ratio
from kernels.outcome import CHANNELS
from kernels.parts.table.table_numpy import EDGES
from stress.compile import compile_config
from stress.config import load, loads
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import ENGINES, simulate

BASE = """
schema_version: 1
about: {title: one venue, question: who is forced}
run: {horizon: 2m, step: 60s, paths: 1, seed: 1, monitoring: step}
assets:
  BTC: {name: Bitcoin, price: $100000, volatility: 0%, calm_volatility: 30%}
  ETH: {name: Ether, price: $4000, volatility: 0%, calm_volatility: 50%}
  USDE: {name: USDe, price: $1, volatility: 0%, calm_volatility: 1%}
dynamics: {kind: gbm}
correlation: 0
books:
  shape: 1
  refill_half_life: never
  arbitrage_half_life: never
  permanent_impact: 0%
  withdrawal: {sensitivity: 0, half_life: 15m, floor: 10%}
tiers: [{from: 0x, to: LOWx}, {from: LOWx, to: HIGHx}, {from: HIGHx, to: 25x}]
mixes:
  still: {long: {0x-LOWx: 100%}, short: {0x-LOWx: 100%}, never_forced: 100%}
venues:
  v:
    name: V
    maximum_leverage: 25x
    mark: {own: 100%}
    liquidation: {fee: 0%, surplus_to_fund: 0%}
    insurance_fund: $1B
    adl: {policy: none}
    mix: still
    markets:
      BTC: {open_interest: $2B, depth: $900T, maintenance: [{rate: 1%}]}
      ETH: {open_interest: $2B, depth: $900T, maintenance: [{rate: 1%}]}
      USDE: {open_interest: $0, depth: $900T, mark: {own: 100%}}
    accounts:
      some: {open_interest: $1B, leverage: {LOWx-HIGHx: 100%}, ACCOUNT}
overlays:
  - {kind: price_shock, at: 0s, over: 60s, size: SIZE, betas: {USDE: 0}}
"""

AT = int(np.searchsorted(EDGES, 0.09))


def build(account, size="0%", *overrides, start=0.01, bins=(AT - 1, AT)):
    """The config with one kind of accounts, whose thresholds fill some bins of the distance table."""
    high, low = (f"{1 / (start + EDGES[b]):.6g}" for b in bins)
    text = BASE.replace("ACCOUNT", account).replace("SIZE", size)
    return loads(text.replace("LOW", low).replace("HIGH", high), overrides)


def stress(part, prices):
    """Margin stress of slot 0 on venue 0 at prices [asset], all held to the same."""
    price = np.array(prices)[None, None, :, None]
    return ratio(level(price, part.need, part.need_fixed), level(price, part.value, part.value_fixed))[
        0, 0, 0
    ]


LONG = "kind: coin_margined, asset: BTC, side: long"


@pytest.mark.parametrize("engine", ENGINES)
def test_known_answer_8_inverse(engine):
    """10x and 1%: a coin-margined long is forced at .918182, a long with a margin in dollars at .909091."""
    inverse, linear = LONG, "kind: cross_margin, legs: {BTC: 100%}"
    share = (0.09 - EDGES[AT - 1]) / (EDGES[AT] - EDGES[AT - 1])  # of holders with k up to .1
    for account, price in ((inverse, 1.01 / 1.1), (linear, 0.9 / 0.99)):
        start = 0.01
        scenario = compile_config(build(account, f"{100 * (price - 1):.9f}%"))
        found = simulate(engine, scenario)
        z = stress(scenario.parts.account, [price, 1, 1])
        assert z == pytest.approx(0.1, abs=1e-6)
        # Inverse maintenance is of the face; linear maintenance falls with the price.
        assert scenario.parts.account.start[0, 0] == pytest.approx(start)
        # A dollar of inverse face takes 1/.918 coins to close.
        coins = 1 / price if account is inverse else 1.0
        assert found.liquidated_coins[0, 0, 0] / 1e9 == pytest.approx(share * coins, rel=5e-3)
        assert found.sold_by[0, CHANNELS.index("coin_margined")] > 0 or account is linear


def test_a_short_without_leverage_is_never_forced():
    """Known answer 8: 1x short, margin in the coin. No price is high enough."""
    part = compile_config(build("kind: coin_margined, asset: BTC, side: short")).parts.account
    assert stress(part, [1e6, 1, 1]) < 1
    assert stress(part, [1.2, 1, 1]) == pytest.approx(1 - 0.99 / 1.2)


@pytest.mark.parametrize(("valued", "expected"), [("", 0.07 / 0.65), (", valued_as: cash", 0.07)])
def test_known_answer_11_depeg(valued, expected):
    """6% lost and 1% needed: 7% of the start margin, or 10.77% if that is USDe at its own book's .65."""
    account = f"kind: unified, legs: {{BTC: 100%}}, collateral: {{USDE: {{share: 100%{valued}}}}}"
    config = build(account, "0%", "venues.v.markets.BTC.maintenance=[{rate: 1.06382978723%}]", start=0.0107)
    part = compile_config(config).parts.account
    # The rate is of the notional at its fallen price, .94.
    assert stress(part, [0.94, 1, 0.65]) == pytest.approx(expected, rel=1e-6)
    # What it brings when it is sold does not depend on how the venue values it.
    assert part.worth[0, :, 0] == pytest.approx([0, 0, 1])


def test_value_of_a_basket():
    """Half USDe at 95%, a tenth Ether at 80% valued as Bitcoin, the rest cash: .475 + .08 + .4."""
    account = (
        "kind: unified, legs: {BTC: 100%}, collateral: {USDE: {share: 50%, ratio: 95%}, "
        "ETH: {share: 10%, ratio: 80%, valued_as: BTC, seized: kept}}"
    )
    part = compile_config(build(account)).parts.account
    assert part.value[0, :, 0] == pytest.approx([0.08, 0, 0.475])
    assert part.value_fixed[0, 0] == pytest.approx(0.4)
    assert part.start[0, 0] == pytest.approx(0.01 / 0.955)
    # Holders have about .099 of equity: half of it goes into the book of USDe, none into that of Ether.
    mean = part.start[0, 0] + (EDGES[AT - 1] + EDGES[AT]) / 2
    assert part.sold[0, 0, :, 0] == pytest.approx([1, 0, 0.5 * mean], rel=0.02)


def test_hedged_portfolios_fear_the_gap():
    """Long Bitcoin, short Ether: a common fall takes only maintenance, a gap of 4% takes 2%."""
    part = compile_config(build("kind: cross_margin, legs: {BTC: 50%, ETH: -50%}")).parts.account
    assert stress(part, [0.8, 0.8, 1]) == pytest.approx(0.008)
    assert stress(part, [1.0, 1.04, 1]) == pytest.approx(0.0102 + 0.02)
    assert part.lean[0, :, 0].tolist() == [-1, 1, 0]


def test_the_rest_follows_the_first_close():
    """Known answer 12: 20% first; the rest when 1.25% x 20/80 of the notional more has gone."""
    # Thresholds fill bins, and one twentieth of a bin is far less than the shift of 0.3%.
    config = build(
        "kind: cross_margin, legs: {BTC: 100%}, first_close: 20%", "0%",
        "venues.v.markets.BTC.maintenance=[{rate: 1.25%}]", start=0.0125, bins=(AT - 1, AT),
    )  # fmt: skip
    table = compile_config(config).parts.account.forced[0, 0].sum(axis=1) / 1e9
    first, shift = 0.2, 0.0125 * 0.2 / 0.8
    assert table[AT - 1] == pytest.approx(0, abs=1e-4)
    width = EDGES[AT] - EDGES[AT - 1]
    assert table[AT] == pytest.approx(first + (1 - first) * (1 - shift / width), rel=1e-4)
    assert table[AT + 1 :] == pytest.approx(np.ones(len(EDGES) - AT - 1), rel=1e-5)


def test_responses_are_half_lives():
    part = compile_config(build(LONG + ", half_life: 2m")).parts.account
    assert part.response[0, 0] == pytest.approx(1 - 0.5**0.5)


@pytest.mark.parametrize("name", [n for n, changes in VARIANTS.items() if ".accounts." in str(changes)])
def test_open_interest_is_conserved(name):
    """Isolated positions and accounts together are the market's open interest, on either side."""
    scenario, plain = compiled(name), compiled("as it is")
    part, n_asset = scenario.parts.account, plain.shape.n_asset
    isolated = scenario.arrays.tier_notional.sum(axis=-1)[:n_asset]
    legs = np.moveaxis(part.loss, 2, 1)  # minus the weights [slot, venue, asset]
    for sign, side in ((-1, 0), (1, 1)):
        # Accounts that are never forced are in no table: `never_forced` of the variants is 30% or none.
        middle = part.start[:, :, None] + (EDGES[1:] + EDGES[:-1]) / 2
        size = part.size_fixed[..., None] + part.size[..., None] * middle
        face = (np.diff(part.forced.sum(axis=-1), axis=2) / np.where(size > 0, size, 1.0)).sum(axis=2)
        notional = face / np.where(np.isclose(face, 0.7 * 6e8), 0.7, 1.0)
        held = (np.maximum(sign * legs, 0.0) * notional[..., None]).sum(axis=0).T[:n_asset]
        whole = plain.arrays.tier_notional.sum(axis=-1)[:, side]
        assert isolated[:, side] + held == pytest.approx(whole, rel=1e-9)
        assert held.sum() > 0 or side == 1


def test_kinds_on_two_venues_share_slots():
    part = compiled("cross margin, long and hedged").parts.account
    assert part.channel.tolist() == [CHANNELS.index("cross_margin")] * 2
    assert (part.forced[:, :, -1].sum(axis=-1) > 0).tolist() == [[True, True], [False, True]]


def test_a_depeg_falls_and_comes_back():
    """-35% over two steps, one still, back by half over two: by hand ln(.65) / 2 and ln(.65) / 4 a step."""
    depeg = (
        "{kind: depeg, asset: USDE, at: 60s, over: 2m, size: -35%, stays: 1m, recovery: 2m, recovered: 50%}"
    )
    config = build(LONG, "0%", "run.horizon=7m", f"overlays=[{depeg}]")
    shock = compile_config(config).arrays.shock
    fall = np.log(0.65) / 2
    assert shock[:, 2] == pytest.approx([0, fall, fall, 0, -fall / 2, -fall / 2, 0])
    assert (shock[:, :2] == 0).all()


def test_a_market_has_its_own_mark():
    """The spot book of USDe is marked at itself, whatever the marks of its venue are made of."""
    config = loads(
        "extends: tests/configs/small.yaml\nvenues: {beta: {markets: {ETH: {mark: {own: 100%}}}}}\n",
        file="config.yaml",
    )
    weight = compile_config(config).arrays.mark_weight
    assert weight[1, 1].tolist() == [0, 1]
    assert weight[0, 1] == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("name", "without", "field", "asset"),
    [
        ("cross-margin", "venues.harbour.accounts={}", "index_fall", 0),
        ("coin-margined", "venues.coins.accounts={}", "liquidated", 0),
        ("collateral", "overlays.1.size=0%", "liquidated", 0),
    ],
)
def test_examples_show_what_they_say(root, name, without, field, asset):
    """Without its accounts, or its depeg, each example falls or forces far less."""
    median = []
    for overrides in ([], [without]):
        scenario = compile_config(load(root / f"configs/{name}.yaml", overrides))
        found = getattr(simulate("cpu", scenario, seed=1, count=200), field)
        value = found[:, asset] if field == "index_fall" else found[:, -1, asset, -1]
        median.append(np.median(value))
    assert median[0] > 1.2 * median[1]
    if name == "cross-margin":
        assert median[0] == pytest.approx(0.05, abs=0.01)
        assert median[1] < 0.001

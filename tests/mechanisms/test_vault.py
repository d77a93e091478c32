"""Backstop vaults: a part of what is forced, kept from the books and sold later."""

import numpy as np
import pytest

from kernels.mechanisms.adl import ADL_CAPPED_PRO_RATA, ADL_PRO_RATA, ADL_QUEUE
from kernels.mechanisms.vault import Vault
from kernels.mechanisms.vault.step_numpy import Inventory, Taking
from kernels.outcome import CHANNELS, COMPONENTS, PAYERS
from kernels.parts.table.table_numpy import EDGES
from stress.compile.vaults import past
from tests.mechanisms.test_account import random_scenario
from tests.mechanisms.test_flow import with_random_flows
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import (
    DEEP,
    ENGINES,
    LIMIT,
    LONG,
    SHORT,
    mass,
    quiet,
    replaced,
    simulate,
    waterfall,
    winners,
    with_parts,
)

ONE = 1e6
ISOLATED, VAULT = CHANNELS.index("isolated"), CHANNELS.index("vault")


def vaults(scenario, **changes):
    """The scenario with vaults on all venues: half of everything, half of it sold in every step."""
    shape = scenario.shape
    n_asset, n_venue, n_tier = shape.n_asset, shape.n_venue, shape.n_tier
    values = {"room": 1e12, "take": 0.5, "unwind": 0.5, "capital": 0.0, "gap": -1.0}
    values |= {"whose": 1 / n_tier} | changes
    sizes = {"room": (n_asset, n_venue), "gap": (n_asset, 2, n_venue), "whose": (n_venue, n_tier)}
    arrays = {k: np.broadcast_to(x, sizes.get(k, n_venue)).astype(float) for k, x in values.items()}
    return with_parts(scenario, vault=Vault(**arrays))


def crash(*prices, side=LONG, **changes):
    """Ten of forced longs, and ten of shorts who never are, in a market that follows `prices`."""
    steps = np.diff(np.log([1.0, *prices]))[:, None]
    arrays = {"n_step": len(prices), "shock": steps, "depth": DEEP, "tier_notional": 10 * ONE}
    forced = {(0, side, 0, 0, 0): mass(10 * ONE, 0.04, side)}
    return quiet(forced=forced, **(arrays | changes))


def paid(found, name):
    return found.loss[0, COMPONENTS.index(name), 0, -1]


@pytest.mark.parametrize("engine", ENGINES)
def test_half_is_taken_over_and_half_of_that_sold(engine):
    """Ten forced at 0.95: five into the book, five to the vault, which sells 2.5 in the next step."""
    found = simulate(engine, vaults(crash(0.95, 0.95)))
    assert found.sold_by[0, ISOLATED] == pytest.approx(5 * 0.95 * ONE, rel=1e-5)
    assert found.sold_by[0, VAULT] == pytest.approx(2.5 * 0.95 * ONE, rel=1e-5)
    assert found.liquidated[0, 0, 0, LONG] == pytest.approx(10 * 0.95 * ONE, rel=1e-5)
    assert found.vault_inventory[0, 0] == pytest.approx(5 * ONE, rel=1e-5)
    assert found.open_interest_closed[0, 0] == pytest.approx(7.5 * ONE, rel=1e-5)
    assert found.vault_loss[0, 0] == pytest.approx(0, abs=10)


@pytest.mark.parametrize("engine", ENGINES)
def test_shorts_are_bought_back(engine):
    """The same for shorts in a rally, of which it takes all that its room of four holds."""
    found = simulate(engine, vaults(crash(1.05, 1.05, side=SHORT), take=1.0, room=4 * ONE))
    assert found.sold_by[0, ISOLATED] == pytest.approx(6 * 1.05 * ONE, rel=1e-5)
    assert found.sold_by[0, VAULT] == pytest.approx(2 * 1.05 * ONE, rel=1e-5)
    assert found.vault_inventory[0, -1] == pytest.approx(4 * ONE, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_vault_carries_the_price(engine):
    """Five bought at 0.95 and never sold lose 5 x 0.1 when the price is 0.85; holders lose nothing more."""
    scenario = crash(0.95, 0.85)
    found = simulate(engine, vaults(scenario, unwind=0.0, capital=1 * ONE))
    assert found.vault_loss[0, 0] == pytest.approx(0.5 * ONE, rel=1e-4)
    assert found.loss[0] == pytest.approx(simulate(engine, scenario).loss[0], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("at_mark", [0, 1])
def test_winners_close_a_vault_in_deficit(engine, at_mark):
    """Capital of 0.2 against a loss of 0.5: winners give up five and forgo 0.3, or a fund pays."""
    scenario = crash(0.95, 0.85, 0.85, adl_policy=ADL_PRO_RATA, fund=0.1 * ONE, adl_drawdown=1.0)
    scenario = with_parts(scenario, adl=winners(scenario.shape, at_mark=at_mark))
    found = simulate(engine, vaults(scenario, unwind=0.0, capital=0.2 * ONE))
    before = simulate(engine, crash(0.95, fund=0.1 * ONE))
    assert found.adl_notional[0, 0, -1] == pytest.approx(5 * ONE, rel=1e-5)
    assert found.vault_loss[0, 0] == pytest.approx(0.2 * ONE, rel=1e-4)
    assert paid(found, "deficit") - paid(before, "deficit") == pytest.approx(0.3 * ONE, rel=1e-4)
    if at_mark:
        assert paid(found, "adl") == 0
        assert paid(found, "fund_draw") + paid(found, "bad_debt") == pytest.approx(paid(found, "deficit"))
    else:
        assert paid(found, "adl") == pytest.approx(0.3 * ONE, rel=1e-4)
        assert found.adl_forgone[0, 0, 0] == pytest.approx(0.3 * ONE, rel=1e-4)
    assert found.open_interest_closed[0, 0] == pytest.approx(10 * ONE, rel=1e-5)
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(10 * ONE, rel=1e-5)
    assert found.sold_by[0, VAULT] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fund_pays_where_nobody_is_deleveraged(engine):
    """The same without deleveraging: the fund pays, or nobody; the vault keeps what it holds."""
    scenario = crash(0.95, 0.85, 0.85, fund=1 * ONE)
    found = simulate(engine, vaults(scenario, unwind=0.0, capital=0.2 * ONE))
    before = simulate(engine, crash(0.95, fund=1 * ONE))
    rest = 1 * ONE - paid(before, "fund_draw")
    small = simulate(engine, vaults(crash(0.95, 0.85, 0.85), unwind=0.0, capital=0.2 * ONE))
    assert rest > 0.3 * ONE
    assert paid(found, "fund_draw") - paid(before, "fund_draw") == pytest.approx(0.3 * ONE, rel=1e-4)
    assert paid(small, "bad_debt") - paid(before, "deficit") == pytest.approx(0.3 * ONE, rel=1e-4)
    assert found.adl_notional.sum() == 0
    assert found.open_interest_closed[0, 0] == pytest.approx(5 * ONE, rel=1e-5)


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
def test_it_breaks_a_cascade(engine):
    """Linear forced selling of kr = 1/2: a fall of 1% doubles; a vault that takes half: 1 / (1 - 1/4)."""
    depth = 100 * ONE
    forced = {(0, LONG, 0, 0, 0): 0.5 * depth / 0.01 * EDGES}
    scenario = quiet(depth=depth, shock=-0.01, forced=forced)
    found = simulate(engine, vaults(scenario))
    precision = 1e-5 if engine == LIMIT else 2e-2
    assert found.fall[0, 0, 0] == pytest.approx(1 - np.exp(-0.01 / 0.75), rel=precision)
    assert found.vault_inventory[0, 0] == pytest.approx(0.5 * 50 / 0.75 * ONE, rel=precision)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(6))
def test_notional_is_conserved(engine, seed):
    """At one price: forced = book + taken over, and taken over = unwound + held."""
    rng = np.random.default_rng(seed)
    take, room, unwind = rng.uniform(0, 1), rng.uniform(0.5, 6) * ONE, rng.uniform(0, 1)
    n_step, psi = rng.integers(2, 8), rng.uniform(0.2, 1)
    scenario = crash(*[0.95] * n_step, closing_share=psi)
    found = simulate(engine, vaults(scenario, take=take, room=room, unwind=unwind))
    forced, taken = found.liquidated_coins[0, 0, 0], found.vault_inventory[0, 0]
    assert taken == pytest.approx(min(take * forced, room), rel=1e-5)
    assert found.sold_by[0, ISOLATED] / 0.95 + taken == pytest.approx(forced, rel=1e-5)
    held = forced - found.open_interest_closed[0, 0] / psi
    assert found.sold_by[0, VAULT] / 0.95 + held == pytest.approx(taken, rel=1e-5)
    assert held == pytest.approx(taken * (1 - unwind) ** (n_step - 1), rel=1e-4, abs=10)


def test_what_is_booked_rises_with_what_is_forced():
    """Never decreasing, and at its limit exactly where books and engines are at theirs."""
    rng = np.random.default_rng(3)
    take = np.array([0, 0.2, 0.7, 1.0])
    taking = Taking(take, rng.uniform(0, 5, (1, 2, 4)))
    flow = np.linspace(0, 20, 500)[:, None, None] * np.ones((1, 2, 4))
    booked = taking.booked(flow)
    assert (np.diff(booked, axis=0) >= -1e-12).all()
    assert np.allclose(booked + taking.taken(flow), flow)
    limit = taking.limit(np.full((1, 2, 4), 3.0))
    assert np.allclose(taking.booked(limit)[..., :3], 3.0)
    assert np.allclose(taking.booked(limit)[..., 3], 3.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_full_leaves_the_rest(engine):
    """Ten forced, three a step into the book: the vault takes as much beside it, four wait."""
    found = simulate(engine, vaults(crash(0.95, throughput=3 * ONE)))
    assert found.sold_by[0, ISOLATED] == pytest.approx(3 * 0.95 * ONE, rel=1e-5)
    assert found.vault_inventory[0, 0] == pytest.approx(3 * ONE, rel=1e-5)
    assert found.backlog[0, 0] == pytest.approx(4 * ONE, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_monotone_in_the_shock(engine):
    """One step from equal states: a larger shock forces more and falls further, vault or no vault."""
    depth = 100 * ONE
    forced = {(0, LONG, 0, 0, 0): 0.6 * depth / 0.01 * EDGES}
    falls, coins = [], []
    for shock in np.linspace(0, -0.05, 21):
        scenario = quiet(depth=depth, shock=shock, forced=forced, alpha=0.6)
        found = simulate(engine, vaults(scenario, take=0.7, room=40 * ONE))
        falls.append(found.fall[0, 0, 0])
        coins.append(found.liquidated_coins[0, 0, 0])
    assert (np.diff(falls) > 0).all()
    assert (np.diff(coins) > 0).all()


@pytest.mark.parametrize("policy", [0, ADL_QUEUE, ADL_CAPPED_PRO_RATA])
@pytest.mark.parametrize("seed", range(6))
def test_engines_agree(seed, policy):
    """Both engines, path by path, beside accounts, other frozen flows, backlogs and funds by market."""
    scenario = with_random_flows(seed) if seed % 2 else random_scenario(seed)
    scenario = replaced(scenario, adl_policy=np.full(2, policy, np.int32))
    if seed % 3 == 0:
        funds = waterfall(scenario.shape, split=1, share=np.full((3, 2), 1 / 3))
        scenario = with_parts(scenario, waterfall=funds)
    rng = np.random.default_rng(seed)
    scenario = vaults(
        scenario, room=rng.uniform(1e7, 1e8, (3, 2)), take=[0.9, 0.4], unwind=[0.1, 0.6], capital=[1e5, 1e6]
    )
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.vault_inventory[:, -1].min() > ONE
    assert one.loss[:, COMPONENTS.index("deficit"), -1, -1].max() > ONE
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert worst.max() < 10 * TOLERANCE


def test_money_and_inventory_are_conserved(monkeypatch):
    """Over random paths: what was taken in = unwound + held + closed against winners, market by market."""
    scenario = random_scenario(1, adl_policy=ADL_PRO_RATA)
    scenario = vaults(scenario, room=5e7, take=0.8, unwind=0.2, capital=1e5)
    seen = []

    class Watched(Inventory):
        def __init__(self, part, n_path):
            super().__init__(part, n_path)
            self.bought = np.zeros_like(self.held)
            self.dollars = np.zeros_like(self.held)
            seen.append(self)

        def trade(self, taken, unwound, fill):
            assert (taken <= self.taking().space + 1e-6).all()
            bought = taken[:, :, LONG] - taken[:, :, SHORT] + unwound
            self.bought += bought
            self.dollars += bought * fill
            super().trade(taken, unwound, fill)

    monkeypatch.setattr("kernels.state.Inventory", Watched)
    found = simulate("numpy", scenario, count=30)
    (inventory,) = seen
    closed = np.abs(inventory.bought - inventory.held).sum(axis=1)
    assert closed.max() > ONE
    assert (closed <= found.adl_notional[:, :2, -1] + 1).all()
    assert (np.abs(inventory.held) <= 5e7 * (1 + 1e-9)).all()
    deficit = found.loss[:, COMPONENTS.index("deficit")]
    shares = sum(found.loss[:, COMPONENTS.index(name)] for name in PAYERS)
    assert np.allclose(deficit, shares, rtol=1e-9, atol=1e-3)
    assert (inventory.received[:, :2] <= deficit[:, :2, -1] + 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_vault_that_takes_nothing_changes_nothing(seed):
    """A part without room leaves every bit of the fused engine's rows as it was."""
    scenario = random_scenario(seed)
    one, other = (simulate("cpu", x, count=20) for x in (scenario, vaults(scenario, room=0.0, take=0.5)))
    assert np.array_equal(one.batch.rows, other.batch.rows)


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_threshold_is_a_share_of_maintenance(side):
    """At the distance `past` a trigger, equity is two thirds of what is asked for, deduction and all."""
    rate, deduction, share, price = 0.02, 0.004, 2 / 3, 1.0
    gap = past([(1.0, rate, deduction)], share)[side]
    sign = 1 if side == LONG else -1
    trigger = price * np.exp(sign * gap)
    # Equity is down to maintenance at the trigger, and moves with the price from there.
    equity = rate * trigger - deduction + sign * (price - trigger)
    assert equity == pytest.approx(share * (rate * price - deduction), abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("side", [LONG, SHORT])
def test_takes_over_who_is_below_the_threshold(engine, side):
    """2% of maintenance and two thirds of it: of longs, the last 0.678% of a fall are left to the book."""
    density, gap = 100 * ONE, past([(1.0, 0.02, 0.0)], 2 / 3)
    assert gap[LONG] == pytest.approx(0.0067797, abs=1e-7)
    assert gap[SHORT] == pytest.approx(0.0065574, abs=1e-7)
    move = 0.05 if side == SHORT else -0.05
    scenario = quiet(depth=DEEP, shock=move, forced={(0, side, 0, 0, 0): density * EDGES}, group_rate=0.02)
    found = simulate(engine, vaults(scenario, take=1.0, gap=np.array(gap)[None, :, None]))
    assert found.vault_inventory[0, 0] == pytest.approx(density * (0.05 - gap[side]), rel=1e-5)
    price = np.exp(move)
    assert found.sold_by[0, ISOLATED] == pytest.approx(density * gap[side] * price, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_who_waits_falls_below_the_threshold(engine):
    """An engine of one a step: who waits is worse off a step later, and is taken over."""
    scenario = crash(0.95, 0.92, throughput=1 * ONE)
    found = simulate(engine, vaults(scenario, take=1.0, gap=0.022))
    waited = simulate(engine, vaults(crash(0.95, 0.95, throughput=1 * ONE), take=1.0, gap=0.022))
    assert waited.vault_inventory[0, 0] == 0
    assert found.sold_by[0, ISOLATED] == pytest.approx(0.95 * ONE, rel=1e-5)
    assert found.vault_inventory[0, 0] == pytest.approx(9 * ONE, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(4))
def test_a_higher_threshold_takes_over_no_less(engine, seed):
    """From equal states: the vault holds more, the book falls no further, and flow rises with the shock."""
    rng = np.random.default_rng(seed)
    depth, density = 100 * ONE, rng.uniform(0.1, 0.9)
    forced = {(0, LONG, 0, 0, 0): density * 100 * ONE / 0.01 * EDGES}
    market = quiet(depth=depth, shock=-rng.uniform(0.01, 0.05), forced=forced, alpha=0.6)
    gaps_ = np.linspace(0, 0.02, 9)
    found = [simulate(engine, vaults(market, take=0.9, gap=gap)) for gap in gaps_]
    held, fall = (np.array([getattr(x, k)[0].flat[0] for x in found]) for k in ("vault_inventory", "fall"))
    assert (np.diff(held) <= 1).all()
    assert (np.diff(fall) >= -1e-6).all()
    assert held[0] > held[-1]


@pytest.mark.parametrize("policy", [0, ADL_QUEUE, ADL_CAPPED_PRO_RATA])
@pytest.mark.parametrize("seed", range(6))
def test_engines_agree_with_thresholds(seed, policy):
    """The same as above with thresholds in some markets, and whoever is deleveraged before."""
    rng = np.random.default_rng(seed)
    scenario = with_random_flows(seed) if seed % 2 else random_scenario(seed, throughput=4e7)
    scenario = replaced(scenario, adl_policy=np.full(2, policy, np.int32))
    gap = np.where(rng.uniform(size=(3, 2, 2)) < 0.3, -1.0, rng.uniform(0, 0.01, (3, 2, 2)))
    scenario = vaults(scenario, room=5e7, take=[0.9, 1.0], unwind=[0.1, 0.6], capital=[1e5, 1e6], gap=gap)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.vault_inventory[:, -1].min() > ONE
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert worst.max() < 10 * TOLERANCE

"""Accounts: holders that several prices can force, and the markets that they drag along."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mechanisms.account import MAX_SLOT
from kernels.mechanisms.account.step_numpy import level, slice_losses
from kernels.mechanisms.adl import ADL_CAPPED_PRO_RATA, ADL_PRO_RATA, ADL_QUEUE, ADL_RANDOM_START
from kernels.mechanisms.feed import Feed
from kernels.outcome import CHANNELS, COMPONENTS, EXHAUSTED
from kernels.packing import pack
from kernels.parts.table.table_numpy import EDGES
from tests.accounts import accounts, long_portfolio
from tests.parity.compare import TOLERANCE, gaps, steep
from tests.scenarios import DEEP, ENGINES, LIMIT, quiet, simulate, with_parts

ONE = 1e6  # dollars: amounts in the known answers are in units of this


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
def test_known_answer_4_cross_margin(engine):
    """News in Ether alone: portfolios half Bitcoin, half Ether drag Bitcoin down by 5%."""
    scenario = accounts(
        quiet(n_asset=2, depth=np.array([[9.7479], [6.8359]]) * ONE, shock=[[0.0, -0.15]]),
        forced={(0, 0, 0): 800 * ONE * EDGES},
        **long_portfolio([0.5, 0.5]),
    )
    found = simulate(engine, scenario)
    precision = 2e-5 if engine == LIMIT else 2e-3
    assert found.fall[0, :, 0] == pytest.approx([0.05, 0.20], rel=precision)
    assert found.liquidated_coins[0, 0, :2] / ONE == pytest.approx([50, 50], rel=precision)
    assert found.sold_by[0, CHANNELS.index("cross_margin")] == pytest.approx(found.liquidated[0, 0, -1, -1])


COIN_MARGINED = {
    # A long whose margin is the coin itself: equity k m + (m - 1), maintenance 1% of the position's face.
    "need": -1.0, "need_fixed": 1.01, "value": 1.0, "value_fixed": 0.0, "lean": -1.0, "start": 0.01,
    "loss": -1.0, "loss_fixed": 1.0, "worth": 1.0, "worth_fixed": 0.0, "sold": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_known_answer_8_inverse(engine):
    """10x, 1% maintenance: forced at .918182, not before; a fill at .90 leaves a deficit of .01 a dollar."""
    index = np.searchsorted(EDGES, 0.09)
    table = ONE * np.clip((EDGES - EDGES[index - 1]) / (EDGES[index] - EDGES[index - 1]), 0, 1)

    def forced(price, **changes):
        scenario = accounts(
            quiet(depth=DEEP, shock=[[np.log(price)]]), forced={(0, 0, 0): table}, **COIN_MARGINED | changes
        )
        return simulate(engine, scenario)

    # Holders fill the bin below k - start = .09: k from .01 + EDGES[index - 1] up to at least .1.
    lowest, highest = EDGES[index - 1] + 0.01, EDGES[index] + 0.01
    trigger = [1.01 / (1 + k) for k in (lowest, highest)]
    assert forced(trigger[0] + 1e-4).liquidated_coins[0, 0, 0] == 0
    assert forced(trigger[1] - 1e-4).liquidated_coins[0, 0, 0] == pytest.approx(ONE, rel=1e-5)
    assert pytest.approx(0.918182, abs=1e-6) == 1.01 / 1.1
    # All have k below .1 + .01 at a fill of .90: equity k m + m - 1, negative up to k = 1/9.
    found = forced(0.90)
    mean = (lowest + highest) / 2
    deficit = 1 - 0.9 - 0.9 * mean
    assert found.loss[0, 2, 0, 0] == pytest.approx(ONE * deficit, rel=1e-4)
    assert pytest.approx(0.01) == 1 - 0.9 - 0.9 * 0.1


@pytest.mark.parametrize("engine", ENGINES)
def test_known_answer_11_depeg(engine):
    """A loss of 6% and 1% maintenance, 7% in all: 10.77% of start worth once the collateral is at .65."""
    part = {
        **long_portfolio([1.0, 0.0], 0.01), "need": np.array([[-1.0], [0.0]])[None], "need_fixed": 1.01,
        "value": np.array([[0.0], [1.0]])[None], "value_fixed": 0.0, "lean": -1.0,
    }  # fmt: skip
    density = 1000 * ONE
    for peg, stress in ((1.0, 0.07), (0.65, 0.07 / 0.65)):
        scenario = accounts(
            quiet(n_asset=2, depth=DEEP, shock=[[np.log(0.94), np.log(peg)]]),
            forced={(0, 0, 0): density * EDGES},
            **part,
        )
        found = simulate(engine, scenario)
        assert found.liquidated_coins[0, 0, 0] == pytest.approx(density * (stress - 0.01), rel=1e-5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_margin_is_lost_or_left(seed):
    """At any fills, what is lost and what is left are the margin at its worth, and no part is negative."""
    rng = np.random.default_rng(seed)
    part = random_scenario(seed).parts.account
    start = rng.uniform(0, 0.2, (1, 2, 2))
    end = start + rng.uniform(0, 0.2, start.shape)
    price = np.exp(rng.normal(0, 0.2, (1, 2, 3, 2)))
    notional, lost, deficit, left = (x[0] for x in slice_losses(part, start, end, price))
    worth = level(price, part.worth, part.worth_fixed)[0]
    mean = part.start + (start + end)[0] / 2
    density = (part.forced[:, :, -1] / EDGES[-1])[..., 0]
    sold = density * (end - start)[0]
    assert notional[..., 0] == pytest.approx(sold, rel=1e-9)
    one = part.size == 0  # notional and face are one
    assert (lost + left)[one][..., 0] == pytest.approx((worth * mean * sold)[one], rel=1e-9)
    # A dollar of face sells size_fixed + size k: the same sum over the face, bin by bin.
    face = faces(part, start, end)
    assert (lost + left)[..., 0] == pytest.approx((worth * face[0])[0], rel=1e-9)
    owed = np.abs(level(price, part.loss, part.loss_fixed)) * face[1]
    assert (deficit[..., 0] <= owed[0] * (1 + 1e-9)).all()
    assert min(notional.min(), deficit.min()) >= 0


def faces(part, start, end):
    """Dollars of face between two distances, times their thresholds and alone: two of [path, slot, venue]."""
    edges = np.clip(EDGES, start[..., None], end[..., None])
    low, high = edges[..., :-1], edges[..., 1:]
    middle = part.start[..., None] + (low + high) / 2
    density = (part.forced[:, :, -1, 0] / EDGES[-1])[..., None]
    face = density * (high - low) / (part.size_fixed[..., None] + part.size[..., None] * middle)
    return (face * middle).sum(axis=-1), face.sum(axis=-1)


LOAN = {
    # A dollar of debt on a coin, threshold 80%, bonus 5%: forced once k m <= 1 / .8.
    "need_fixed": 1.25, "value": 1.0, "value_fixed": 0.0, "lean": -1.0, "start": 1.25, "sold": 1.0,
    "loss_fixed": 1.0, "worth": 1 / 1.05, "worth_fixed": 0.0, "size": 1.05 * 0.8, "size_fixed": 0.0,
    "borrowed": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loan_sells_what_its_threshold_says(engine):
    """A loan of 1 on 1.5625 of coins: forced at .80, it sells 1.3125 of them, which bring 1.05 there."""
    assert 1.25 / 0.8 == 1.5625 == 1.25 + 0.3125
    bin_ = np.searchsorted(EDGES, 0.3125) - 1  # an edge of the table is exactly there
    table = ONE * np.clip((EDGES - EDGES[bin_]) / (EDGES[bin_ + 1] - EDGES[bin_]), 0, 1)
    assert EDGES[bin_ + 1] == 0.3125
    found = simulate(
        engine, accounts(quiet(depth=DEEP, shock=[[np.log(0.79)]]), forced={(0, 0, 0): table}, **LOAN)
    )
    low, high = 1.25 + EDGES[bin_], 1.5625
    debt = ONE / (1.05 * 0.8 * (low + high) / 2)
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(ONE, rel=1e-5)
    fell = debt * (1 - 0.79 / 1.05) * (low + high) / 2
    assert found.loss[0, 0, 0, 0] == pytest.approx(fell, rel=1e-5)
    assert found.loss[0, 2].sum() == 0  # .79 / 1.05 of 1.5 and more is above 1
    # At .60 a coin brings .571: who has less than 1.75 of them leaves a deficit, all of them here.
    found = simulate(
        engine, accounts(quiet(depth=DEEP, shock=[[np.log(0.6)]]), forced={(0, 0, 0): table}, **LOAN)
    )
    assert found.loss[0, 2, 0, 0] == pytest.approx(debt * (1 - 0.6 / 1.05 * (low + high) / 2), rel=1e-5)
    # All that the collateral was worth beyond the debt is lost, and that is all that is.
    assert found.loss[0, 1, 0, 0] == pytest.approx(debt * ((low + high) / 2 - 1), rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_acts_for_a_bonus_that_does_not_pay(engine):
    """The book sold on stands 5% below the mark when the step begins: a bonus of 6% pays, one of 4% waits."""
    scenario = quiet(
        n_step=2, n_venue=2, depth=[[DEEP, 1e8]], shock=[[np.log(0.9)], [0.0]],
        forced={(0, 0, 0, 1, 0): np.minimum(5e8, 1e18 * EDGES)}, mark_weight=[[[1, 0], [1, 0]]],
    )  # fmt: skip
    # Isolated longs take the second book 5% down in the first step; the loans come up in both.
    loans = {(0, 0, 0): ONE * EDGES}
    part = {**long_portfolio([1.0]), "sold": np.array([0.0, 1.0])[None, None, None]}
    due = ONE * 0.1
    for bonus, response, sold in ((0.06, 0.5, 0.75), (0.04, 0.5, 0.5)):
        found = simulate(
            engine, accounts(scenario, forced=loans, bonus=np.log1p(bonus), response=response, **part)
        )
        assert found.liquidated_coins[0, 0, 0] == pytest.approx(due * sold, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_response_takes_its_time(engine):
    """Half of what is due in each step: 1/2, 1/4, 1/8."""
    scenario = accounts(
        quiet(n_step=3, depth=DEEP, shock=[[np.log(0.9)], [0.0], [0.0]]),
        forced={(0, 0, 0): 100 * ONE * EDGES},
        response=0.5,
        **long_portfolio([1.0]),
    )
    due = 100 * ONE * 0.1
    found = simulate(engine, scenario)
    assert found.liquidated_coins[0, 0, 0] == pytest.approx(due * 0.875, rel=1e-5)
    assert found.backlog[0, 0] == pytest.approx(due * 0.5, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_full_book_lets_the_scarcest_leg_decide(engine):
    """The second market takes 2, so both legs sell 2; the rest waits and the path says so."""
    scenario = accounts(
        quiet(n_asset=2, depth=[[DEEP], [ONE]], hard_end=[[np.inf], [2.0]], shock=[[np.log(0.9), 0.0]]),
        forced={(0, 0, 0): 1000 * ONE * EDGES},
        **long_portfolio([0.5, 0.5]),
    )
    found = simulate(engine, scenario)
    assert found.liquidated_coins[0, 0, :2] == pytest.approx([2 * ONE, 2 * ONE], rel=1e-4)
    assert found.status[0] & EXHAUSTED


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_liquidation_loses_nothing(engine):
    """Stop orders sell, and that is all that is booked."""
    scenario = accounts(
        quiet(depth=ONE * 100, shock=[[-0.05]]), forced={(0, 0, 0): 100 * ONE * EDGES}, losing=0,
        channel=CHANNELS.index("stop_loss"), **long_portfolio([1.0]),
    )  # fmt: skip
    found = simulate(engine, scenario)
    assert found.sold_by[0, CHANNELS.index("stop_loss")] > ONE
    assert found.fall[0, 0, 0] > 1 - np.exp(-0.05)
    assert found.liquidated.sum() == found.loss.sum() == 0


AT = int(np.searchsorted(EDGES, 0.08))
KNOWN = (EDGES[AT - 1] + EDGES[AT]) / 2
"""Mean threshold of accounts that fill the bin below .08."""


def bankrupt_pair(policy=ADL_PRO_RATA, shorts=(100, 50, 50), **changes):
    """30 of portfolios, two thirds Bitcoin and a third Ether, all bankrupt once both have fallen by 10%."""
    table = 30 * ONE * np.clip((EDGES - EDGES[AT - 1]) / (EDGES[AT] - EDGES[AT - 1]), 0, 1)
    held = np.zeros((2, 2, 1, 3))
    held[0, 1, 0], held[1, 1, 0] = np.array(shorts) * ONE, np.array([100, 50, 50]) * ONE
    scenario = quiet(
        n_asset=2, n_tier=3, depth=DEEP, shock=[[np.log(0.9)] * 2], adl_policy=policy, tier_notional=held
    )
    return accounts(scenario, forced={(0, 0, 0): table}, **long_portfolio([2 / 3, 1 / 3]) | changes)


@pytest.mark.parametrize("engine", ENGINES)
def test_bankrupt_accounts_are_closed_against_winners_of_every_leg(engine):
    """20 of Bitcoin and 10 of Ether; shorts of 100, 50 and 50 in each give half of it, a quarter, a quarter.
    Forgone: 30 x (.10 - k), two thirds of it by those short of Bitcoin."""
    found = simulate(engine, bankrupt_pair())
    assert found.adl_notional[0, 0, :3] / ONE == pytest.approx([15, 7.5, 7.5], rel=1e-5)
    forgone = 30 * ONE * (0.1 - KNOWN)
    component = dict(zip(COMPONENTS, found.loss[0, :, 0, -1], strict=True))
    assert component["adl"] == component["deficit"] == pytest.approx(forgone, rel=1e-4)
    assert component["margin_lost"] == pytest.approx(30 * ONE * KNOWN, rel=1e-5)
    assert component["bad_debt"] == found.sold_by.sum() == 0
    # Sold for the mark and what the winners forgo: nothing entered a book.
    assert found.liquidated[0, 0, :2, 0] == pytest.approx(
        [20 * ONE * 0.9 + forgone * 2 / 3, 9 * ONE + forgone / 3]
    )
    assert found.adl_forgone[0, 0, 0] == pytest.approx(forgone, rel=1e-4)
    assert found.fall[0, :, 0] == pytest.approx([0.1, 0.1], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_scarcest_leg_decides_how_many_are_closed(engine):
    """Winners of 10 where 20 of Bitcoin are wanted: half of the accounts; the book gets the others."""
    found = simulate(engine, bankrupt_pair(ADL_QUEUE, shorts=(4, 4, 2)))
    assert found.adl_notional[0, 0, -1] / ONE == pytest.approx(15, rel=1e-4)
    assert found.liquidated_coins[0, 0, :2] / ONE == pytest.approx([20, 10], rel=1e-4)
    assert found.sold_by[0].sum() == pytest.approx(15 * ONE * 0.9, rel=1e-3)
    assert found.loss[0, COMPONENTS.index("bad_debt"), 0, -1] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_holders_elsewhere_are_not_deleveraged(engine):
    """Loans hold no positions on the venue: they are sold in books."""
    found = simulate(engine, bankrupt_pair(legs=0.0))
    assert found.adl_notional.sum() == 0
    assert found.sold_by[0].sum() == pytest.approx(27 * ONE, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_coin_owed_and_held_hurts_both_ways(engine):
    """Short .3 of Bitcoin, long .7 of Ether, all margin in Bitcoin: z = .3 + (.4 - .7 E) / B.

    At (1, .4) it is .42, and a rise of Bitcoin would help from .3 on: at (.8, .41) it is .44125, though Ether
    has risen and it was a rise of Bitcoin that hurt at the start.
    """
    w = np.array([-0.3, 0.7])
    path = np.log([[1.0, 1.0], [1.0, 0.4], [0.8, 0.41]])
    in_bitcoin = np.array([[[1.0], [0.0]]])
    scenario = accounts(
        quiet(n_step=2, n_asset=2, depth=DEEP, shock=np.diff(path, axis=0)), forced={(0, 0, 0): ONE * EDGES},
        need=-w[None, :, None], need_fixed=w.sum(), value=in_bitcoin, value_fixed=0.0,
        lean=[[[1.0], [-1.0]]], loss=-w[None, :, None], loss_fixed=w.sum(), worth=in_bitcoin,
        worth_fixed=0.0, sold=w[None, None, :, None],
    )  # fmt: skip
    forced = simulate(engine, scenario).liquidated_coins[0, 0, :2]
    assert forced == pytest.approx(0.44125 * ONE * np.abs(w), rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mark_that_stands_still_counts(engine):
    """Half Bitcoin, half Ether. Marks have been at (-5%, -12%) and, no worse, at (-13%, 0) in log.

    Now prices are at (-4%, -11%), better than at first, but the feed of Bitcoin stopped at -13%.
    """
    path = np.array([[0.0, 0.0], [-0.05, -0.12], [-0.13, 0.0], [-0.04, -0.11]])
    scenario = accounts(
        quiet(n_step=3, n_asset=2, depth=DEEP, shock=np.diff(path, axis=0)),
        forced={(0, 0, 0): ONE * EDGES}, **long_portfolio([0.5, 0.5]),
    )  # fmt: skip
    stale = np.zeros((2, 2, 1), np.int32)
    stale[1, 0] = 1
    row, wrong = np.array([0, 0, 1], np.int32), np.zeros(2, np.int32)
    scenario = with_parts(
        scenario, feed=Feed(row, wrong, np.zeros((2, 3, 2, 1)), stale, np.zeros_like(stale))
    )
    stress = 1 - 0.5 * np.exp(-0.13) - 0.5 * np.exp(-0.11)
    forced = simulate(engine, scenario).liquidated_coins[0, 0, :2]
    assert forced == pytest.approx(stress * ONE / 2, rel=1e-4)


def test_too_many_slots_are_refused():
    """The fused engine has room for so many and no more."""
    scenario = accounts(quiet(), MAX_SLOT + 1)
    with pytest.raises(ValueError, match=f"{MAX_SLOT} slots"):
        pack(scenario, [])


def random_scenario(seed, n_step=6, **changes):
    """Three assets on two venues with isolated longs and shorts, and two slots of mixed accounts."""
    rng = np.random.default_rng(seed)
    n_asset, n_venue, n_tier = 3, 2, 2
    forced = {
        (a, side, 0, v, t): rng.uniform(0, 3e9) * np.clip(EDGES - 0.01 * t, 0, None)
        for a in range(n_asset) for side in range(2) for v in range(n_venue) for t in range(n_tier)
    }  # fmt: skip
    scenario = quiet(
        n_step=n_step, n_asset=n_asset, n_venue=n_venue, n_tier=n_tier, forced=forced,
        depth=rng.uniform(0.5e8, 2e8, (n_asset, n_venue)), volatility=0.01, refill=0.8,
        cholesky=np.linalg.cholesky(0.5 * np.eye(n_asset) + 0.5), alpha=0.6, arbitrage=0.2, monitoring=0.58,
        mark_weight=np.full((n_asset, n_venue, n_venue), 0.5), permanent=1e-11, fund=1e6, fee_rate=0.002,
        surplus_share=0.5, **changes,
    )  # fmt: skip
    weight = rng.dirichlet(np.ones(n_asset), (2, n_venue)) * rng.choice(
        [-1, 1], (2, n_venue, n_asset), p=[0.3, 0.7]
    )
    w = weight.transpose(0, 2, 1)  # [slot, asset, venue]
    coins = rng.uniform(0, 0.3, w.shape)
    rate = 0.01
    own = np.eye(n_venue)[:, None, :] * weight[..., None]  # [slot, venue, asset, target]
    need, value = rate * np.abs(w) - w, 0.9 * coins
    cash, base = 1 - coins.sum(axis=1), 0.9 * coins.sum(axis=1)
    start = rate / (cash + base)
    table = {
        (k, v, t): rng.uniform(0, 3e9) * EDGES
        for k in range(2)
        for v in range(n_venue)
        for t in range(n_tier)
    }
    return accounts(
        scenario, 2, table, legs=w, need=need, need_fixed=w.sum(axis=1), value=value, value_fixed=cash,
        loss=-w, loss_fixed=w.sum(axis=1), worth=coins, worth_fixed=cash, start=start, sold=own,
        lean=np.sign(need - start[:, None] * value), response=[[1.0], [0.6]], throughput=[[np.inf], [2e7]],
        size=[[0.0], [0.8]], size_fixed=[[1.0], [0.7]], bonus=[[np.inf], [0.004]],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("policy", [0, ADL_QUEUE, ADL_CAPPED_PRO_RATA, ADL_RANDOM_START])
def test_engines_agree(seed, policy):
    """Both engines, path by path, with accounts of both signs and collateral in coins."""
    scenario = random_scenario(seed, adl_policy=policy)
    one, other = (simulate(engine, scenario, count=20) for engine in ENGINES)
    assert one.liquidated.sum() > 1e6
    worst = np.max([*gaps(scenario, one, other).values()], axis=0)
    assert (worst[~steep(one, other)] < TOLERANCE).all()
    assert worst.max() < 10 * TOLERANCE


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_money_adds_up(seed):
    """The reference checks on every path that money in is money out: no status says otherwise."""
    found = simulate("numpy", random_scenario(seed, n_step=4, adl_policy=seed % 7), count=4)
    assert (found.status & ~np.uint32(EXHAUSTED) == 0).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.0))
@settings(max_examples=20, deadline=None)
def test_monotone_in_one_step(seed, factor):
    """One step down, long holders only: fewer accounts never force more nor make prices fall further."""
    rng = np.random.default_rng(seed)
    forced = {(a, 0, 0, 0, 0): rng.uniform(0, 2e9) * EDGES for a in range(2)}
    market = quiet(
        n_asset=2, depth=rng.uniform(0.5e8, 2e8, (2, 1)), forced=forced,
        shock=[np.log1p(-rng.uniform(0, 0.1, 2))],
    )  # fmt: skip
    density = rng.uniform(0, 4e9)
    more, less = (
        simulate(LIMIT, accounts(market, forced={(0, 0, 0): x * EDGES}, **long_portfolio([0.5, 0.5])))
        for x in (density, factor * density)
    )
    assert (less.fall <= more.fall * (1 + 1e-6)).all()
    assert (less.liquidated_coins <= more.liquidated_coins * (1 + 1e-6) + 1).all()

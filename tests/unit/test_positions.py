"""Holders one by one become tables, against enumeration of 100,000 of them with no table in between."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mechanisms.liquidation.step_numpy import threshold_margin
from kernels.parts.table.table_numpy import EDGES
from stress.compile import compile_config, maintenance, mixes
from stress.compile.holders import Holders, conserved, tables
from stress.config import load
from stress.config.positions import OpenedPart
from stress.errors import CompileError, ConfigError
from tests.scenarios import LONG, SHORT

SMALL = Path(__file__).parents[1] / "configs" / "small.yaml"
BANDS = [(0, 1), (1, 3), (3, 5), (5, 10), (10, 20), (20, 50), (50, 100), (100, 1001)]
N = 100_000

TABLE = (
    "[{up_to: $300k, maximum_leverage: 150x, rate: 0.4%}, "
    "{up_to: $800k, maximum_leverage: 100x, rate: 0.5%}, "
    "{up_to: $3M, maximum_leverage: 75x, rate: 0.65%}, {up_to: $12M, maximum_leverage: 50x, rate: 1%}, "
    "{up_to: $70M, maximum_leverage: 25x, rate: 2%}, {up_to: $100M, maximum_leverage: 20x, rate: 2.5%}, "
    "{up_to: $230M, maximum_leverage: 10x, rate: 5%}, {up_to: $480M, maximum_leverage: 5x, rate: 10%}]"
)
BINANCE = [(3e5, 150, 0.004, 0), (8e5, 100, 0.005, 300), (3e6, 75, 0.0065, 1500), (12e6, 50, 0.01, 12_000),
           (70e6, 25, 0.02, 132_000), (100e6, 20, 0.025, 482_000), (230e6, 10, 0.05, 2_982_000),
           (480e6, 5, 0.1, 14_482_000)]  # fmt: skip
"""The same table as the venue publishes it, with its maintenance amounts: an independent copy."""


def market(*overrides):
    """A market of the small config: alpha's Bitcoin."""
    return load(SMALL, [f"venues.alpha.markets.BTC.{o}" for o in overrides]).venues["alpha"].markets["BTC"]


def with_brackets(sizes="{median: $20k, sigma: 1.5}"):
    return market("maintenance=[]", f"brackets={{sizes: {sizes}, table: {TABLE}}}", "maximum_leverage=125x")


def liquidation_price(k, side, rate, deduction):
    """Where equity k + s (m - 1) is down to rate x m - deduction, per start dollar; by bisection."""
    sign = 1 if side == LONG else -1
    low, high = (
        np.full(k.shape, 1e-9 if side == LONG else 1.0),
        np.full(k.shape, 1.0 if side == LONG else 99.0),
    )
    for _ in range(80):
        middle = (low + high) / 2
        alive = k + sign * (middle - 1) > rate * middle - deduction
        low, high = (
            (np.where(alive, low, middle), np.where(alive, middle, high))
            if side == LONG
            else (np.where(alive, middle, low), np.where(alive, high, middle))
        )
    return low


def forced_by_edge(price, held, side):
    """Share of the notional whose liquidation price is within each distance [edge]."""
    distance = -np.log(price) if side == LONG else np.log(price)
    order = np.argsort(distance)
    below = np.concatenate([[0.0], np.cumsum(held[order])])
    return below[np.searchsorted(distance[order], EDGES, side="right")] / held.sum()


def one(k, **more):
    """Holders with thresholds `k`, a dollar each, in one tier and class without maintenance."""
    k = np.asarray(k, float)
    given = {"held": np.ones(len(k)), "forced": np.ones(len(k)), "rate": np.zeros(len(k))}
    given |= {
        "deduction": np.zeros(len(k)),
        "tier": np.zeros(len(k), int),
        "group": np.zeros(len(k), int),
        "entry": np.ones(len(k)),
    }
    return Holders(margin=k, **(given | more))


# Tables


def test_one_holder_by_hand():
    """k 10% at mu .5%: 10.035% for the long, in the bin from 9.375% to 10.94%; 9.032% for the short."""
    long = tables(one([0.1], rate=np.array([0.005])), LONG, [], 1, 1, 1).forced[0, :, 0]
    assert (EDGES[np.argmax(long)], EDGES[np.argmax(long) - 1]) == (7 / 64, 6 / 64)
    short = tables(one([0.1], rate=np.array([0.005])), SHORT, [], 1, 1, 1).forced[0, :, 0]
    assert EDGES[np.argmax(short)] == 6 / 64


def test_whoever_is_never_reached_is_held_but_not_forced():
    found = tables(one([1.0, 1.5, 0.5]), LONG, [], 1, 1, 1)
    assert found.held == pytest.approx([3])
    assert found.forced[0, -1, 0] == 1


def test_nobody_is_forced_at_the_start_even_by_rounding():
    found = tables(one([1e-18, 0.0]), LONG, [], 1, 1, 1)
    assert found.forced[0, 0, 0] == 0
    assert found.forced[0, 1, 0] == 2


def test_a_class_is_the_mean_of_its_holders():
    holders = one(
        [0.2] * 3, rate=np.array([0.01, 0.02, 0.05]), forced=np.array([1.0, 3, 2]), group=np.array([0, 0, 1])
    )
    found = tables(holders, LONG, [], 2, 3, 1)
    assert found.rate == pytest.approx([0.0175, 0.05, 0])


def test_lost_notional_is_told_with_both_numbers():
    conserved("x", 1 + 1e-10, 1)
    with pytest.raises(CompileError, match=r"x holds 1\.1 dollars of positions, of 1\.0 given"):
        conserved("x", 1.1, 1.0)


@given(st.sampled_from([LONG, SHORT]), st.lists(st.floats(0.05, 0.3), max_size=3), st.integers(0, 99))
@settings(max_examples=20)
def test_ladders_against_one_holder_after_the_other(side, closes, seed):
    """Each holder walked down its rungs by the margin condition alone."""
    draw = np.random.default_rng(seed)
    k, rate = draw.uniform(0.03, 0.9, 200), np.full(200, 0.02)
    found = tables(one(k, rate=rate), side, closes, 1, 2, 1)
    sizes = [1.0, *(1 - np.cumsum(closes))]
    sign = 1 if side == LONG else -1
    total = np.zeros(len(EDGES))
    equity, price = k.copy(), np.ones(200)
    for size, after in zip(sizes, [*sizes[1:], 0.0], strict=True):
        # Equity is equity + sign x size x (m - price); the venue needs rate x size x m.
        trigger = (price - sign * equity / size) / (1 - sign * rate)
        equity = rate * size * trigger
        reached = trigger > 0
        price = trigger
        held = np.where(reached, size - after, 0.0)
        total += forced_by_edge(np.where(reached, price, 1e-300), held, side) * held.sum()
    assert found.forced.sum(axis=0)[:, 0] == pytest.approx(total, abs=1e-6)


# Brackets


def test_deductions_follow_from_the_rates():
    """As the venue publishes them."""
    assert with_brackets().brackets.deductions == pytest.approx([row[3] for row in BINANCE])


def test_sizes_by_dollars():
    """Half the dollars are in positions above median x exp(sigma^2): by a draw of positions, by number."""
    brackets = with_brackets().brackets
    drawn = 20e3 * np.exp(1.5 * np.random.default_rng(1).standard_normal(2_000_000))
    for share in (0.1, 0.5, 0.9):
        size = float(maintenance.sizes(brackets, np.array([share]))[0])
        assert drawn[drawn <= size].sum() / drawn.sum() == pytest.approx(share, abs=0.006)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=7), st.integers(1, 4))
def test_groups_are_the_best_there_are(members, most):
    weight, value = (np.array(column) for column in zip(*members, strict=True))

    def spread(ends):
        pieces = [slice(a, b) for a, b in zip([0, *ends], [*ends, len(value)], strict=True)]
        held = [(weight[p], value[p]) for p in pieces if weight[p].sum() > 0]
        return sum((w * (v - (w * v).sum() / w.sum()) ** 2).sum() for w, v in held)

    group = maintenance.grouped(weight, value, most)
    n = min(most, len(value))
    assert group[0] == 0
    assert set(np.diff(group)) <= {0, 1}
    assert group[-1] == n - 1
    best = min(spread(ends) for ends in combinations(range(1, len(value)), n - 1))
    assert spread(tuple(np.flatnonzero(np.diff(group)) + 1)) == pytest.approx(best, abs=1e-9)


def test_few_brackets_are_classes_as_they_are():
    size = np.array([1e5, 5e5, 1e6])
    table = "[{up_to: $300k, rate: 0.4%}, {up_to: $800k, rate: 0.5%}, {up_to: $3M, rate: 0.65%}]"
    found = market("maintenance=[]", f"brackets={{sizes: {{median: $20k, sigma: 1}}, table: {table}}}")
    (terms,) = maintenance.terms(found, False, size, size)
    assert list(terms.group) == [0, 1, 2]
    assert terms.deduction == pytest.approx([0, 300 / 5e5, 1500 / 1e6])


# Tiers, against enumeration


ENTRIES = (
    OpenedPart(share="60%", price="96%", deviation="3%"),
    OpenedPart(share="40%", price="103%", deviation="1%"),
)


def enumerated(draw, low, high, side, brackets, entries):
    """100,000 positions drawn by number: thresholds, notional and terms of those that are there."""
    size = 20e3 * np.exp(1.5 * draw.standard_normal(N)) if brackets else np.ones(N)
    cap, rate, amount = np.full(N, np.inf), np.full(N, 0.005), np.zeros(N)
    if brackets:
        row = np.searchsorted([b[0] for b in BINANCE], size)
        _, cap, rate, amount = np.array(BINANCE)[row].T
    u = draw.random(N)
    top = np.minimum(np.minimum(high, 125), cap)
    if entries:
        first = draw.random(N) < 0.6
        z = draw.standard_normal(N)
        e = np.where(first, 0.96 * np.exp(0.03 * z), 1.03 * np.exp(0.01 * z))
        leverage = low * (np.maximum(top, low) / low) ** u
        margin = size * e / leverage  # paid in at the opening, for coins worth size x e then
        k = (margin + (1 if side == LONG else -1) * size * (1 - e)) / size
        there = (top > low) & (k > rate - amount / size)
    else:
        least, most = np.maximum(1 / top, rate - amount / size), 1 / low
        k = least * (most / least) ** u
        there = least < most
    return k[there], size[there], rate[there], (amount / size)[there]


CASES = [
    (tier, side, brackets, entries)
    for tier in ((3, 5), (10, 20), (50, 100))
    for side in (LONG, SHORT)
    for brackets, entries in ((True, False), (False, True), (True, True))
]


@pytest.mark.parametrize(("tier", "side", "brackets", "entries"), CASES)
def test_a_tier_against_enumeration(tier, side, brackets, entries):
    """Notional forced by every edge within 1% of the tier; margin within 2% of the tier's."""
    draw = np.random.default_rng(hash((tier, side, brackets, entries)) % 2**32)
    at = with_brackets() if brackets else market("maintenance=[{rate: 0.5%}]", "maximum_leverage=125x")
    held = np.array([100.0 if band == tier else 0.0 for band in BANDS])
    holders = mixes.holders(at, False, BANDS, held, 0.5 * held, ENTRIES if entries else None, side)
    n_class = maintenance.n_class(at, False)
    found = tables(holders, side, [], n_class, n_class, len(BANDS))
    assert found.held.sum() == pytest.approx(100, rel=1e-9)
    k, size, rate, deduction = enumerated(draw, *tier, side, brackets, entries)
    price = liquidation_price(k, side, rate, deduction)
    assert found.forced.sum(axis=(0, 2)) == pytest.approx(50 * forced_by_edge(price, size, side), abs=0.5)
    margin = 50 * (k * size)[price < 54].sum() / size.sum()
    assert found.margin[:, -1].sum() == pytest.approx(margin, rel=0.02)
    # Tiers of the result are those of present leverage.
    present = np.histogram(1 / k, [low for low, _ in BANDS] + [1e9], weights=size)[0] / size.sum()
    assert found.held == pytest.approx(100 * present, abs=1.0)


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_deficits_with_grouped_brackets(side):
    """Eight brackets in four classes: deficits of whole tiers at one fill, within 3% of enumeration."""
    draw = np.random.default_rng(5)
    at = with_brackets()
    held = np.array([100.0 if band == (10, 20) else 0.0 for band in BANDS])
    holders = mixes.holders(at, False, BANDS, held, held, None, side)
    found = tables(holders, side, [], 4, 4, len(BANDS))
    k, size, rate, deduction = enumerated(draw, 10, 20, side, True, False)
    distance = np.abs(np.log(liquidation_price(k, side, rate, deduction)))
    for reached in (6 / 64, 7 / 64):  # two edges
        loss = 1.15 * reached  # a fill beyond the trigger
        true = 100 * (np.maximum(loss - k, 0) * size)[distance <= reached].sum() / size.sum()
        edge = np.searchsorted(EDGES, reached)
        deficit = 0.0
        for g in range(4):
            fine = np.linspace(0, reached, 4001)
            n = np.interp(fine, EDGES, found.forced[g].sum(axis=1))
            middle = (fine[1:] + fine[:-1]) / 2
            own = threshold_margin(middle, side, found.rate[g], found.deduction[g])
            deficit += (np.maximum(loss - own, 0) * np.diff(n)).sum()
        assert found.forced[:, edge].sum() > 1
        assert deficit == pytest.approx(true, rel=0.03)


def test_opening_leverage_by_hand():
    """10x opened at 90%: k .09 + .1 = .19 for the long; the short has lost .1 of .09 and is gone."""
    (terms,) = maintenance.terms(market("maintenance=[{rate: 0.5%}]"), False, np.ones(1), np.ones(1))
    at = np.array([0.9])
    long = mixes.thresholds(10, 10 + 1e-9, terms, np.array([0.5]), at, LONG)
    assert long == pytest.approx([0.19])
    assert np.isnan(mixes.thresholds(10, 10 + 1e-9, terms, np.array([0.5]), at, SHORT))


def test_entries_at_the_start_price_are_no_entries():
    """Then opening leverage is present leverage, and the closed form holds."""
    plain = compile_config(load(SMALL)).arrays
    text = "mixes.majors.opened={long: [{price: 100%}], short: [{price: 100%}]}"
    opened = compile_config(load(SMALL, [text])).arrays
    scale = plain.tier_notional[0, 0, 0].sum()
    assert opened.forced_total[0, :, 0] == pytest.approx(plain.forced_total[0, :, 0], abs=1e-3 * scale)
    # A class whose maintenance reaches into a tier packs its holders there; opening leverage drops them.
    assert opened.tier_notional.sum() == pytest.approx(plain.tier_notional.sum(), rel=1e-9)


def test_entry_prices():
    points = (np.arange(N) + 0.5) / N
    found = mixes.entry_prices(ENTRIES, points)
    assert np.median(found[points < 0.6]) == pytest.approx(0.96, rel=1e-4)
    assert np.log(found[points > 0.6]).std() == pytest.approx(0.01, rel=1e-3)


def test_a_tier_of_which_nobody_is_left_is_located():
    gone = "mixes.majors.opened={long: [{price: 150%}], short: [{price: 100%}]}"
    with pytest.raises(
        ConfigError, match=r"venues\.alpha\.markets\.BTC\.maintenance: nobody in tier \[3,5\)"
    ):
        compile_config(load(SMALL, [gone]))

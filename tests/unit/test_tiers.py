"""Leverage tiers to distance tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mechanisms.liquidation.step_numpy import threshold_margin
from kernels.parts.table.table_numpy import EDGES
from stress.compile.tiers import FLATTEST, ladder_prices, margin_table, market_tables, thresholds
from tests.scenarios import LONG, SHORT

TIERS = [(0, 1), (1, 3), (3, 5), (5, 10), (10, 20), (20, 50), (50, 100), (100, 1001)]
AMOUNTS = np.array([8.0, 7, 6, 5, 4, 3, 2, 1])

sides = st.sampled_from([LONG, SHORT])
classes = st.lists(
    st.tuples(st.floats(0.05, 1), st.floats(0.001, 0.009), st.floats(0, 0.001)), min_size=1, max_size=3
).map(lambda rows: [(share / sum(r[0] for r in rows), *rest) for share, *rest in rows])
closes = st.lists(st.floats(0.05, 0.3), max_size=3)


def test_range_of_a_tier():
    """[10, 20) is k from 5% to 10%; maintenance of 6% leaves only those above it."""
    assert thresholds(10, 20, 0.01, 0.0) == (0.05, 0.1)
    assert thresholds(10, 20, 0.06, 0.0) == (0.06, 0.1)
    assert thresholds(10, 20, 0.06, 0.02) == (0.05, 0.1)
    assert thresholds(10, 20, 0.12, 0.0) is None
    assert thresholds(0, 1, 0.01, 0.0) == (1.0, 1 / FLATTEST)


def test_log_uniform_by_hand():
    """10 of [10, 20) without maintenance: half of it has k below sqrt(.05 x .1)."""
    forced, *_ = market_tables([(10, 20)], np.array([10.0]), [(1.0, 0.0, 0.0)], [], LONG, 1)
    share = np.clip(np.log(np.maximum(1 - np.exp(-EDGES), 0.05) / 0.05) / np.log(2), 0, 1)
    assert forced[0, :, 0] == pytest.approx(10 * share)


@given(classes, closes, sides)
@settings(max_examples=40)
def test_notional_is_conserved(classes, closes, side):
    """At the end of the axis everybody who can be forced has been: all but flat longs, at k near one."""
    forced, _, _, _, partial = market_tables(TIERS, AMOUNTS, classes, closes, side, 4)
    held = forced[:, -1].sum(axis=0)
    assert held[1:] == pytest.approx(AMOUNTS[1:], rel=0.05 if side == LONG else 1e-9)
    assert held[2:] == pytest.approx(AMOUNTS[2:], rel=1e-9)
    assert np.all(held <= AMOUNTS * (1 + 1e-12))
    assert partial.sum() == bool(closes)


@given(classes, closes, sides)
@settings(max_examples=40)
def test_tables_never_fall(classes, closes, side):
    forced, margin, *_ = market_tables(TIERS, AMOUNTS, classes, closes, side, 4)
    assert np.all(np.diff(forced, axis=1) >= 0)
    assert np.all(np.diff(margin, axis=1) >= -1e-12)


@given(classes, closes, sides)
@settings(max_examples=40)
def test_nobody_is_forced_at_the_start(classes, closes, side):
    """Exactly nobody: a rounding here is a holder who never leaves, and a flow that is not there."""
    forced, margin, *_ = market_tables(TIERS, AMOUNTS, classes, closes, side, 4)
    assert np.all(forced[:, 0] == 0)
    assert np.all(margin[:, 0] == 0)


@given(classes, sides)
@settings(max_examples=40)
def test_margin_is_between_that_of_the_bins_edges(classes, side):
    forced, margin, rate, deduction, _ = market_tables(TIERS, AMOUNTS, classes, [], side, len(classes))
    for g in range(len(classes)):
        k = threshold_margin(EDGES, side, rate[g], deduction[g])[:, None]
        held, margins = np.diff(forced[g], axis=0), np.diff(margin[g], axis=0)
        assert np.all(margins >= held * k[:-1] - 1e-9)
        assert np.all(margins <= held * k[1:] + 1e-9)


@given(sides, st.floats(0.001, 0.009), st.floats(0, 0.001))
def test_higher_leverage_is_forced_sooner(side, rate, deduction):
    forced, *_ = market_tables(TIERS, np.ones(8), [(1.0, rate, deduction)], [], side, 1)
    low, high = forced[0, :, :-1], forced[0, :, 1:]
    assert np.all(high >= low - 1e-12)


def test_classes_share_a_tier_by_who_is_solvent():
    """Where a class asks for more than all of a tier's margin, the others take its share."""
    rows = [(0.5, 0.004, 0.0), (0.3, 0.006, 0.0), (0.2, 0.08, 0.0)]
    forced, *_ = market_tables([(20, 50)], np.array([10.0]), rows, [], LONG, 3)
    assert forced[:, -1, 0] == pytest.approx([6.25, 3.75, 0])


def test_a_tier_without_anybody_solvent_is_refused():
    with pytest.raises(ValueError, match="1"):
        market_tables([(1, 3), (20, 50)], np.ones(2), [(1.0, 0.08, 0.0)], [], LONG, 1)


def test_an_empty_tier_may_be_insolvent():
    forced, *_ = market_tables([(1, 3), (20, 50)], np.array([1.0, 0]), [(1.0, 0.08, 0.0)], [], LONG, 1)
    assert not forced[0, :, 1].any()


# Ladders


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_ladder_by_hand(side):
    """Known answer 12: mu 1.25%, slices of 20%: m2/m1 = .99684 for longs, and its mirror for shorts."""
    prices, sizes = ladder_prices(np.array([0.1]), side, 0.0125, 0.0, [0.2] * 4)
    assert sizes == pytest.approx([0.2] * 5)
    sign = 1 if side == LONG else -1
    # The rung before leaves 1.25% of its size in equity; the next, of .8, needs only 1.25% of that.
    step = (1 - sign * 0.0125 / 0.8) / (1 - sign * 0.0125)
    assert prices[1] / prices[0] == pytest.approx(step)
    if side == LONG:
        assert step == pytest.approx(0.99684, abs=1e-5)


@given(st.floats(0.02, 0.5), st.floats(0.001, 0.015), closes, sides)
def test_every_rung_is_where_equity_meets_maintenance(margin, rate, closes, side):
    """Followed by hand: equity in dollars, position in coins, closed at its own trigger price."""
    prices, sizes = ladder_prices(np.array([margin]), side, rate, 0.0, closes)
    sign, size, equity, last = (1 if side == LONG else -1), 1.0, margin, 1.0
    for price, closed in zip(prices[:, 0], sizes, strict=True):
        equity += sign * size * (price - last)
        assert equity == pytest.approx(rate * size * price, abs=1e-12)
        size, last = size - closed, price
    assert size == pytest.approx(0, abs=1e-12)
    assert np.all(sign * np.diff(prices, axis=0) <= 0)


@given(closes.filter(bool), sides)
@settings(max_examples=20)
def test_a_ladder_starts_where_a_full_close_would(closes, side):
    """The first rung triggers with the whole position, later ones further out."""
    rows = [(1.0, 0.005, 0.0)]
    full = market_tables(TIERS, AMOUNTS, rows, [], side, 2)[0].sum(axis=0)
    rungs = market_tables(TIERS, AMOUNTS, rows, closes, side, 2)[0].sum(axis=0)
    assert np.all(rungs <= full + 2e-3 * AMOUNTS)
    first = market_tables(TIERS, AMOUNTS, rows, closes, side, 2)[0][1]
    assert np.all(first <= sum(closes) * full + 2e-3 * AMOUNTS)


def test_margin_table_by_hand():
    """Two dollars in the bin between two edges have the mean margin of the edges."""
    forced = np.where(np.arange(len(EDGES)) > 10, 2.0, 0.0)[:, None]
    k = threshold_margin(EDGES[10:12], LONG, 0.02, 0.001)
    table = margin_table(forced, LONG, 0.02, 0.001)
    assert table[10, 0] == 0
    assert table[-1, 0] == pytest.approx(k.sum())

"""Forced positions: thresholds, tables and slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.liquidation.step_numpy import (
    advance,
    bankrupt_distance,
    consumed,
    distance,
    forced_below,
    forced_total,
    margin_below,
    slice_losses,
    threshold_margin,
)
from stress.compile.tiers import market_tables
from tests.scenarios import LONG, SHORT, quiet

TIERS = [(1, 5), (5, 20), (20, 100)]
CLASSES = [(0.6, 0.004, 0.0), (0.4, 0.02, 0.01)]
INF = np.inf


def market(side, amounts=(3e8, 2e8, 1e8), closes=()):
    """One market with two maintenance classes, and with a ladder where `closes` says so."""
    n_group = len(CLASSES) + bool(closes)
    forced, _, rate, deduction, partial = market_tables(
        TIERS, np.array(amounts), CLASSES, closes, side, n_group
    )
    return quiet(
        n_tier=3, n_group=n_group, group_rate=rate[:, None], group_deduction=deduction[:, None],
        group_partial=partial[:, None],
        forced={(0, side, g, 0, t): forced[g, :, t] for g in range(n_group) for t in range(3)},
    ).arrays  # fmt: skip


def slice_at(arrays, side, start, end, price):
    one = np.zeros(1, int)
    n_group = arrays.forced.shape[2]
    frontiers = (np.full((1, n_group), x) for x in (start, end))
    parts = slice_losses(arrays, one, one + side, one, *frontiers, np.ones((1, 3)), np.array([price]))
    return [part[0] for part in parts]


def test_distances():
    assert distance(np.array([-0.1, 0.2]), np.array(0.01)) == pytest.approx(
        np.array([[0.11, -0.19], [-0.09, 0.21]])
    )


@pytest.mark.parametrize(
    ("price", "side", "rate", "deduction", "margin"),
    [
        (0.909091, LONG, 0.01, 0.0, 0.1),  # linear 10x long, mu 1%: trigger .909091
        (0.9, LONG, 0.0, 0.0, 0.1),
        (1.1, SHORT, 0.0, 0.0, 0.1),
        (1.0891089, SHORT, 0.01, 0.0, 0.1),
        (0.9, LONG, 0.02, 0.005, 0.113),  # z = mu m - a + (1 - m)
    ],
)
def test_threshold_by_hand(price, side, rate, deduction, margin):
    sign = 1 if side == LONG else -1
    assert threshold_margin(-sign * np.log(price), side, rate, deduction) == pytest.approx(margin, abs=1e-6)


prices = st.floats(0.3, 2.0)
rates, deductions = st.floats(0, 0.05), st.floats(0, 0.02)


@given(prices, st.sampled_from([LONG, SHORT]), rates, deductions)
def test_bankrupt_distance_is_where_margin_equals_loss(price, side, rate, deduction):
    """Eq. (3): the holder who triggers there has k = z_B."""
    at = bankrupt_distance(price, side, rate, deduction)
    if np.isfinite(at):
        assert threshold_margin(at, side, rate, deduction) == pytest.approx(consumed(price, side), abs=1e-12)


@given(st.floats(0, 3), st.sampled_from([LONG, SHORT]), rates, deductions)
def test_holders_further_out_have_more_margin(at, side, rate, deduction):
    margins = [threshold_margin(x, side, rate, deduction) for x in (at, at + 0.1)]
    assert margins[0] < margins[1]


def test_tables_agree_with_enumeration():
    """Two million holders one by one: who triggers within a distance, and with how much margin."""
    for side in (LONG, SHORT):
        arrays, sign = market(side), 1 if side == LONG else -1
        for g, (share, rate, deduction) in enumerate(CLASSES):
            for t, (low, high) in enumerate(TIERS):
                smallest = max(1 / high, rate - deduction)
                margin = smallest * (1 / low / smallest) ** ((np.arange(400_000) + 0.5) / 400_000)
                price = (1 - sign * (margin + deduction)) / (1 - sign * rate)
                trigger = np.where(price > 0, -sign * np.log(np.maximum(price, 1e-300)), INF)
                total = share * (3e8, 2e8, 1e8)[t]
                for reach in (0.015, 0.06, 0.2, 0.5):
                    hit, zero = trigger <= reach, np.zeros(1, int)
                    place = (arrays, zero, zero + side, zero, np.full((1, 2), reach))
                    assert forced_below(*place)[0, g, t] == pytest.approx(
                        total * hit.mean(), abs=0.012 * total
                    )
                    held = total * (margin * hit).mean()
                    assert margin_below(*place)[0, g, t] == pytest.approx(
                        held, abs=0.012 * total * threshold(reach)
                    )


def threshold(reach):
    return 1.2 * np.expm1(reach)


slices = st.tuples(st.floats(0, 1), st.floats(0, 1), prices, st.sampled_from([LONG, SHORT]))


@given(slices)
def test_slices_conserve_margin_and_are_never_negative(case):
    """lost + left = start margin of the slice; lost + deficit = what the fill consumed."""
    a, b, price, side = case
    arrays, (start, end) = market(side), sorted((a, b))
    price = np.clip(price, np.exp(-0.9), 1.0) if side == LONG else max(price, 1.0)
    notional, lost, deficit, left = slice_at(arrays, side, start, end, price)
    zero = np.zeros(1, int)
    margins = [margin_below(arrays, zero, zero + side, zero, np.full((1, 2), x))[0] for x in (start, end)]
    # The table's straight bins and the exact bankruptcy distance part by rounding and by curvature.
    slack = 2e-3 * notional + 1e-6
    assert np.all(notional >= -1e-6)
    assert np.all(deficit >= 0)
    assert np.all(left >= -slack)
    assert lost + left == pytest.approx(margins[1] - margins[0], abs=1.0)
    assert lost + deficit == pytest.approx(consumed(price, side) * notional, abs=1.0)


@given(slices, st.floats(0, 1))
def test_slices_add_up(case, part):
    a, b, price, side = case
    arrays, (start, end) = market(side), sorted((a, b))
    middle = start + part * (end - start)
    whole = slice_at(arrays, side, start, end, price)
    first, second = (slice_at(arrays, side, *ends, price) for ends in ((start, middle), (middle, end)))
    for x, y, z in zip(whole, first, second, strict=True):
        assert y + z == pytest.approx(x, abs=1e3)  # of 6e8


@given(slices, st.floats(0.5, 1.0))
def test_worse_fills_never_lose_less(case, worse):
    a, b, price, side = case
    arrays, (start, end) = market(side), sorted((a, b))
    other = price * worse if side == LONG else price / worse
    one, two = (slice_at(arrays, side, start, end, p) for p in (price, other))
    assert np.all(two[2] >= one[2] - 1e3)
    assert np.all(two[3] <= one[3] + 1e3)


def test_rungs_of_a_ladder_have_no_deficit():
    arrays = market(LONG, closes=(0.2, 0.2))
    _, _, deficit, _ = slice_at(arrays, LONG, 0.0, 1.0, 0.5)
    assert not deficit[2].any()
    assert deficit[:2].any()


@given(st.floats(0.01, 0.8), st.floats(0, 0.8), st.floats(0, 1), st.sampled_from([LONG, SHORT]))
def test_advance_executes_what_was_asked(frontier, behind, share, side):
    arrays = market(side)
    zero, survival = np.zeros(1, int), np.array([[1.0, 0.5, 0.8]])
    executed = np.array([[behind * frontier, 0.5 * behind * frontier]])

    def done(at):
        return (forced_below(arrays, zero, zero + side, zero, at) * survival).sum()

    before, most = done(executed), done(np.full((1, 2), frontier))
    target = share * (most - before)
    after, _ = advance(
        arrays, zero, zero + side, zero, executed, np.array([frontier]), survival, np.array([target])
    )
    assert done(after) - before == pytest.approx(target, abs=1.0)
    assert np.all(after >= executed)
    assert np.all(after <= max(frontier, executed.max()))


def test_thinned_tiers_force_less():
    arrays = market(LONG)
    reached = np.zeros((1, 2, 1))
    reached[0, LONG, 0] = 0.5
    survival = np.ones((1, 2, 1, 3))
    full = forced_total(arrays, np.array([0]), reached, survival)[0, LONG, 0]
    survival[0, LONG, 0] = 0.5
    assert forced_total(arrays, np.array([0]), reached, survival)[0, LONG, 0] == pytest.approx(full / 2)

"""Leverage tiers become distance tables: how much is forced, and with how much margin, by distance.

A holder is its threshold k, equity over notional at the start. Within a tier thresholds are
log-uniform; every maintenance class of a market gets its share of them, and a venue's ladder of
partial closes turns each holder into several. Equations of docs/methods/liquidation.md.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.liquidation.step_numpy import threshold_margin
from kernels.parts.table import N_EDGE
from kernels.parts.table.table_numpy import EDGES

FLATTEST = 0.1
"""Leverage at which the tier that starts at zero is taken to begin: k up to 10."""

LADDER_SAMPLES = 4096
"""Holders per tier that stand for the continuum where a ladder is compiled."""


def thresholds(low, high, rate, deduction):
    """Range of start margins of a leverage tier [low, high) that is solvent in a maintenance class.

    returns: (smallest, largest) k, equity per dollar of notional; None where nobody fits
    """
    smallest = max(1 / high, rate - deduction)
    largest = 1 / max(low, FLATTEST)
    return (smallest, largest) if smallest < largest else None


def cumulative(smallest, largest, side, rate, deduction):
    """Share of a log-uniform tier that is forced within every distance edge: float64 [edge]."""
    margin = threshold_margin(EDGES, side, rate, deduction)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.log(np.maximum(margin, smallest) / smallest) / np.log(largest / smallest)
    # Nobody starts insolvent: rounding of the threshold at distance zero must not say otherwise.
    share[0] = 0.0
    return np.clip(share, 0.0, 1.0)


def ladder_prices(margin, side, rate, deduction, closes):
    """Prices at which a holder's successive partial closes and the last close trigger.

    margin : [n], k at the start; closes: share of the position closed on every rung but the last
    returns: [rung, n], price relative to the start; sizes closed [rung]
    """
    sign = 1.0 if side == LONG else -1.0
    sizes = np.append(1 - np.cumsum([0.0, *closes[:-1]]), 1 - sum(closes)) if closes else np.ones(1)
    price = (1 - sign * (margin + deduction)) / (1 - sign * rate)
    prices = [price]
    for before, after in pairwise(sizes):
        equity = before * (rate * price - deduction)
        # The close itself leaves equity unchanged; the rest is forced when it falls to its own need.
        price = (price - sign * (equity / after + deduction)) / (1 - sign * rate)
        prices.append(price)
    return np.array(prices), np.append(sizes[:-1] - sizes[1:], sizes[-1])


def ladder_cumulative(smallest, largest, side, rate, deduction, closes):
    """The same as `cumulative` for a venue that closes in rungs: (partial, last), each [edge]."""
    uniform = (np.arange(LADDER_SAMPLES) + 0.5) / LADDER_SAMPLES
    margin = smallest * (largest / smallest) ** uniform
    prices, sizes = ladder_prices(margin, side, rate, deduction, closes)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.where(prices > 0, (-1 if side == LONG else 1) * np.log(prices), np.inf)
    below = [np.searchsorted(np.sort(d), EDGES, side="right") / LADDER_SAMPLES for d in distance]
    return sum((size * b for size, b in zip(sizes[:-1], below[:-1], strict=True)), np.zeros(N_EDGE)), (
        sizes[-1] * below[-1]
    )


def margin_table(forced, side, rate, deduction):
    """Cumulative start margin of cumulative notional [..., edge, tier], Eq. (5)."""
    margin = threshold_margin(EDGES, side, rate, deduction)
    mean = (margin[1:] + margin[:-1]) / 2
    steps = np.diff(forced, axis=-2) * mean[:, None]
    return np.concatenate([np.zeros_like(forced[..., :1, :]), np.cumsum(steps, axis=-2)], axis=-2)


def margin_tables(forced, side, rates, deductions):
    """The same for all groups of a market and side [group, edge, tier]."""
    groups = zip(forced, rates, deductions, strict=True)
    return np.stack([margin_table(table, side, rate, deduction) for table, rate, deduction in groups])


def market_tables(tiers, notional, classes, closes, side, n_group):
    """Distance tables of one market and side.

    tiers   : [(low, high)], leverage bands
    notional: [tier], USD that can be forced
    classes : [(share, rate, deduction)]
    closes  : shares closed on the rungs of the venue's ladder before the last
    returns : forced, margin [group, edge, tier]; rate, deduction, partial [group]
    raises  : ValueError(tier index) where no class of the market leaves anybody solvent in a tier
    """
    forced = np.zeros((n_group, N_EDGE, len(tiers)))
    rates, deductions = np.zeros(n_group), np.zeros(n_group)
    partial = np.zeros(n_group, bool)
    if closes:
        partial[len(classes)] = True
    for g, (_, rate, deduction) in enumerate(classes):
        rates[g], deductions[g] = rate, deduction
    for t, (low, high) in enumerate(tiers):
        ranges = [thresholds(low, high, rate, deduction) for _, rate, deduction in classes]
        total = sum(share for (share, _, _), r in zip(classes, ranges, strict=True) if r)
        if notional[t] > 0 and total == 0:
            raise ValueError(t)
        for g, ((share, rate, deduction), r) in enumerate(zip(classes, ranges, strict=True)):
            if not r or notional[t] == 0:
                continue
            amount = notional[t] * share / total
            if closes:
                rungs, last = ladder_cumulative(*r, side, rate, deduction, closes)
                forced[len(classes), :, t] += amount * rungs
                forced[g, :, t] = amount * last
            else:
                forced[g, :, t] = amount * cumulative(*r, side, rate, deduction)
    return forced, margin_tables(forced, side, rates, deductions), rates, deductions, partial

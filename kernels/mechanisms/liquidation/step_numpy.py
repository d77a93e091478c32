"""Frontiers and slices of forced positions: the specification.

Notation of docs/methods/liquidation.md. Arrays of several markets carry the trailing axes
[..., side, group, venue, tier]; a `market` argument is the pair of index arrays that picks rows
of the scenario's tables, so that the same functions serve dense and sparse sets of markets.
"""

import numpy as np

from kernels.mechanisms.liquidation import LONG
from kernels.parts.table.table_numpy import EDGES, amount, locate

BISECTIONS = 60


def distance(mark, offset):
    """Distances reached by log marks [..., venue] and an offset [..., side, venue], Eq. (1)."""
    return np.stack([-mark, mark], axis=-2) + offset


def threshold_margin(distance, side, rate, deduction):
    """Start margin per dollar of the holder who triggers at `distance`, Eq. (2)."""
    long = 1 - deduction - (1 - rate) * np.exp(-distance)
    short = (1 + rate) * np.exp(distance) - 1 - deduction
    return np.where(side == LONG, long, short)


def bankrupt_distance(price, side, rate, deduction):
    """Distance up to which holders are bankrupt at a price, Eq. (3); price is relative to the start."""
    with np.errstate(divide="ignore", invalid="ignore"):
        long = np.where(price > deduction, np.log((1 - rate) / (price - deduction)), np.inf)
        short = np.log((price + deduction) / (1 + rate))
    return np.where(side == LONG, long, short)


def consumed(price, side):
    """Loss per start dollar at a price, z_B of Eq. (4)."""
    return np.where(side == LONG, 1 - price, price - 1)


def forced_total(arrays, asset, reached, survival, crowd=None):
    """Notional of whole markets with thresholds up to `reached`: USD [n, side, venue].

    asset   : [n]
    reached : [n, side, venue]
    survival: [n, side, venue, tier]
    crowd   : Crowd of these rows; None: all are as in the tables
    """
    pick = np.ix_(asset, np.arange(reached.shape[1]), np.arange(reached.shape[2]))
    index, fraction = locate(reached)
    total = amount(arrays.forced_total[(*pick, index)], arrays.forced_total[(*pick, index + 1)], fraction)
    n, side, venue = np.nonzero((survival != 1).any(axis=-1))
    if len(n):
        groups = np.repeat(reached[n, side, venue][:, None], arrays.forced.shape[2], axis=1)
        rows = forced_below(arrays, asset[n], side, venue, groups)
        total[n, side, venue] = (rows * survival[n, side, venue][:, None, :]).sum(axis=(1, 2))
    return total if crowd is None else crowd.scale * total + crowd.lump(reached)


def along_bin(arrays, asset, reached, far, crowd=None):
    """The same up to `far`, if it went on as within the bin of `reached`; nobody deleveraged."""
    pick = np.ix_(asset, np.arange(reached.shape[1]), np.arange(reached.shape[2]))
    index, _ = locate(reached)
    fraction = (far - EDGES[index]) / (EDGES[index + 1] - EDGES[index])
    within = amount(arrays.forced_total[(*pick, index)], arrays.forced_total[(*pick, index + 1)], fraction)
    total = np.where(reached < EDGES[-1], within, arrays.forced_total[(*pick, -1)])
    return total if crowd is None else crowd.scale * total + crowd.lump(reached)


def bin_end(reached, crowd=None):
    """Where the bin of a distance ends, or a whale begins; beyond the table nothing does."""
    end = np.where(reached < EDGES[-1], EDGES[locate(reached)[0] + 1], np.inf)
    return end if crowd is None else np.minimum(end, crowd.bin_end(reached))


def executed_total(arrays, asset, executed, survival, crowd=None):
    """The same up to executed frontiers that differ by group: USD [n, side, venue].

    executed: [n, side, group, venue]
    """
    same = (executed == executed[:, :, :1]).all(axis=2) & (survival == 1).all(axis=-1)
    total = forced_total(arrays, asset, executed[:, :, 0], np.ones_like(survival))
    n, side, venue = np.nonzero(~same)
    if len(n):
        rows = forced_below(arrays, asset[n], side, venue, executed[n, side, :, venue])
        total[n, side, venue] = (rows * survival[n, side, venue][:, None, :]).sum(axis=(1, 2))
    return total if crowd is None else crowd.scale * total + crowd.lump(crowd.executed)


def forced_below(arrays, asset, side, venue, reached):
    """Notional with thresholds up to `reached` [n, group]: USD [n, group, tier]."""
    index, fraction = locate(reached)
    group = np.arange(reached.shape[-1])
    pick = (asset[:, None], side[:, None], group, venue[:, None])
    return amount(arrays.forced[(*pick, index)], arrays.forced[(*pick, index + 1)], fraction[..., None])


def margin_below(arrays, asset, side, venue, reached):
    """Start margin of that notional, Eq. (5): USD [n, group, tier]."""
    index, fraction = locate(reached)
    group = np.arange(reached.shape[-1])
    pick = (asset[:, None], side[:, None], group, venue[:, None])
    rate, deduction = arrays.group_rate[pick], arrays.group_deduction[pick]
    low = threshold_margin(EDGES[index], side[:, None], rate, deduction)
    high = threshold_margin(EDGES[index + 1], side[:, None], rate, deduction)
    held = arrays.forced[(*pick, index + 1)] - arrays.forced[(*pick, index)]
    mean = low + fraction / 2 * (high - low)
    return arrays.margin[(*pick, index)] + held * (fraction * mean)[..., None]


def advance(arrays, asset, side, venue, executed, ends, survival, target, crowd=None):
    """Executed frontiers after `target` dollars of the backlog, first in first out.

    executed, ends: [n, group], where the backlog begins and ends
    survival      : [n, tier]; target: [n], USD at most the backlog
    crowd         : Crowd of these markets and sides, whose whales are in the same line
    returns       : [n, group]; how far the line has come, for whales [n]
    """
    start = forced_below(arrays, asset, side, venue, executed)
    ends = np.maximum(executed, ends)
    low, high = np.zeros(len(target)), ends.max(axis=1)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        reached = np.clip(middle[:, None], executed, ends)
        below = forced_below(arrays, asset, side, venue, reached)
        done = ((below - start) * survival[:, None, :]).sum(axis=(1, 2))
        if crowd is not None:
            done = done + crowd.lump(np.maximum(middle, crowd.executed)) - crowd.lump(crowd.executed)
        low = np.where(done <= target, middle, low)
        high = np.where(done <= target, high, middle)
    return np.clip(low[:, None], executed, ends), low


def pieces(start, end):
    """Slices cut at the edges of the distance table, from the lowest bin up: yields (from, to).

    start, end: [n, group]. Margin is straight within a bin, and a fee is taken from the margin left
    of its own holders, not from that of others in the slice.
    """
    while True:
        index, _ = locate(start)
        stop = np.minimum(end, EDGES[index + 1])
        # Past the table's end nobody is left.
        stop = np.where(stop > start, stop, end)
        yield start, stop
        if (stop >= end).all():
            return
        start = stop


def slice_losses(arrays, asset, side, venue, start, end, survival, price):
    """What the holders between two frontiers lose when they are closed at one price, Eq. (4).

    start, end: [n, group], executed frontiers before and after
    survival  : [n, tier], share of each tier that auto-deleveraging has left
    price     : [n], fill relative to the start price
    returns   : notional, margin lost, deficit, margin left, each USD [n, group, tier]
    """
    group = np.arange(start.shape[-1])
    pick = (asset[:, None], side[:, None], group, venue[:, None])
    rate, deduction = arrays.group_rate[pick], arrays.group_deduction[pick]
    bankrupt = bankrupt_distance(price[:, None], side[:, None], rate, deduction)
    # Rungs of a ladder close and live on: they have no bankruptcy of their own.
    bankrupt = np.where(arrays.group_partial[pick], start, np.clip(bankrupt, start, end))

    def between(below, a, b):
        return (below(arrays, asset, side, venue, b) - below(arrays, asset, side, venue, a)) * survival[
            :, None, :
        ]

    loss = consumed(price, side)[:, None, None]
    notional = between(forced_below, start, end)
    # The table's straight bins and the exact bankruptcy distance differ by rounding: cut at zero.
    deficit = loss * between(forced_below, start, bankrupt) - between(margin_below, start, bankrupt)
    deficit = np.maximum(deficit, 0.0)
    lost = loss * notional - deficit
    left = between(margin_below, start, end) - lost
    return notional, lost, deficit, left

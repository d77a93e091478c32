"""Whose positions auto-deleveraging closes: the specification of the policies."""

from dataclasses import dataclass

import numpy as np

from kernels import sites
from kernels.mechanisms.adl import (
    ADL_CAPPED_PRO_RATA,
    ADL_LEVERAGE_WATERFILL,
    ADL_QUEUE,
    ADL_QUEUE_HYPERLIQUID,
    ADL_RANDOM_START,
)
from kernels.mechanisms.liquidation import LONG
from kernels.parts.philox.philox_numpy import words


@dataclass
class Winners:
    """Winners of n markets at the mark, tier by tier [n, tier]; tiers by rising leverage at the start."""

    notional: np.ndarray  # of those in profit, USD
    profit: np.ndarray  # since entry, per start dollar
    collateral: np.ndarray  # at entry, per start dollar
    equity: np.ndarray  # present, per start dollar
    growth: np.ndarray  # mark over entry for longs, entry over mark for shorts
    leverage: np.ndarray  # present notional over equity
    thinned: np.ndarray  # the same, where deleveraging has cut positions and left equity


def standing(part, asset, side, venue, price, notional, survival):
    """Winners of `side` at a price, Eq. (3): all arguments [n] or [n, tier]."""
    sign = np.where(side == LONG, 1.0, -1.0)[:, None]
    entry = part.entry[asset, side, venue]
    mark = price[:, None]
    profit = sign * (mark - entry)
    start = part.equity[asset, side, venue]
    equity = start + sign * (mark - 1)
    growth = np.where(sign > 0, mark / entry, entry / mark)
    in_profit = np.where(profit > 0, notional, 0.0)
    collateral = start + sign * (entry - 1)
    return Winners(in_profit, profit, collateral, equity, growth, mark / equity, survival * mark / equity)


def start_of_list(seed, path, step, n_asset):
    """Where in the list of winners a `random_start` begins, as a share of it: [path, asset]."""
    word = words(seed, path, step, sites.ADL_START, n_asset)
    return (word >> np.uint32(8)) * 2.0**-24


def room(policy, winners):
    """Share of each tier that may be closed, Eq. (6): [n, tier]."""
    cap = np.minimum(winners.profit / winners.equity, 1.0)
    return np.where((policy == ADL_CAPPED_PRO_RATA)[:, None], np.maximum(cap, 0.0), 1.0)


def take(policy, winners, need, start):
    """Winners' notional closed in every tier, Eqs. (4)-(8): [n, tier].

    policy: [n]; need: at most what `room` leaves, USD [n]; start: share of the list, [n]
    """
    notional, each = winners.notional, need[:, None]
    total = notional.sum(axis=1, keepdims=True)
    taken = notional * (each / np.where(total > 0, total, 1.0))
    scores = {
        ADL_QUEUE: winners.profit / winners.collateral * winners.leverage,
        ADL_QUEUE_HYPERLIQUID: winners.growth * winners.leverage,
    }
    for which, score in scores.items():
        taken = _where(policy, which, queue(notional, each, score), taken)
    taken = _where(policy, ADL_CAPPED_PRO_RATA, capped(notional, each, room(policy, winners)), taken)
    taken = _where(policy, ADL_LEVERAGE_WATERFILL, waterfill(notional, each, winners.thinned), taken)
    return _where(policy, ADL_RANDOM_START, walk(notional, each, start[:, None] * total), taken)


def _where(policy, which, some, rest):
    return np.where((policy == which)[:, None], some, rest)


def queue(notional, need, score):
    """The highest score first, ties by the higher tier, Eq. (5)."""
    tier = np.arange(notional.shape[1])
    above = score[:, :, None] > score[:, None, :]
    level = score[:, :, None] == score[:, None, :]
    first = above | (level & (tier[:, None] > tier))
    ahead = (notional[:, :, None] * first).sum(axis=1)
    return np.clip(need - ahead, 0.0, notional)


def capped(notional, need, cap):
    """The same share of all, but at most `cap` of each, Eq. (6)."""
    # What all give where the share is the cap of tier j, for every j.
    given = (notional[:, None, :] * np.minimum(cap[:, :, None], cap[:, None, :])).sum(axis=2)
    full = given <= need
    rest = np.where(full, 0.0, notional).sum(axis=1, keepdims=True)
    share = (need - (full * notional * cap).sum(axis=1, keepdims=True)) / np.where(rest > 0, rest, 1.0)
    return notional * np.where(full, cap, np.clip(share, 0.0, cap))


def waterfill(notional, need, leverage):
    """Leverage cut down to one level, the same for all that are above it, Eq. (7)."""
    held = np.where(notional > 0, leverage, 0.0)
    floor = np.maximum(held, 1e-30)
    # What all give where the level is the leverage of tier j, for every j.
    given = (notional[:, None, :] * np.maximum(1 - held[:, :, None] / floor[:, None, :], 0.0)).sum(axis=2)
    cut = (given < need) & (notional > 0)
    slope = np.where(cut, notional / floor, 0.0).sum(axis=1, keepdims=True)
    excess = np.where(cut, notional, 0.0).sum(axis=1, keepdims=True) - need
    level = np.maximum(excess, 0.0) / np.where(slope > 0, slope, 1.0)
    return np.where(cut, notional * np.clip(1 - level / floor, 0.0, 1.0), 0.0)


def walk(notional, need, start):
    """From a place in the list of winners on, and round to its beginning, Eq. (8)."""
    end = np.cumsum(notional, axis=1)
    begin, total = end - notional, end[:, -1:]

    def overlap(low):
        return np.minimum(end, low + need) - np.maximum(begin, low)

    return np.minimum(np.maximum(overlap(start), 0.0) + np.maximum(overlap(start - total), 0.0), notional)

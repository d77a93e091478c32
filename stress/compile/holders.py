"""Holders, one by one, become the distance tables of a market: who is forced when, with what margin.

Equations of docs/methods/positions.md and liquidation.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from kernels.mechanisms.liquidation import LONG
from kernels.parts.table import N_EDGE
from kernels.parts.table.table_numpy import EDGES
from stress.compile.tiers import ladder_prices, margin_table
from stress.errors import CompileError

CONSERVED = 1e-9
"""Share of the notional that may be lost to rounding."""


@dataclass(frozen=True)
class Holders:
    """Holders of one market and side; every array is [holder]."""

    margin: np.ndarray
    """Threshold k: equity at the start per dollar of notional."""
    held: np.ndarray
    """Notional, USD."""
    forced: np.ndarray
    """What of it can be forced, USD."""
    tier: np.ndarray
    """Leverage tier, int64."""
    rate: np.ndarray
    deduction: np.ndarray
    group: np.ndarray
    """Maintenance class, int64."""
    entry: np.ndarray
    """Entry price over the price at the start; 1 where nothing is known of it."""

    @classmethod
    def nobody(cls) -> Holders:
        """No holders."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(real, real, real, whole, real, real, whole, real)

    @classmethod
    def together(cls, parts: list[Holders]) -> Holders:
        """All of them."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


@dataclass(frozen=True)
class Winners:
    """Means of a tier's holders by notional; every array is [tier]."""

    equity: np.ndarray
    """Equity per dollar of notional; NaN where there is nobody."""
    entry: np.ndarray
    """Entry price over the price at the start; NaN where there is nobody."""
    hedged: np.ndarray
    """Notional that is never forced, USD."""


@dataclass(frozen=True)
class Tables:
    """What a scenario holds of one market and side."""

    forced: np.ndarray
    """Notional forced by a distance [group, edge, tier], USD."""
    margin: np.ndarray
    """Its start margin [group, edge, tier], USD."""
    rate: np.ndarray
    deduction: np.ndarray
    partial: np.ndarray
    """Whether a class is that of the rungs of a ladder [group]."""
    held: np.ndarray
    """Open interest [tier], USD."""
    winners: Winners | None = None
    """Who may be deleveraged, where it is known holder by holder."""


def band(leverage: np.ndarray, bands: list[tuple[float, float]]) -> np.ndarray:
    """Tier of a present leverage; what is above the last tier counts in it."""
    lows = [low for low, _ in bands]
    return np.clip(np.searchsorted(lows, leverage, side="right") - 1, 0, len(bands) - 1)


def tables(
    holders: Holders, side: int, closes: list[float], n_class: int, n_group: int, n_tier: int
) -> Tables:
    """Distance tables of holders that are all solvent at the start.

    closes : shares of the position that a venue's ladder closes before the last rung
    n_class: classes that the holders are in; the rungs of a ladder are the one after them
    """
    prices, sizes = ladder_prices(holders.margin, side, holders.rate, holders.deduction, closes)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.where(prices > 0, (-1 if side == LONG else 1) * np.log(prices), np.inf)
    amounts, beyond = np.zeros((n_group, N_EDGE, n_tier)), 0.0
    for rung, (reached, size) in enumerate(zip(distance, sizes, strict=True)):
        group = holders.group if rung == len(sizes) - 1 else np.full(len(reached), n_class)
        # Rounding at distance zero must not force anybody at the start: the first bin takes it.
        edge = np.maximum(np.searchsorted(EDGES, reached, side="left"), 1)
        inside = edge < N_EDGE  # the others are triggered beyond the table's end: never
        at = np.ravel_multi_index((group[inside], edge[inside], holders.tier[inside]), amounts.shape)
        amounts += np.bincount(at, size * holders.forced[inside], amounts.size).reshape(amounts.shape)
        beyond += size * holders.forced[~inside].sum()
    conserved("the distance table", amounts.sum() + beyond, holders.forced.sum())
    forced = np.cumsum(amounts, axis=1)
    rate, deduction = (class_mean(holders, each, n_group) for each in (holders.rate, holders.deduction))
    margin = np.stack([margin_table(forced[g], side, rate[g], deduction[g]) for g in range(n_group)])
    partial = np.zeros(n_group, bool)
    if closes:
        partial[n_class] = True
    held = np.bincount(holders.tier, holders.held, n_tier)
    return Tables(forced, margin, rate, deduction, partial, held, winners(holders, held))


def winners(holders: Holders, held: np.ndarray) -> Winners:
    """What deleveraging needs to know of the holders of each tier; held: [tier], USD."""
    nobody = np.full(len(held), np.nan)
    sums = (np.bincount(holders.tier, holders.held * v, len(held)) for v in (holders.margin, holders.entry))
    equity, entry = (np.divide(each, held, out=nobody.copy(), where=held > 0) for each in sums)
    forced = np.bincount(holders.tier, holders.forced, len(held))
    return Winners(equity, entry, np.maximum(held - forced, 0.0))


def class_mean(holders: Holders, value: np.ndarray, n_group: int) -> np.ndarray:
    """Mean of a class's own values by notional, Eq. (5): [group], zero where there is nobody."""
    found = np.zeros(n_group)
    for group in np.unique(holders.group):
        inside = holders.group == group
        own, weight = value[inside], holders.forced[inside]
        same = (own == own[0]).all() or weight.sum() == 0
        found[group] = own[0] if same else (own * weight).sum() / weight.sum()
    return found


def conserved(what: str, found: float, given: float) -> None:
    """Raise `CompileError`, a bug of ours, where notional was made or lost."""
    if abs(found - given) > CONSERVED * max(given, 1e-300):
        raise CompileError(f"{what} holds {found!r} dollars of positions, of {given!r} given to it")

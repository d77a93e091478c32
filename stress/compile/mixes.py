"""Leverage tiers become holders where the closed form of `tiers` does not reach.

That is so where tiers count opening leverage, and where maintenance goes by the size of a position:
`SAMPLES` holders a tier and class stand for the continuum, spread evenly over leverage, entry and size.
Equations of docs/methods/positions.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from kernels.mechanisms.liquidation import LONG
from stress.compile.holders import Holders, band
from stress.compile.maintenance import SAMPLES, Terms, evenly, sizes, terms
from stress.compile.tiers import FLATTEST

if TYPE_CHECKING:
    from stress.config.market import Market
    from stress.config.positions import OpenedPart

PLASTIC = 1.32471795724474602596
"""Root of x^3 = x + 1: its powers spread points most evenly over a square (Roberts 2018)."""


def lattice(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`n` points in the unit cube, evenly spread: three coordinates [n], none of them 0 or 1."""
    index = np.arange(n)
    return evenly(n), (0.5 + index / PLASTIC) % 1.0, (0.5 + index / PLASTIC**2) % 1.0


def entry_prices(parts: tuple[OpenedPart, ...], share: np.ndarray) -> np.ndarray:
    """Entry prices over the start price at shares of a side's open interest, Eq. (7): like `share`."""
    ends = np.cumsum([part.share for part in parts])
    ends /= ends[-1]
    width = np.diff(ends, prepend=0.0)
    place = np.minimum(np.searchsorted(ends, share, side="right"), len(parts) - 1)
    within = np.clip((share - (ends - width)[place]) / width[place], 1e-9, 1 - 1e-9)
    price, deviation = (
        np.array([getattr(part, name) for part in parts])[place] for name in ("price", "deviation")
    )
    return price * np.exp(deviation * ndtri(within))


def holders(
    market: Market,
    has_ladder: bool,
    bands: list[tuple[float, float]],
    held: np.ndarray,
    forced: np.ndarray,
    opened: tuple[OpenedPart, ...] | None,
    side: int,
) -> Holders:
    """Holders of a mix on one side of a market.

    bands  : leverage tiers (from, to), of opening leverage where there is `opened`, else of present
    held   : [tier], open interest, USD; forced: what of it can be forced
    raises : ValueError(tier index) where nobody in a tier is solvent under the market's maintenance
    """
    leverage, entry, size = lattice(SAMPLES)
    bought = None if opened is None else entry_prices(opened, entry)
    amounts = np.ones(SAMPLES) if market.brackets is None else sizes(market.brackets, size)
    under = terms(market, has_ladder, amounts, np.ones(SAMPLES))
    parts: list[Holders] = []
    for tier, (low, high) in enumerate(bands):
        if held[tier] == 0:
            continue
        top = min(high, market.maximum_leverage or np.inf)
        found = [thresholds(low, top, each, leverage, bought, side) for each in under]
        alive = [np.isfinite(margin) for margin in found]
        total = sum(each.share * there.sum() for each, there in zip(under, alive, strict=True))
        if total == 0:
            raise ValueError(tier)
        for each, margin, there in zip(under, found, alive, strict=True):
            weight = np.full(there.sum(), each.share / total)
            k = margin[there]
            own = np.full(len(k), tier) if bought is None else band(1 / k, bands)
            at = np.ones(len(k)) if bought is None else bought[there]
            columns = (own, each.rate[there], each.deduction[there], each.group[there], at)
            parts.append(Holders(k, held[tier] * weight, forced[tier] * weight, *columns))
    return Holders.together(parts) if parts else Holders.nobody()


def thresholds(
    low: float, high: float, under: Terms, leverage: np.ndarray, bought: np.ndarray | None, side: int
) -> np.ndarray:
    """Thresholds k of a tier's holders; NaN for one that cannot be there, or is no longer.

    leverage: [holder] in (0, 1), place within the tier; bought: entry over start price, or None
    """
    flattest, top = max(low, FLATTEST), np.minimum(high, under.maximum_leverage)
    need = under.rate - under.deduction
    if bought is None:
        smallest, largest = np.maximum(1 / top, need), 1 / flattest
        with np.errstate(invalid="ignore"):
            margin = smallest * (largest / smallest) ** (1 - leverage)
        return np.where(smallest < largest, margin, np.nan)
    opened = flattest * (np.maximum(top, flattest) / flattest) ** leverage
    margin = bought / opened + (1 - bought if side == LONG else bought - 1)
    return np.where((top > flattest) & (margin > need), margin, np.nan)

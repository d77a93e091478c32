"""Accounts with a shared margin: portfolios, inverse contracts, baskets of collateral; as entries of slots.

docs/methods/margin.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from kernels.outcome import CHANNELS
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import ScenarioShape
from stress.compile.accounts import Entry, spread
from stress.compile.cap import under_cap
from stress.compile.maintenance import classes
from stress.compile.tiers import FLATTEST
from stress.config.account import CASH
from stress.config.check.accounts import highest_leverage

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.account import AnyAccounts
    from stress.config.venue import Venue

CHANNEL = {"cross_margin": "cross_margin", "coin_margined": "coin_margined", "unified": "collateral"}


def held(venue: Venue, asset: str) -> tuple[float, float]:
    """What accounts hold of a market, longs and shorts: USD."""
    sides = [0.0, 0.0]
    for found in venue.accounts.values():
        weight = found.weights.get(asset, 0.0)
        sides[weight < 0] += abs(weight) * found.open_interest
    return sides[0], sides[1]


def entries(config: RunConfig, shape: ScenarioShape) -> Iterator[Entry]:
    """Every kind of account of every venue."""
    for v, (key, venue) in enumerate(config.venues.items()):
        for name, found in venue.accounts.items():
            path = ("venues", key, "accounts", name)
            bands = [
                (max(1 / tier.to, 1 / highest_leverage(venue, found)), 1 / max(tier.from_, FLATTEST))
                for tier in config.tiers
            ]
            terms = portfolio(config, venue, found)
            stress = terms["need_fixed"] + terms["need"].sum()
            start = stress / (terms["value_fixed"] + terms["value"].sum())
            leverage, never = under_cap(config, found.leverage, found.never_forced)
            notional = [
                found.open_interest * leverage.get(key, 0.0) * (1 - never.get(key, 0.0))
                for key in config.tier_keys
            ]
            try:
                forced = table(start, bands, notional, found.first_close)
            except ValueError as error:
                tier = config.tier_names[error.args[0]]
                what = f"nobody in tier {tier} has the margin that these positions need"
                why = f"they need {start:.3g} of their notional at the start, and all would be closed at once"
                raise config.error((*path, "leverage"), what, why, "Take that tier out.") from None
            if found.kind == "coin_margined":
                forced = in_coins(start, forced, terms["size"], terms["size_fixed"])
            pace = found.half_life
            yield Entry(
                venue=v, channel=CHANNELS.index(CHANNEL[found.kind]), forced=forced,
                sold=sales(config, found, shape, v, mean_threshold(start, forced)),
                response=1.0 if pace is None else 1 - 2 ** (-config.run.step / pace), where=path, **terms,
            )  # fmt: skip


def table(start, bands, notional, first) -> np.ndarray:
    """Cumulative notional by distance; with a first close the rest comes later, Eq. (5)."""
    whole = spread(start, bands, notional)
    if first is None:
        return whole
    # Equity that the first close sets free covers the rest for so much longer.
    later = start * first / (1 - first)
    rest = np.stack([np.interp(EDGES - later, EDGES, column, left=0.0) for column in whole.T], axis=1)
    rest[-1] = whole[-1]
    return first * whole + (1 - first) * rest


def in_coins(start: float, face: np.ndarray, size: float, size_fixed: float) -> np.ndarray:
    """Cumulative start dollars of coins that closing a cumulative face takes [edge, tier]."""
    threshold = start + (EDGES[1:] + EDGES[:-1]) / 2
    coins = np.diff(face, axis=0) * np.maximum(size_fixed + size * threshold, 0.0)[:, None]
    return np.concatenate([np.zeros_like(face[:1]), np.cumsum(coins, axis=0)])


def mean_threshold(start: float, forced: np.ndarray) -> float:
    """Mean equity per dollar of notional of those who can be forced."""
    held = np.diff(forced.sum(axis=1))
    middle = start + (EDGES[1:] + EDGES[:-1]) / 2
    return float((held * middle).sum() / held.sum()) if held.sum() > 0 else 0.0


def portfolio(config: RunConfig, venue: Venue, found: AnyAccounts) -> dict:
    """Need, value, loss and worth of a dollar of notional, Eqs. (1) to (4)."""
    names = list(config.assets)
    weight = np.array([found.weights.get(a, 0.0) for a in names])
    rate, deduction = np.array([maintenance(venue, a) for a in names]).T
    size = np.abs(weight)
    terms = {
        "need": size * rate - weight, "need_fixed": weight.sum() - (size * deduction).sum(),
        "legs": weight, "loss": -weight, "loss_fixed": weight.sum(),
        "value": np.zeros(len(names)), "value_fixed": 1.0,
        "worth": np.zeros(len(names)), "worth_fixed": 1.0,
    }  # fmt: skip
    if found.kind == "coin_margined":
        # The face of an inverse contract is in dollars, and so is the margin that it needs.
        own, sign = (size > 0).astype(float), weight.sum()
        # Closing a dollar of face takes 1/m coins, at the price m at which equity is down to the need.
        whole = 1 + sign * (size * (rate - deduction)).sum()
        return terms | {
            "inverse": True, "size": sign / whole, "size_fixed": 1 / whole,
            "need": -weight, "need_fixed": weight.sum() + (size * (rate - deduction)).sum(),
            "value": own, "value_fixed": 0.0, "worth": own, "worth_fixed": 0.0,
        }  # fmt: skip
    if found.kind == "unified":
        for name, coin in found.collateral.items():
            terms["worth_fixed"] -= coin.share
            terms["value_fixed"] -= coin.share
            terms["worth"][names.index(name)] += coin.share
            if coin.valued_as == CASH:
                terms["value_fixed"] += coin.ratio * coin.share
            else:
                terms["value"][names.index(coin.valued_as or name)] += coin.ratio * coin.share
    return terms


def maintenance(venue: Venue, asset: str) -> tuple[float, float]:
    """Mean maintenance rate and deduction of a market; none of one that is not listed."""
    market = venue.markets.get(asset)
    found = classes(market, False) if market else []
    return sum(share * rate for share, rate, _ in found), sum(share * relief for share, _, relief in found)


def sales(
    config: RunConfig, found: AnyAccounts, shape: ScenarioShape, v: int, threshold: float
) -> np.ndarray:
    """Start dollars that go into each book per dollar forced: positions, and seized coins, Eq. (4)."""
    sold = np.zeros((shape.n_asset, shape.n_venue))
    for a, asset in enumerate(config.assets):
        sold[a, v] = found.weights.get(asset, 0.0)
        coin = found.collateral.get(asset) if found.kind == "unified" else None
        if coin and coin.seized == "sold":
            sold[a, v] += threshold * coin.share
    return sold

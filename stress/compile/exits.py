"""Stop orders and early exits become entries of accounts; exits and hedges leave the tables of positions.

docs/methods/early_exit.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.liquidation import LONG
from kernels.outcome import CHANNELS
from kernels.parts.table import N_EDGE
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import ScenarioShape
from stress.compile.accounts import Entry
from stress.compile.holders import Tables
from stress.compile.tiers import margin_tables
from stress.config.asset import daily
from stress.config.seller import Hedge, RestingStops, RetailExit, StopLoss

if TYPE_CHECKING:
    from stress.config import RunConfig

Exits = dict[tuple[str, int, int, int], np.ndarray]
"""Notional that exits early, by exit kind, asset, side and venue: cumulative by move [edge, tier]."""


def move(distance: np.ndarray, side: int) -> np.ndarray:
    """Move of the price against a side, as a share of the start, at a distance in log price."""
    return -np.expm1(-distance) if side == LONG else np.expm1(distance)


def distance(move: np.ndarray, side: int) -> np.ndarray:
    """Distance in log price of a move against a side; infinite where longs have lost everything."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(move < 1, -np.log1p(-move), np.inf) if side == LONG else np.log1p(move)


def below(forced: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Cumulative notional [..., edge, tier] at other distances [edge] than those of the table's edges."""
    rows = np.moveaxis(forced, -2, -1)
    found = [np.interp(at, EDGES, row) for row in rows.reshape(-1, len(EDGES))]
    return np.moveaxis(np.reshape(found, rows.shape), -1, -2)


def apart(
    config: RunConfig, by_market: dict[tuple[int, int], tuple[Tables, Tables]]
) -> tuple[dict[tuple[int, int], tuple[Tables, Tables]], Exits]:
    """Tables of every market without those who exit early, hedges of the others in; and the exits."""
    found, early = {}, {}
    for (a, v), sides in by_market.items():
        left = []
        for side, table in enumerate(sides):
            at = list(config.venues)[v], list(config.assets)[a], side
            forced, out = adjusted(config, *at, table.forced, table.rate)
            early |= {(name, a, side, v): amount for name, amount in out.items()}
            if forced is not table.forced:
                margin = margin_tables(forced, side, table.rate, table.deduction)
                table = replace(table, forced=forced, margin=margin)
            left.append(table)
        found[a, v] = left[0], left[1]
    return found, early


def adjusted(config: RunConfig, venue: str, asset: str, side: int, forced: np.ndarray, rates: np.ndarray):
    """Tables of a market's side once some exit early and some are hedged, Eqs. (2) and (4).

    forced : notional forced [group, edge, tier]; rates: maintenance [group]
    returns: what is left in the table [group, edge, tier]; {seller: what exits, by move [edge, tier]}
    """
    left, exits = forced, {}
    for name, seller in config.sellers.items():
        if not isinstance(seller, RetailExit | Hedge):
            continue
        share = np.array(seller.shares(venue, asset, side, config.tier_keys))
        if not (share * forced[:, -1]).any():
            continue
        left = left - share * forced
        if isinstance(seller, Hedge):
            left = left + share * hedged(forced, side, rates, seller)
        else:
            exits[name] = below((share * forced).sum(axis=0), distance(EDGES, side) / seller.at)
    return left if left is forced else np.maximum(left, 0.0), exits


def hedged(forced: np.ndarray, side: int, rates: np.ndarray, hedge: Hedge) -> np.ndarray:
    """The table of holders whose hedge pays into their margin, Eq. (4)."""
    gain = hedge.ratio * np.maximum(move(EDGES, side) - hedge.beyond, 0.0)
    found = np.empty_like(forced)
    for g, rate in enumerate(rates):
        if side == LONG:
            own = -np.log(np.minimum(np.exp(-EDGES) + gain / (1 - rate), 1.0))
        else:
            own = np.log(np.maximum(np.exp(EDGES) - gain / (1 + rate), 1.0))
        # A hedge of more than the rest of the position pays more than it loses: nobody comes back.
        found[g] = below(forced[g], np.maximum.accumulate(own))
    return found


def entries(config: RunConfig, shape: ScenarioShape, exits: Exits) -> Iterator[Entry]:
    """Stop orders, then early exits."""
    for name, seller in config.sellers.items():
        if isinstance(seller, StopLoss):
            side = ("long", "short").index(seller.side)
            for venue, amounts in seller.orders.items():
                for asset, amount in amounts.items():
                    forced = np.zeros((N_EDGE, shape.n_tier))
                    forced[:, 0] = amount * reached(seller)
                    at = shape.assets.index(asset), shape.venues.index(venue)
                    yield threshold(
                        shape, *at, side, forced, "stop_loss", ("sellers", name, "orders", venue, asset)
                    )
        elif isinstance(seller, RestingStops):
            yield from resting(config, shape, name, seller)
    for (name, a, side, v), forced in exits.items():
        yield threshold(shape, a, v, side, forced, "retail_exit", ("sellers", name))


def resting(config: RunConfig, shape: ScenarioShape, name: str, seller: RestingStops) -> Iterator[Entry]:
    """Stop orders by the depth of the books and the volatility of a day, Eq. (5)."""
    side = ("long", "short").index(seller.side)
    for key in seller.venues:
        for asset, market in config.venues[key].markets.items():
            if seller.assets is not None and asset not in seller.assets:
                continue
            day = daily(config.assets[asset])
            begin, width = seller.from_ * day, (seller.to - seller.from_) * day
            forced = np.zeros((N_EDGE, shape.n_tier))
            amount = seller.density * market.depth * 100 * width
            forced[:, 0] = amount * np.clip((EDGES - begin) / max(width, 1e-9), 0.0, 1.0)
            at = shape.assets.index(asset), shape.venues.index(key)
            yield threshold(shape, *at, side, forced, "stop_loss", ("sellers", name))


def reached(seller: StopLoss) -> np.ndarray:
    """Share of the orders that a move has triggered [edge], Eq. (1)."""
    found = np.zeros(N_EDGE)
    for part in seller.triggers:
        width = max(part.to - part.from_, 1e-9)
        found += part.share * np.clip((EDGES - part.from_) / width, 0.0, 1.0)
    return found


def threshold(
    shape: ScenarioShape, a: int, v: int, side: int, forced: np.ndarray, channel: str, where: tuple[str, ...]
) -> Entry:
    """Holders of one side of a market who trade when the price has moved by a share against them, Eq. (1)."""
    sign = 1.0 if side == LONG else -1.0
    asset = np.eye(shape.n_asset)[a]
    return Entry(
        venue=v, channel=CHANNELS.index(channel), need=-sign * asset, need_fixed=sign,
        loss=np.zeros(shape.n_asset), loss_fixed=0.0, forced=forced, losing=False, where=where,
        sold=sign * np.outer(asset, np.eye(shape.n_venue)[v]),
    )  # fmt: skip

"""Positions: distance tables and maintenance classes of every market and side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.parts.table import N_EDGE
from kernels.scenario import ScenarioShape
from stress.compile import margin, tiers
from stress.compile.books import markets

if TYPE_CHECKING:
    from stress.config import RunConfig


def arrays(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Distance tables and maintenance classes of every market and side."""
    groups = (shape.n_asset, 2, shape.n_group, shape.n_venue)
    found = {name: np.zeros(groups) for name in ("group_rate", "group_deduction")}
    found |= {name: np.zeros((*groups, N_EDGE, shape.n_tier)) for name in ("forced", "margin")}
    partial = np.zeros(groups, bool)
    notional = np.zeros((shape.n_asset, 2, shape.n_venue, shape.n_tier))
    for a, v, asset, venue, market in markets(config):
        if market.open_interest == 0:
            continue
        # Loading fills these in from the venue.
        assert market.mix is not None
        assert market.maximum_leverage is not None
        mix = config.mixes[market.mix]
        # Nobody holds more than the market allows, also where its limit cuts through a tier.
        bands = [(tier.from_, min(tier.to, market.maximum_leverage)) for tier in config.tiers]
        closes = [rung.close for rung in config.venues[venue].liquidation.ladder]
        classes = [(c.share, c.rate, c.deduction) for c in market.maintenance]
        shared = margin.held(config.venues[venue], asset)
        sides = ((mix.long, mix.never_forced.long), (mix.short, mix.never_forced.short))
        for side, (shares, never) in enumerate(sides):
            isolated = max(market.open_interest - shared[side], 0.0)
            held = np.array([isolated * shares.get(t, 0.0) for t in config.tier_keys])
            forced = held * np.array([1 - never.get(t, 0.0) for t in config.tier_keys])
            notional[a, side, v] = held
            try:
                table = tiers.market_tables(bands, forced, classes, closes, side, shape.n_group)
            except ValueError as error:
                tier = config.tier_names[error.args[0]]
                raise config.error(
                    ("venues", venue, "markets", asset, "maintenance"),
                    f"nobody in tier {tier} is solvent under any of the maintenance rates",
                    f"the mix {market.mix} puts open interest there, and all of it would be forced at once",
                    "lower a rate, or take that tier out of the mix",
                ) from None
            found["forced"][a, side, :, v], found["margin"][a, side, :, v] = table[:2]
            found["group_rate"][a, side, :, v], found["group_deduction"][a, side, :, v] = table[2:4]
            partial[a, side, :, v] = table[4]
    return found | {
        "group_partial": partial,
        "tier_notional": notional,
        "forced_total": found["forced"].sum(axis=(2, 5)),
    }

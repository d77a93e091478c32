"""Winners that auto-deleveraging may close: their equity, where they entered, what they hedge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.adl import Adl
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.cap import mix_of
from stress.compile.files import SIDES
from stress.compile.holders import Tables
from stress.compile.tiers import FLATTEST

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.market import Market


def part(
    config: RunConfig, shape: ScenarioShape, by_market: dict[tuple[int, int], tuple[Tables, Tables]]
) -> Adl | None:
    """Where winners stand; None where no venue asks winners for anything.

    raises: ConfigError where holders would have entered without collateral
    """
    venues = list(config.places.values())
    if all(venue.adl.policy == "none" and venue.socialised_loss == "none" for venue in venues):
        return None
    size = (shape.n_asset, 2, shape.n_venue, shape.n_tier)
    equity, entry, hedged = np.ones(size), np.ones(size), np.zeros(size)
    for a, v, asset, venue, market in markets(config):
        if (a, v) not in by_market:
            continue  # a spot market: nobody holds positions
        for side, sign in ((0, 1.0), (1, -1.0)):
            table, at = by_market[a, v][side], (a, side, v)
            if table.winners is not None:
                there = np.isfinite(table.winners.equity)
                equity[at][there], hedged[at] = table.winners.equity[there], table.winners.hedged
                entry[at][there] = table.winners.entry[there]
            else:
                equity[at], hedged[at] = of_mix(config, market, table.held, side)
            if market.positions is not None or (mix := mix_of(config, market)).opened is not None:
                continue
            entries = getattr(mix.entry, SIDES[side])
            entry[at] = [entries.get(key, 1.0) for key in config.tier_keys]
            for key, own, entered in zip(config.tier_keys, equity[at], entry[at], strict=True):
                if own + sign * (entered - 1) <= 0:
                    raise config.error(
                        ("mixes", market.mix or "", "entry", SIDES[side], key),
                        f"leaves no collateral at entry in market {asset} of {venue}",
                        f"equity is {own:.4g} of notional now, and this much or more of it is profit",
                        "Bring it closer to 100%.",
                    )
    at_mark = np.array([venue.adl.price == "mark" for venue in venues], np.int32)
    return Adl(equity, entry, hedged, at_mark)


def of_mix(config: RunConfig, market: Market, held: np.ndarray, side: int) -> tuple[list[float], list[float]]:
    """Mean equity per dollar of each tier's holders, and what of them is never forced, USD: [tier].

    held: [tier], USD
    """
    mix = mix_of(config, market)
    never = getattr(mix.never_forced, SIDES[side])
    equity, hedged = [], []
    for tier, key, all_of_it in zip(config.tiers, config.tier_keys, held.tolist(), strict=True):
        low, high = max(tier.from_, FLATTEST), min(tier.to, market.maximum_leverage or tier.to)
        equity.append(mean_equity(low, high) if low < high else 1 / low)
        hedged.append(all_of_it * never.get(key, 0.0))
    return equity, hedged


def mean_equity(low: float, high: float) -> float:
    """Mean of k = 1 / leverage over a tier [low, high) in which it is log-uniform."""
    smallest, largest = 1 / high, 1 / low
    return (largest - smallest) / math.log(largest / smallest)

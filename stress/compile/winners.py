"""Winners that auto-deleveraging may close: their equity, where they entered, what they hedge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.adl import Adl
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.tiers import FLATTEST

if TYPE_CHECKING:
    from stress.config import RunConfig


def part(config: RunConfig, shape: ScenarioShape) -> Adl | None:
    """Where winners stand; None where no venue deleverages.

    raises: ConfigError where holders would have entered without collateral
    """
    venues = list(config.venues.values())
    if all(venue.adl.policy == "none" for venue in venues):
        return None
    size = (shape.n_asset, 2, shape.n_venue, shape.n_tier)
    equity, entry, hedged = np.ones(size), np.ones(size), np.zeros(size)
    for a, v, asset, venue, market in markets(config):
        assert market.mix is not None
        assert market.maximum_leverage is not None
        mix = config.mixes[market.mix]
        for side, sign, name in ((0, 1.0, "long"), (1, -1.0, "short")):
            held, never = getattr(mix, name), getattr(mix.never_forced, name)
            entries = getattr(mix.entry, name)
            for t, (tier, key) in enumerate(zip(config.tiers, config.tier_keys, strict=True)):
                low, high = max(tier.from_, FLATTEST), min(tier.to, market.maximum_leverage)
                at = a, side, v, t
                equity[at] = mean_equity(low, high) if low < high else 1 / low
                entry[at] = entries.get(key, 1.0)
                hedged[at] = market.open_interest * held.get(key, 0.0) * never.get(key, 0.0)
                if equity[at] + sign * (entry[at] - 1) <= 0:
                    raise config.error(
                        ("mixes", market.mix, "entry", name, key),
                        f"leaves no collateral at entry in market {asset} of {venue}",
                        f"equity is {equity[at]:.4g} of notional now, and this much or more of it is profit",
                        "Bring it closer to 100%.",
                    )
    at_mark = np.array([venue.adl.price == "mark" for venue in venues], np.int32)
    return Adl(equity, entry, hedged, at_mark)


def mean_equity(low: float, high: float) -> float:
    """Mean of k = 1 / leverage over a tier [low, high) in which it is log-uniform."""
    smallest, largest = 1 / high, 1 / low
    return (largest - smallest) / math.log(largest / smallest)

"""Who of the tables is there: uncertain leverage and whales, drawn once a path."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.leverage import Leverage
from kernels.mechanisms.whale import Whale
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.maintenance import classes

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.whale import LognormalSize, ParetoSize

SIDES = ("long", "short")


def parts(config: RunConfig, shape: ScenarioShape, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The parts that are drawn once a path; none where nothing is.

    arrays: of the positions
    """
    found: dict[str, Any] = {}
    if any(venue.leverage_uncertainty for venue in config.venues.values()):
        found["leverage"] = leverage(config, arrays)
    if any(market.whales or config.venues[venue].whales for _, _, _, venue, market in markets(config)):
        found["whale"] = whale(config, shape)
    return found


def leverage(config: RunConfig, arrays: dict[str, np.ndarray]) -> Leverage:
    """Spreads by venue, and the factor at which all open interest of a side could be forced."""
    spreads = [venue.leverage_uncertainty for venue in config.places.values()]
    forced, held = arrays["forced_total"][..., -1], arrays["tier_notional"].sum(axis=-1)
    return Leverage(
        common=np.array([spread.common if spread else 0.0 for spread in spreads]),
        own=np.array([spread.own if spread else 0.0 for spread in spreads]),
        most=np.where(forced > 0, held / np.where(forced > 0, forced, 1.0), 1.0),
    )


def whale(config: RunConfig, shape: ScenarioShape) -> Whale:
    """Chance, size and leverage by market; Eqs. (1) and (2) of docs/methods/whale.md."""
    size = (shape.n_asset, 2, shape.n_venue)
    names = ("size", "deviation", "power", "cap", "open", "margin", "spread", "rate")
    found = {name: np.zeros(size) for name in names}
    chance = np.zeros(size, np.uint64)
    for a, v, _, venue, market in markets(config):
        rules = market.whales or config.venues[venue].whales
        if rules is None or not market.open_interest:
            continue
        ladder = bool(config.venues[venue].liquidation.ladder)
        values = sizes(rules.size) | {
            "cap": rules.largest,
            "open": market.open_interest,
            "margin": -math.log(rules.highest_leverage),
            "spread": math.log(rules.highest_leverage / rules.lowest_leverage),
            "rate": sum(share * rate for share, rate, _ in classes(market, ladder)),
        }
        for name, value in values.items():
            found[name][a, :, v] = value
        there = [rules.side in (side, "both") for side in SIDES]
        chance[a, :, v] = np.where(there, math.ceil(rules.chance * 2.0**32), 0)
    with np.errstate(divide="ignore"):
        floor = 1 / np.array([tier.from_ for tier in config.tiers])
    return Whale(chance=chance, floor=floor, **found)


def sizes(rule: LognormalSize | ParetoSize) -> dict[str, float]:
    """Parameters of a law of sizes."""
    if rule.kind == "pareto":
        return {"size": math.log(rule.least), "power": 1 / rule.exponent}
    return {"size": math.log(rule.median), "deviation": rule.deviation}

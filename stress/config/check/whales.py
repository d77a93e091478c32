"""Whales: leverage that a market allows, and that is solvent at the start."""

from __future__ import annotations

from collections.abc import Iterator

from stress import units
from stress.config.check.draft import Draft, Finding
from stress.config.market import Market
from stress.config.origin import Path
from stress.config.venue import Venue
from stress.config.whale import Whales


def whales(draft: Draft) -> Iterator[Finding]:
    """Venue by venue; a market's own before the venue's."""
    for key, venue in draft.venues.items():
        if venue is None:
            continue
        if venue.whales is not None:
            yield from order(("venues", key, "whales"), venue.whales)
        for asset, market in venue.markets.items():
            if market.whales is not None:
                path: Path = ("venues", key, "markets", asset, "whales")
                yield from order(path, market.whales)
                yield from allowed(path, venue, market, market.whales, asset)
            elif venue.whales is not None and market.open_interest:
                yield from allowed(("venues", key, "whales"), venue, market, venue.whales, asset)


def order(path: Path, rules: Whales) -> Iterator[Finding]:
    """Findings where limits are the wrong way round."""
    if rules.highest_leverage < rules.lowest_leverage:
        yield (*path, "highest_leverage"), "is below `lowest_leverage`", "nobody is in between", ""
    if rules.size.kind == "pareto" and rules.size.least > rules.largest:
        yield (*path, "largest"), "is below the least size", "every whale would be larger", ""


def allowed(path: Path, venue: Venue, market: Market, rules: Whales, asset: str) -> Iterator[Finding]:
    """Findings where whales have more leverage than a market allows, or start insolvent."""
    limit = market.maximum_leverage or venue.maximum_leverage
    if rules.highest_leverage > limit:
        shown = units.LEVERAGE.format(limit)
        why = f"{asset} allows at most {shown}"
        yield (*path, "highest_leverage"), "is above the maximum leverage", why, f'Try "{shown}".'
        return
    rate = sum(rule.share * rule.rate for rule in market.maintenance)
    if 1 / rules.highest_leverage <= rate:
        margin, need = units.SHARE.format(1 / rules.highest_leverage), units.SHARE.format(rate)
        why = f"a margin of {margin} is not above the {need} that {asset} asks for"
        yield (*path, "highest_leverage"), "would be insolvent at the start", why, ""

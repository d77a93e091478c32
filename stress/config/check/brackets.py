"""Maintenance of a market: classes by hand, or a venue's brackets and the sizes of positions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import NormalDist

from stress import units
from stress.config.check.draft import Finding, adds_up
from stress.config.market import MOST_CLASSES, Market
from stress.config.origin import Path
from stress.config.positions import AccountList, Brackets
from stress.config.venue import Venue

MOST_BEYOND = 0.5
"""Share of notional that the sizes may put above the last bracket."""

LARGEST_SIGMA = 5.0
CLEAR = "Take one of them out; `maintenance: []` does, over a config that has classes."


def maintenance(venue: Venue, market: Market, path: Path) -> Iterator[Finding]:
    """Classes that add up and ask for margin, or brackets in order; one of the two."""
    classes, brackets = market.maintenance, market.brackets
    if market.open_interest and not classes and brackets is None:
        why = "positions need a margin; only a market without open interest, a spot market, has none"
        yield (*path, "maintenance"), "has no class", why, "Give classes, or the `brackets` of the venue."
    if classes and brackets is not None:
        why = "both say when a position is liquidated"
        yield (*path, "brackets"), "stands beside `maintenance`", why, CLEAR
    if classes:
        yield from adds_up((*path, "maintenance"), (c.share for c in classes), "the shares of the classes")
    if venue.liquidation.ladder and len(classes) >= MOST_CLASSES:
        why = f"a venue with a ladder has at most {MOST_CLASSES - 1}"
        yield (*path, "maintenance"), f"has {len(classes)} classes", why, ""
    for i, rule in enumerate(classes):
        if rule.deduction and rule.deduction >= rule.rate:
            why = "no margin would be asked at the start"
            yield (*path, "maintenance", i, "deduction"), "is not below `rate`", why, ""
    if brackets is not None:
        yield from rows(brackets, (*path, "brackets", "table"))
        listed = isinstance(market.positions, AccountList)
        shared = any(found.weights.get(str(path[-1])) for found in venue.accounts.values())
        yield from sizes(brackets, listed and not shared, (*path, "brackets"))


def rows(brackets: Brackets, path: Path) -> Iterator[Finding]:
    """Brackets in order, that ask for a margin."""
    table = brackets.table
    for i, (one, two) in enumerate(pairwise(table)):
        if two.up_to <= one.up_to:
            shown = units.DOLLARS.format(one.up_to)
            yield (*path, i + 1, "up_to"), f"is not above the bracket before, {shown}", "smallest first", ""
        if two.rate < one.rate:
            shown = units.SHARE.format(one.rate)
            why = "a larger position never has a lower rate"
            yield (*path, i + 1, "rate"), f"is below the bracket before, {shown}", why, ""
    if any(two.up_to <= one.up_to or two.rate < one.rate for one, two in pairwise(table)):
        return
    floors = [0.0, *(bracket.up_to for bracket in table[:-1])]
    for i, (bracket, floor, amount) in enumerate(zip(table, floors, brackets.deductions, strict=True)):
        if amount < 0 or (amount and amount >= bracket.rate * floor):
            shown = units.DOLLARS.format(abs(amount))
            why = f"the smallest position in the bracket, {units.DOLLARS.format(floor)}, would need no margin"
            yield (*path, i, "deduction"), f"{shown} cannot be", why, ""


def sizes(brackets: Brackets, listed: bool, path: Path) -> Iterator[Finding]:
    """Sizes that are there, and that the brackets hold."""
    found = brackets.sizes
    if found is None:
        if not listed:
            why = "it says how much of the open interest is in which bracket"
            yield (*path, "sizes"), "is missing", why, 'Try "sizes: {median: $5k, sigma: 2}".'
        return
    if found.sigma > LARGEST_SIGMA:
        yield (*path, "sizes", "sigma"), f"{found.sigma:g} is out of range", "it must be at most 5", ""
        return
    largest = brackets.table[-1].up_to
    # Counted by dollars instead of by number, a lognormal size has its median higher by exp(sigma^2).
    dollars = NormalDist(found.sigma**2, found.sigma)
    beyond = 1 - dollars.cdf(math.log(largest) - math.log(found.median))
    if beyond > MOST_BEYOND:
        shown = units.DOLLARS.format(largest)
        what = f"put {beyond * 100:.3g}% of all notional into positions above {shown}"
        yield (*path, "sizes"), what, "the last bracket ends there", "Lower `median` or `sigma`."

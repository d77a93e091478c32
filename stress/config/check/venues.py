"""Venues, their rules and markets, and the books that all markets share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from stress import units
from stress.config import book
from stress.config.check import brackets
from stress.config.check.draft import Draft, Finding, adds_up, undefined
from stress.config.check.overlays import LEAST_DEPTH
from stress.config.market import Mark, Market
from stress.config.origin import Path
from stress.config.venue import Venue
from stress.errors import quoted, suggest


def books(draft: Draft) -> Iterator[Finding]:
    """The shape of the books that all markets share."""
    if draft.books:
        yield from book.flaws(("books",), draft.books)


def venues(draft: Draft) -> Iterator[Finding]:
    """Venue by venue, market by market."""
    for key, venue in draft.venues.items():
        if venue is None:
            continue
        path: Path = ("venues", key)
        if not venue.markets:
            yield (*path, "markets"), "is empty", "a venue without markets does nothing", ""
        yield from undefined((*path, "markets"), venue.markets, draft.assets, "asset")
        if venue.mix is not None and venue.mix not in draft.mixes:
            why, suggestion = suggest(venue.mix, draft.mixes)
            yield (*path, "mix"), f"no mix {quoted(venue.mix)} is defined", why, suggestion
        closed = sum(rung.close for rung in venue.liquidation.ladder)
        if closed >= 1:
            why = f"they make {closed * 100:.6g}%; less than 100% leaves the last full close something"
            yield (*path, "liquidation", "ladder"), "the rungs close the whole position", why, ""
        yield from index(draft, key, venue)
        yield from interruptions(draft, path, venue)
        yield from fund(draft, key, venue)
        yield from clearing(key, venue)
        yield from vault(key, venue)
        for asset, market in venue.markets.items():
            yield from rules(draft, venue, market, (*path, "markets", asset))
    listed = {asset for venue in draft.venues.values() if venue for asset in venue.markets}
    if all(draft.venues.values()):
        for asset in draft.assets:
            if asset not in listed:
                yield ("assets", asset), "is traded nowhere", "no venue lists it in `markets`", ""


def fund(draft: Draft, key: str, venue: Venue) -> Iterator[Finding]:
    """Funds of markets that exist, coins with an index, a window of something, claims on somebody."""
    path: Path = ("venues", key, "fund")
    shares, coins = venue.fund.shares, venue.fund.coins
    yield from undefined((*path, "shares"), shares, venue.markets, "market")
    if shares and venue.fund.split == "shared":
        why = "the fund is one for all markets"
        yield (*path, "shares"), "are not used", why, 'Add "split: per_market", or remove them.'
    elif shares:
        yield from adds_up((*path, "shares"), shares.values(), "the shares of the fund")
    if coins is not None:
        yield from undefined((*path, "coins", "asset"), [coins.asset], draft.assets, "asset")
    adl: Path = ("venues", key, "adl")
    if venue.adl.window is not None and venue.adl.drawdown is None:
        why = "it is the time over which the peak is taken that `drawdown` counts from"
        yield (*adl, "window"), "is not used", why, "Add a drawdown, or remove it."
    if venue.adl.excess == "claim" and venue.adl.policy == "none":
        yield (*adl, "excess"), "a claim on nobody", "the venue does not deleverage winners", ""


def clearing(key: str, venue: Venue) -> Iterator[Finding]:
    """A clearing house that deleverages nobody, and calls for a multiple of something."""
    if venue.clearing is None:
        return
    path: Path = ("venues", key, "clearing")
    if venue.adl.policy != "none":
        why = f"`adl: {{policy: {venue.adl.policy}}}` would take from winners what members have paid in for"
        suggestion = 'Set the policy to none; "socialised_loss: step" takes from winners what is left.'
        yield path, "stands before deleveraging", why, suggestion
    if venue.clearing.assessments and not venue.clearing.default_fund:
        why = "they are a multiple of what members have paid into the default fund, which is nothing"
        yield (*path, "assessments"), "call for nothing", why, ""


def vault(key: str, venue: Venue) -> Iterator[Finding]:
    """Shares of a capacity in markets that exist."""
    if venue.vault is None or not venue.vault.shares:
        return
    path: Path = ("venues", key, "vault", "shares")
    yield from undefined(path, venue.vault.shares, venue.markets, "market")
    yield from adds_up(path, venue.vault.shares.values(), "the shares of the vault's capacity")


def index(draft: Draft, key: str, venue: Venue) -> Iterator[Finding]:
    """Marks of the venue, and of the markets that have their own."""
    for asset, market in venue.markets.items():
        if market.mark is not None:
            yield from mark_of(draft, key, market.mark, ("venues", key, "markets", asset, "mark"), [asset])
    common = [asset for asset, market in venue.markets.items() if market.mark is None]
    yield from mark_of(draft, key, venue.mark, ("venues", key, "mark"), common)


def interruptions(draft: Draft, path: Path, venue: Venue) -> Iterator[Finding]:
    """Levels of breakers in order, halts and outages of a step at least, limits that there are."""
    step = None if draft.run is None else draft.run.step
    if venue.breakers is not None:
        at = (*path, "breakers", "levels")
        for i, (one, two) in enumerate(pairwise(venue.breakers.levels)):
            if two.move <= one.move:
                shown = units.SHARE.format(two.move)
                why = "each level must be beyond the one before it"
                yield (*at, i + 1, "move"), f"{shown} is out of order", why, ""
        for i, level in enumerate(venue.breakers.levels):
            if step is not None and level.halt < step:
                why = f"a step takes {units.DURATION.format(step)}, and halts begin and end with steps"
                yield (*at, i, "halt"), "is shorter than a step", why, ""
    failures = venue.failures
    if failures is None:
        return
    at = (*path, "failures")
    if step is not None and failures.lasts < step:
        why = f"a step takes {units.DURATION.format(step)}, and outages begin and end with steps"
        yield (*at, "lasts"), "is shorter than a step", why, ""
    if failures.depth < LEAST_DEPTH:
        why = f"a book this thin cannot be computed; it must be at least {LEAST_DEPTH:.4%}"
        yield (*at, "depth"), "is too small", why, ""
    if failures.throughput not in (0, 1) and venue.liquidation.throughput is None:
        why = "the engine is unlimited, and a share of that is unlimited"
        suggestion = "Give it a `liquidation.throughput`, or failures 0%."
        yield (*at, "throughput"), "has no effect", why, suggestion


def mark_of(draft: Draft, key: str, mark: Mark, path: Path, assets: Iterable[str]) -> Iterator[Finding]:
    """Venues that the indices name, that some of them list each of `assets`, and keys that go together."""
    assets, median = list(assets), mark.kind == "median"
    for name in ("index", "second_index"):
        weights = getattr(mark, name)
        if weights is None:
            continue
        yield from undefined((*path, name), weights, draft.venues, "venue")
        sources = [draft.venues.get(source) for source, weight in weights.items() if weight]
        used = median or mark.own not in (None, 1)
        if not used or not all(sources):
            continue
        for asset in assets:
            if not any(source and asset in source.markets for source in sources):
                why = f"the mark of {key} needs an index price of every asset that it lists"
                yield (*path, name), f"no venue with a weight lists {asset}", why, "Add a venue that does."
    if median and mark.basis_half_life is None:
        yield (*path, "basis_half_life"), "is missing", "a median averages the own basis over some time", ""
    if median and mark.own is not None:
        why = "the own last price is one of the three"
        yield (*path, "own"), "has no meaning in a median", why, "Remove it."
    for name in ("second_index", "basis_half_life"):
        if not median and getattr(mark, name) is not None:
            yield (*path, name), "has no meaning in a mean", "it is a part of `kind: median`", ""


def rules(draft: Draft, venue: Venue, market: Market, path: Path) -> Iterator[Finding]:
    """Maintenance, leverage, mix and book of one market."""
    if market.maximum_leverage is not None and market.maximum_leverage > venue.maximum_leverage:
        limit = units.LEVERAGE.format(venue.maximum_leverage)
        yield (*path, "maximum_leverage"), f"is above the venue's, {limit}", "it holds for all", ""
    if market.positions is not None and not market.open_interest:
        why = "a market without open interest, a spot market, has no positions"
        yield (*path, "positions"), "stands in a spot market", why, "Give it open interest, or remove it."
    yield from brackets.maintenance(venue, market, path)
    yield from leverage(draft, venue, market, path)
    if draft.books and (market.book or venue.market_makers.floor is not None):
        merged = book.apply(draft.books, market.book, venue.market_makers.floor)
        shared = {at for at, *_ in book.flaws((*path, "book"), draft.books)}
        yield from (found for found in book.flaws((*path, "book"), merged) if found[0] not in shared)


def leverage(draft: Draft, venue: Venue, market: Market, path: Path) -> Iterator[Finding]:
    """A mix that is there, and puts nobody above the maximum leverage."""
    if market.mix is None and not market.open_interest:
        return
    if market.mix is None:
        if market.positions is not None:
            return
        why = "neither the market nor its venue says how leverage is spread"
        yield (*path, "mix"), "is missing", why, f"Defined are: {', '.join(draft.mixes) or 'none'}."
        return
    if market.mix not in draft.mixes and market.mix != venue.mix:
        why, suggestion = suggest(market.mix, draft.mixes)
        yield (*path, "mix"), f"no mix {quoted(market.mix)} is defined", why, suggestion
    mix = draft.mixes.get(market.mix)
    if mix is None or market.maximum_leverage is None or market.positions is not None:
        return
    above = [t.key for t in draft.tiers.values() if t and t.from_ >= market.maximum_leverage]
    keys = [key for key in above if mix.long.get(key) or mix.short.get(key)]
    if keys:
        limit = units.LEVERAGE.format(market.maximum_leverage)
        what = f"tier {', '.join(keys)} is above the maximum leverage, {limit}"
        why = f"mix {market.mix} puts open interest there, where nobody can be"
        yield (*path, "mix"), what, why, "Give this market a mix of its own."

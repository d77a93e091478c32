"""Accounts with a shared margin: what they hold, on what margin, and that there is as much of it."""

from __future__ import annotations

from collections.abc import Iterator

from stress import units
from stress.config.account import CASH, AnyAccounts, Unified
from stress.config.check.draft import SUM_TOLERANCE, Draft, Finding, adds_up, undefined
from stress.config.check.run import NAME
from stress.config.origin import Path
from stress.config.venue import Venue
from stress.errors import quoted, suggest


def accounts(draft: Draft) -> Iterator[Finding]:
    """Venue by venue, kind by kind."""
    for key, venue in draft.venues.items():
        if venue is None:
            continue
        for name, found in venue.accounts.items():
            path: Path = ("venues", key, "accounts", name)
            if not NAME.fullmatch(name):
                why = "names have up to 32 letters, digits, - and _"
                yield path, f"{quoted(name)} is not a name", why, ""
            yield from positions(venue, key, found, path)
            yield from spread(draft, venue, found, path)
            yield from closing(venue, key, found, path)
            if isinstance(found, Unified):
                yield from collateral(draft, venue, key, found, path)
        yield from conserved(venue, ("venues", key, "accounts"))


def positions(venue: Venue, key: str, found: AnyAccounts, path: Path) -> Iterator[Finding]:
    """Legs in markets of the venue, of 100% without their signs."""
    at = (*path, "asset") if found.kind == "coin_margined" else (*path, "legs")
    for asset in found.weights:
        if asset not in venue.markets:
            why, suggestion = suggest(asset, venue.markets)
            where = at if found.kind == "coin_margined" else (*at, asset)
            yield where, f"{key} has no market in {quoted(asset)}", why, suggestion
    yield from adds_up(at, (abs(w) for w in found.weights.values()), "the legs, without their signs,")


def highest_leverage(venue: Venue, found: AnyAccounts) -> float:
    """Gross leverage that the initial margins of the legs allow."""
    margin = 0.0
    for asset, weight in found.weights.items():
        limit = venue.markets[asset].maximum_leverage if asset in venue.markets else None
        margin += abs(weight) / (limit or venue.maximum_leverage)
    return 1 / margin if margin > 0 else venue.maximum_leverage


def spread(draft: Draft, venue: Venue, found: AnyAccounts, path: Path) -> Iterator[Finding]:
    """Leverage tiers that exist, add up, and are open to such a portfolio."""
    if not all(draft.tiers.values()):
        return
    tiers = {tier.key: tier for tier in draft.tiers.values() if tier}
    yield from undefined((*path, "leverage"), found.leverage, tiers, "tier")
    yield from undefined((*path, "never_forced"), found.never_forced, tiers, "tier")
    yield from adds_up((*path, "leverage"), found.leverage.values(), "the shares")
    limit = highest_leverage(venue, found)
    for key, share in found.leverage.items():
        if share and key in tiers and tiers[key].from_ >= limit:
            what = f"tier {key} is above {units.LEVERAGE.format(round(limit, 3))}"
            yield (*path, "leverage", key), what, "the initial margins of its positions allow no more", ""


def closing(venue: Venue, key: str, found: AnyAccounts, path: Path) -> Iterator[Finding]:
    """What a first close leaves must stay in the account."""
    rules = venue.liquidation
    if found.first_close is not None and (rules.fee or rules.surplus_to_fund):
        why = f"what it leaves stays in the account, but {key} takes a fee or the surplus of a liquidation"
        yield (*path, "first_close"), "is not possible here", why, ""


def collateral(draft: Draft, venue: Venue, key: str, found: Unified, path: Path) -> Iterator[Finding]:
    """Coins that exist, with a price to be valued at and a book to be sold into."""
    path = (*path, "collateral")
    yield from undefined(path, found.collateral, draft.assets, "asset")
    total = sum(coin.share for coin in found.collateral.values())
    if total > 1 + SUM_TOLERANCE:
        why = f"they make {total * 100:.8g}%; what is left of 100% is cash"
        yield path, "the shares are more than everything", why, ""
    elif 1 - total + sum(coin.share * coin.ratio for coin in found.collateral.values()) <= SUM_TOLERANCE:
        yield path, "none of it counts as margin", "every share has a ratio of 0%", ""
    for name, coin in found.collateral.items():
        if coin.valued_as not in (None, CASH, *draft.assets):
            why, suggestion = suggest(coin.valued_as or "", [CASH, *draft.assets])
            yield (
                (*path, name, "valued_as"),
                f"no asset {quoted(coin.valued_as or '')} is defined",
                why,
                suggestion,
            )
        if coin.seized == "sold" and name in draft.assets and name not in venue.markets:
            why = f"{key} has no market in {quoted(name)} to sell it in"
            yield (*path, name), "is sold when it is seized", why, 'Add that market, or try "seized: kept".'


def conserved(venue: Venue, path: Path) -> Iterator[Finding]:
    """Accounts hold no more of a market's side than its open interest."""
    held: dict[tuple[str, bool], float] = {}
    for name, found in venue.accounts.items():
        for asset, weight in found.weights.items():
            side = (asset, weight < 0)
            held[side] = held.get(side, 0.0) + abs(weight) * found.open_interest
            market = venue.markets.get(asset)
            if market and held[side] > market.open_interest * (1 + SUM_TOLERANCE):
                word, most = "shorts" if weight < 0 else "longs", units.DOLLARS.format(market.open_interest)
                what = f"accounts hold {units.DOLLARS.format(round(held[side]))} of the {word} in {asset}"
                yield (*path, name, "open_interest"), what, f"its open interest there is {most}", ""
                held[side] = float("-inf")  # said once

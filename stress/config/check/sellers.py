"""Other forced sellers: what they hold exists, can be sold somewhere, and is not forced at the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stress import units
from stress.config.asset import daily
from stress.config.check.draft import SUM_TOLERANCE, Draft, Finding, adds_up, undefined
from stress.config.check.run import NAME
from stress.config.origin import Path
from stress.config.seller import (
    CefiLoans,
    Company,
    DefiLoans,
    DefiPool,
    Etf,
    Followers,
    Hedge,
    Momentum,
    Pool,
    RestingStops,
    RetailExit,
    Some,
    StopLoss,
    Treasuries,
)
from stress.errors import quoted

MOST_PLACES = 16


def sellers(draft: Draft) -> Iterator[Finding]:
    """Seller by seller."""
    places = len(draft.venues)
    for key, seller in draft.sellers.items():
        path: Path = ("sellers", key)
        if isinstance(seller, DefiLoans | CefiLoans):
            places += 1
            yield from lender(draft, seller, path)
            if key in draft.venues:
                yield path, "is the name of a venue", "a lender is a place of its own in results", ""
            if places == MOST_PLACES + 1:
                why = f"venues and lenders together are at most {MOST_PLACES}"
                yield path, "is one place too many", why, ""
        elif isinstance(seller, Treasuries):
            yield from treasuries(draft, seller, path)
        elif isinstance(seller, Etf | Momentum):
            yield from followers(draft, seller, path)
        elif isinstance(seller, StopLoss):
            yield from stops(draft, seller, path)
        elif isinstance(seller, RestingStops):
            yield from resting(draft, seller, path)
        elif isinstance(seller, RetailExit | Hedge):
            yield from some(draft, seller, path)
    yield from crowded(draft)


def lender(draft: Draft, seller: DefiLoans | CefiLoans, path: Path) -> Iterator[Finding]:
    """A feed, books to sell on, and pools."""
    yield from undefined((*path, "sold_on"), seller.sold_on, draft.venues, "venue")
    if seller.oracle is not None:
        yield from undefined((*path, "oracle"), seller.oracle, draft.venues, "venue")
    for name, pool in seller.pools.items():
        at: Path = (*path, "pools", name)
        if not NAME.fullmatch(name):
            yield at, f"{quoted(name)} is not a name", "names have up to 32 letters, digits, - and _", ""
        yield from undefined((*at, "collateral"), pool.collateral, draft.assets, "asset")
        yield from adds_up((*at, "collateral"), pool.collateral.values(), "the shares")
        held = [asset for asset, share in pool.collateral.items() if share]
        yield from sellable(draft, seller.sold_on, held, (*path, "sold_on"))
        if seller.oracle is not None:
            yield from priced(draft, seller.oracle, held, (*path, "oracle"))
        yield from loans(pool, at)


def loans(pool: Pool, path: Path) -> Iterator[Finding]:
    """Loans below the threshold, which a liquidation makes better."""
    if isinstance(pool, DefiPool):
        threshold, key = pool.liquidation_threshold, "liquidation_threshold"
        if pool.close_factor < 1 and (1 + pool.bonus) * threshold >= 1:
            why = "a liquidation would take more collateral than it repays debt for, and leave a worse loan"
            yield (*path, "bonus"), "is too much for this threshold", why, ""
    else:
        threshold, key = getattr(pool, "margin_call", 1.0), "margin_call"
    for i, band in enumerate(pool.loans):
        if band.to <= band.from_:
            shown = units.SHARE.format(band.from_)
            yield (*path, "loans", i, "to"), f"is not above `from`, {shown}", "a range of loan-to-value", ""
        elif band.to > threshold:
            why = f"`{key}` is {units.SHARE.format(threshold)}, so they would be forced at the start"
            yield (*path, "loans", i, "to"), f"{units.SHARE.format(band.to)} is too much", why, ""


def sellable(
    draft: Draft, venues: Mapping[str, float], assets: Iterable[str], path: Path
) -> Iterator[Finding]:
    """Assets that some of the venues with a weight list."""
    found = [draft.venues.get(name) for name, weight in venues.items() if weight]
    if not all(found):
        return
    for asset in assets:
        if asset in draft.assets and not any(venue and asset in venue.markets for venue in found):
            yield path, f"no venue with a weight lists {asset}", "it has to be sold somewhere", ""


def priced(draft: Draft, venues: Mapping[str, float], assets: Iterable[str], path: Path) -> Iterator[Finding]:
    """The same for a price feed."""
    for at, problem, _, _ in sellable(draft, venues, assets, path):
        yield at, problem, "a feed needs a price of it", "Add a venue that does."


def treasuries(draft: Draft, seller: Treasuries, path: Path) -> Iterator[Finding]:
    """Companies within their covenants, that can sell what they hold."""
    yield from undefined((*path, "sold_on"), seller.sold_on, draft.venues, "venue")
    for name, company in seller.companies.items():
        at: Path = (*path, "companies", name)
        yield from undefined((*at, "holdings"), company.holdings, draft.assets, "asset")
        yield from sellable(draft, seller.sold_on, company.holdings, (*path, "sold_on"))
        yield from calendar(draft, company, at)
        yield from premium(company, (*at, "premium"))
        if (company.debt is None) != (company.covenant is None):
            missing, given = ("debt", "covenant") if company.debt is None else ("covenant", "debt")
            yield (*at, missing), "is missing", f"`{given}` says nothing without it", ""
        if company.debt is None or company.covenant is None:
            continue
        value = company.debt / sum(company.holdings.values())
        if value >= company.covenant:
            shown = f"{value * 100:.4g}% of its holdings"
            why = f"`covenant` is {units.SHARE.format(company.covenant)}, so it would sell at the start"
            yield (*at, "debt"), f"is {shown}", why, ""


def premium(company: Company, path: Path) -> Iterator[Finding]:
    """A premium that shrinks in a fall, and by which the company does something, one thing at a time."""
    rule = company.premium
    if rule is None:
        return
    if rule.elasticity <= 1:
        why = "only a market value that falls faster than the holdings loses its premium"
        yield (*path, "elasticity"), f"is {rule.elasticity:g}, not above 1", why, ""
    if rule.buys is None and rule.sells is None:
        yield path, "does nothing", "the company neither buys nor sells by it", "Add `buys` or `sells`."
    if rule.buys is not None and rule.sells is not None and rule.sells_below > rule.buys_above:
        why = f"between {rule.buys_above:g} and {rule.sells_below:g} it would buy and sell"
        yield (*path, "sells_below"), "is above `buys_above`", why, ""


def calendar(draft: Draft, company: Company, path: Path) -> Iterator[Finding]:
    """Sales that happen within the run, of no more than there is."""
    held, sold = sum(company.holdings.values()), 0.0
    for i, sale in enumerate(company.sales):
        at = (*path, "sales", i)
        sold += sale.amount
        if sold > held * (1 + SUM_TOLERANCE):
            why = f"it holds {units.DOLLARS.format(round(held))}"
            yield (*at, "amount"), f"makes {units.DOLLARS.format(round(sold))} of sales", why, ""
            return
        if draft.run and sale.at + sale.over > draft.run.horizon:
            horizon = units.DURATION.format(draft.run.horizon)
            why = "the rest of the sale would be lost"
            yield (*at, "over"), f"ends after the horizon, {horizon}", why, "Make the amount smaller instead."


def followers(draft: Draft, seller: Followers, path: Path) -> Iterator[Finding]:
    """Holdings and memories of assets that exist, sold where they are listed."""
    yield from undefined((*path, "sold_on"), seller.sold_on, draft.venues, "venue")
    yield from undefined((*path, "holdings"), seller.holdings, draft.assets, "asset")
    yield from sellable(draft, seller.sold_on, seller.holdings, (*path, "sold_on"))
    for asset in seller.remembered:
        if asset not in seller.holdings:
            why = "nothing is held of it"
            yield (*path, "remembered", asset), "is answered by nobody", why, ""


def stops(draft: Draft, seller: StopLoss, path: Path) -> Iterator[Finding]:
    """Orders in markets that exist, at triggers that make sense."""
    yield from undefined((*path, "orders"), seller.orders, draft.venues, "venue")
    for key, amounts in seller.orders.items():
        if venue := draft.venues.get(key):
            yield from undefined((*path, "orders", key), amounts, venue.markets, f"market of {key} in")
    for i, part in enumerate(seller.triggers):
        if part.to <= part.from_:
            shown = units.SHARE.format(part.from_)
            why = "orders are spread over a range of prices"
            yield (*path, "triggers", i, "to"), f"is not above `from`, {shown}", why, ""
    yield from adds_up((*path, "triggers"), (part.share for part in seller.triggers), "the shares")


def resting(draft: Draft, seller: RestingStops, path: Path) -> Iterator[Finding]:
    """Orders on books that exist, over a range of prices that can be reached."""
    yield from undefined((*path, "venues"), seller.venues, draft.venues, "venue")
    yield from undefined((*path, "assets"), seller.assets or (), draft.assets, "asset")
    if seller.to <= seller.from_:
        shown = units.NUMBER.format(seller.from_)
        yield (*path, "to"), f"is not above `from`, {shown}", "orders are spread over a range of prices", ""
    for key in seller.assets or draft.assets:
        asset = draft.assets.get(key)
        if asset and seller.side == "long" and seller.to * daily(asset) >= 1:
            why = (
                f"{units.NUMBER.format(seller.to)} volatilities of a day of {key} are a fall of 100% or more"
            )
            yield (*path, "to"), "is out of reach", why, ""


def some(draft: Draft, seller: Some, path: Path) -> Iterator[Finding]:
    """Venues, assets and tiers that exist."""
    yield from undefined((*path, "venues"), seller.venues or (), draft.venues, "venue")
    yield from undefined((*path, "assets"), seller.assets or (), draft.assets, "asset")
    if all(draft.tiers.values()):
        keys = [tier.key for tier in draft.tiers.values() if tier]
        yield from undefined((*path, "share"), seller.share, ["all", *keys], "tier")


def crowded(draft: Draft) -> Iterator[Finding]:
    """Exits and hedges that together claim more holders of a tier than there are."""
    claims = {k: s for k, s in draft.sellers.items() if isinstance(s, RetailExit | Hedge)}
    tiers = tuple(tier.key for tier in draft.tiers.values() if tier)
    for key, venue in draft.venues.items():
        for asset in venue.markets if venue else ():
            for side in range(2):
                total = [0.0] * len(tiers)
                for name, seller in claims.items():
                    shares = seller.shares(key, asset, side, tiers)
                    total = [x + y for x, y in zip(total, shares, strict=True)]
                    if max(total, default=0.0) > 1 + SUM_TOLERANCE:
                        claimed = f"{max(total) * 100:.6g}% of a tier of {asset} on {key}"
                        why = f"with those before it, it claims {claimed}"
                        yield ("sellers", name, "share"), "more than everybody", why, ""
                        return

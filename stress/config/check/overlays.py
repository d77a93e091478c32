"""Timed stress events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from kernels.mechanisms.feed import MAX_PAST
from stress import units
from stress.config.check.draft import Draft, Finding, undefined
from stress.config.origin import Path
from stress.config.overlay import (
    CorrelationOverlay,
    Depeg,
    DepthOverlay,
    Drawable,
    FlowOverlay,
    FundingOverlay,
    HaltOverlay,
    LaggingFeed,
    MarginOverlay,
    MarketMakerDefault,
    OracleError,
    OutageOverlay,
    Overlay,
    Passing,
    PriceShock,
    StaleFeed,
    VolatilityOverlay,
    passed,
)
from stress.errors import quoted, suggest

LENDERS = ("defi_loans", "cefi_loans")
LEAST_DEPTH = 1e-6
LARGEST_MOVE = 5.0
HIGHEST_RATE = 0.99
"""Maintenance rate that can be asked at most: a long's whole position is margin at 100%."""

LARGEST_INVENTORY = 1000.0
"""Inventory of a market maker over the depth of its books; more moves prices beyond what can be computed."""

BY_VENUE = (
    DepthOverlay, FundingOverlay, MarginOverlay, MarketMakerDefault, OracleError, StaleFeed, HaltOverlay,
    OutageOverlay,
)  # fmt: skip


WHOLE = (PriceShock, Depeg, MarketMakerDefault, FlowOverlay)
"""Events that must end within the run."""


def overlays(draft: Draft) -> Iterator[Finding]:
    """Events within the run, of assets and venues that exist."""
    for i, overlay in draft.overlays.items():
        if overlay is None:
            continue
        path: Path = ("overlays", i)
        yield from within(draft, path, overlay)
        yield from drawable((*path, "drawn"), overlay)
        for key in ("venues", "assets"):
            if getattr(overlay, key, None) == ():
                yield (*path, key), "is empty", "the event would touch nothing", "Leave it out for all."
        if isinstance(overlay, Passing):
            yield from never_back(path, overlay)
        if isinstance(overlay, PriceShock):
            yield from undefined((*path, "betas"), overlay.betas, draft.assets, "asset")
            if overlay.factor is None:
                yield from too_far(path, overlay, draft.assets)
            elif overlay.factor not in draft.factors:
                why, suggestion = suggest(overlay.factor, draft.factors)
                yield (*path, "factor"), f"no factor {quoted(overlay.factor)} is defined", why, suggestion
            continue
        if isinstance(overlay, Depeg):
            yield from coin(draft, path, overlay)
            continue
        if isinstance(overlay, DepthOverlay) and overlay.multiplier < LEAST_DEPTH:
            why = f"a book this thin cannot be computed; it must be at least {LEAST_DEPTH:g}"
            yield (*path, "multiplier"), f"{overlay.multiplier:g} is too small", why, ""
        if isinstance(overlay, MarketMakerDefault):
            yield from inventory(draft, path, overlay)
        if isinstance(overlay, FundingOverlay):
            yield from unfunded(draft, path, overlay)
        if isinstance(overlay, FlowOverlay):
            yield from traded(draft, path, overlay)
            continue
        if isinstance(overlay, LaggingFeed):
            yield from lagging(draft, path, overlay)
        if isinstance(overlay, BY_VENUE) and overlay.venues is not None:
            yield from undefined((*path, "venues"), overlay.venues, draft.venues, "venue")
        if isinstance(overlay, OutageOverlay):
            yield from outage(draft, path, overlay)
            continue
        if isinstance(overlay, MarginOverlay):
            yield from margin(draft, path, i)
        if not isinstance(overlay, CorrelationOverlay) and overlay.assets is not None:
            yield from undefined((*path, "assets"), overlay.assets, draft.assets, "asset")


def margin(draft: Draft, path: Path, last: int) -> Iterator[Finding]:
    """Findings where the overlay at `last` raises nothing, or with those before it more than can be asked."""
    raises = [x for i, x in draft.overlays.items() if i <= last and isinstance(x, MarginOverlay)]
    if raises[-1].factor == 1 and raises[-1].amount == 0:
        yield path, "raises nothing", "neither `factor` nor `amount` is there", 'Try "factor: 2".'
    for name, venue in draft.venues.items():
        for asset, market in venue.markets.items() if venue is not None else ():
            rate = max((row.rate for row in market.maintenance), default=0.0)
            for x in raises:
                if (x.venues is None or name in x.venues) and (x.assets is None or asset in x.assets):
                    before, rate = rate, rate * x.factor + x.amount
                    if x is raises[-1] and rate > max(HIGHEST_RATE, before):
                        would, most = units.SHARE.format(rate), units.SHARE.format(HIGHEST_RATE)
                        why = f"it would be {would} of the notional; at most {most} can be asked"
                        yield path, f"raises the maintenance rate of {asset} on {name} too far", why, ""
                        return


def drawable(path: Path, overlay: Overlay) -> Iterator[Finding]:
    """Findings where no factor can be drawn, or it would act on the logarithm of nothing."""
    drawn = overlay.drawn if isinstance(overlay, Drawable) else None
    if drawn is None:
        return
    if isinstance(overlay, VolatilityOverlay | DepthOverlay) and overlay.multiplier == 0:
        yield path, "has no effect", "the logarithm of a multiplier of 0 is not a number", "Try 0.01."
    if drawn.least is not None and drawn.most is not None and drawn.least >= drawn.most:
        yield (*path, "most"), "is not above `least`", "nothing is in between", ""
    elif drawn.kind == "triangular" and not drawn.least <= drawn.likeliest <= drawn.most:
        why = f"it must lie from {drawn.least:g} to {drawn.most:g}"
        yield (*path, "likeliest"), f"{drawn.likeliest:g} is out of range", why, ""


def traded(draft: Draft, path: Path, overlay: FlowOverlay) -> Iterator[Finding]:
    """Orders for assets that exist, on venues that list them."""
    yield from undefined((*path, "amount"), overlay.amount, draft.assets, "asset")
    yield from undefined((*path, "traded_on"), overlay.traded_on, draft.venues, "venue")
    venues = [draft.venues.get(name) for name, weight in overlay.traded_on.items() if weight > 0]
    for asset in overlay.amount:
        if asset in draft.assets and all(venues) and not any(x and asset in x.markets for x in venues):
            why = "none of the venues in `traded_on` lists it"
            yield (*path, "amount", asset), f"{asset} cannot be traded", why, ""


def lagging(draft: Draft, path: Path, overlay: LaggingFeed) -> Iterator[Finding]:
    """Venues or lenders that exist, and a lag that can be seen and remembered."""
    lenders = [name for name, x in draft.sellers.items() if x is not None and x.kind in LENDERS]
    yield from undefined((*path, "venues"), overlay.venues or (), [*draft.venues, *lenders], "venue")
    if draft.run is None:
        return
    steps, most = round(overlay.lag / draft.run.step), MAX_PAST // max(len(draft.assets), 1)
    step = units.DURATION.format(draft.run.step)
    if steps < 1:
        yield (*path, "lag"), "is no whole step", f"steps take {step}", "Make it longer, or steps shorter."
    elif steps > most:
        why = f"at most {most} steps of {step} can be remembered of {len(draft.assets)} assets"
        yield (*path, "lag"), f"is {steps} steps", why, ""


def outage(draft: Draft, path: Path, overlay: OutageOverlay) -> Iterator[Finding]:
    """A depth that can be computed, and a share of a throughput that there is."""
    if overlay.depth < LEAST_DEPTH:
        why = f"a book this thin cannot be computed; it must be at least {LEAST_DEPTH:.4%}"
        yield (*path, "depth"), "is too small", why, "A market that is closed is `kind: halt`."
    for key in overlay.venues or draft.venues:
        venue = draft.venues.get(key)
        if venue is not None and overlay.throughput not in (0, 1) and venue.liquidation.throughput is None:
            why = f"the engine of {key} is unlimited, and a share of that is unlimited"
            suggestion = "Give it a `liquidation.throughput`, or this outage 0%."
            yield (*path, "throughput"), "has no effect", why, suggestion
            return


def coin(draft: Draft, path: Path, overlay: Depeg) -> Iterator[Finding]:
    """A coin that exists, and falls no further than can be computed."""
    if overlay.asset not in draft.assets:
        why, suggestion = suggest(overlay.asset, draft.assets)
        yield (*path, "asset"), f"no asset {quoted(overlay.asset)} is defined", why, suggestion
    if abs(move := math.log1p(overlay.size)) > LARGEST_MOVE:
        why = f"more than {LARGEST_MOVE:g} either way cannot be computed"
        yield (*path, "size"), f"moves the log price of {overlay.asset} by {move:.3g}", why, ""


def never_back(path: Path, overlay: Passing) -> Iterator[Finding]:
    """Findings where it is said how a move comes back that never does."""
    if overlay.recovery is not None:
        return
    for key, unused in (("stays", overlay.stays != 0), ("recovered", overlay.recovered != 1)):
        if unused:
            what = (
                "the coin never comes back" if isinstance(overlay, Depeg) else "the move is never taken back"
            )
            yield (*path, key), "is not used", f"without `recovery` {what}", "Add a recovery, or remove it."


def inventory(draft: Draft, path: Path, default: MarketMakerDefault) -> Iterator[Finding]:
    """Findings where a market maker holds what it does not quote, or what nobody lists."""
    at: Path = (*path, "inventory")
    yield from undefined(at, default.inventory, draft.assets, "asset")
    names = draft.venues if default.venues is None else default.venues
    venues = [draft.venues.get(name) for name in names]
    for asset in default.inventory:
        if asset not in draft.assets:
            continue
        if default.assets is not None and asset not in default.assets:
            why = "it quotes the assets in `assets` only"
            yield (*at, asset), f"{asset} is held but not quoted", why, "Add it there."
        elif all(venues) and not any(venue and asset in venue.markets for venue in venues):
            yield (*at, asset), f"{asset} cannot be sold", "none of its venues lists it", ""
        elif all(venues):
            markets = [venue.markets[asset] for venue in venues if venue and asset in venue.markets]
            most = LARGEST_INVENTORY * sum(market.depth for market in markets)
            if abs(default.inventory[asset]) > most:
                amount = units.DOLLARS.format(most)
                why = f"at most {LARGEST_INVENTORY:g} times the depth of its books, {amount}"
                yield (*at, asset), "is more than can be wound up", why, ""


def unfunded(draft: Draft, path: Path, overlay: FundingOverlay) -> Iterator[Finding]:
    """A finding where no venue that the event touches pays funding."""
    names = draft.venues if overlay.venues is None else overlay.venues
    venues = [draft.venues.get(name) for name in names]
    if all(venues) and not any(venue and venue.funding for venue in venues):
        why = "no venue that it touches has `funding`"
        yield (*path, "rate"), "would be paid by nobody", why, 'Try "funding: {cap: 2%}" in a venue.'


def too_far(path: Path, shock: PriceShock, assets: Iterable[str]) -> Iterator[Finding]:
    """A finding where a shock takes the price of an asset out of what can be computed."""
    far = {}
    for asset in assets:
        move = shock.betas.get(asset, 1.0) * math.log1p(shock.size)
        if abs(move) > LARGEST_MOVE:
            far.setdefault(("betas", asset) if asset in shock.betas else ("size",), (asset, move))
    why = (
        f"more than {LARGEST_MOVE:g} either way, a factor of {math.exp(LARGEST_MOVE):.0f}, cannot be computed"
    )
    for at, (asset, move) in far.items():
        yield (*path, *at), f"moves the log price of {asset} by {move:.3g}", why, ""


def finish(overlay: Overlay) -> float:
    """When an event is over, from the start of the run; those without an end when they begin."""
    if isinstance(overlay, Passing):
        return passed(overlay)
    return overlay.at if isinstance(overlay, MarginOverlay) else overlay.at + overlay.over


def within(draft: Draft, path: Path, overlay: Overlay) -> Iterator[Finding]:
    """A finding where an event never happens, or a shock is cut short."""
    if draft.run is None:
        return
    horizon = units.DURATION.format(draft.run.horizon)
    end = finish(overlay)
    if overlay.at >= draft.run.horizon:
        yield (*path, "at"), f"begins after the horizon, {horizon}", "it would never happen", ""
    elif isinstance(overlay, MarginOverlay) and overlay.at > draft.run.horizon - draft.run.step * (1 - 1e-6):
        why = "no step begins then or later, so it would never be in force"
        yield (*path, "at"), "is within the last step", why, ""
    elif isinstance(overlay, WHOLE) and end > draft.run.horizon:
        named = {"market_maker_default": "inventory", "flow": "orders"}
        rest = named.get(overlay.kind, "move")
        why = f"it takes until {units.DURATION.format(end)}, and the rest of the {rest} would be lost"
        yield (*path, "over"), f"ends after the horizon, {horizon}", why, ""

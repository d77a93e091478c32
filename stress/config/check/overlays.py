"""Timed stress events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from stress import units
from stress.config.check.draft import Draft, Finding, undefined
from stress.config.origin import Path
from stress.config.overlay import CorrelationOverlay, Depeg, DepthOverlay, Overlay, PriceShock
from stress.errors import quoted, suggest

LEAST_DEPTH = 1e-6
LARGEST_MOVE = 5.0


def overlays(draft: Draft) -> Iterator[Finding]:
    """Events within the run, of assets and venues that exist."""
    for i, overlay in draft.overlays.items():
        if overlay is None:
            continue
        path: Path = ("overlays", i)
        yield from within(draft, path, overlay)
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
        if isinstance(overlay, DepthOverlay) and overlay.venues is not None:
            yield from undefined((*path, "venues"), overlay.venues, draft.venues, "venue")
        if not isinstance(overlay, CorrelationOverlay) and overlay.assets is not None:
            yield from undefined((*path, "assets"), overlay.assets, draft.assets, "asset")


def coin(draft: Draft, path: Path, overlay: Depeg) -> Iterator[Finding]:
    """A coin that exists, and falls no further than can be computed."""
    if overlay.asset not in draft.assets:
        why, suggestion = suggest(overlay.asset, draft.assets)
        yield (*path, "asset"), f"no asset {quoted(overlay.asset)} is defined", why, suggestion
    if abs(move := math.log1p(overlay.size)) > LARGEST_MOVE:
        why = f"more than {LARGEST_MOVE:g} either way cannot be computed"
        yield (*path, "size"), f"moves the log price of {overlay.asset} by {move:.3g}", why, ""


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


def within(draft: Draft, path: Path, overlay: Overlay) -> Iterator[Finding]:
    """A finding where an event never happens, or a shock is cut short."""
    if draft.run is None:
        return
    horizon = units.DURATION.format(draft.run.horizon)
    end = overlay.end if isinstance(overlay, Depeg) else overlay.at + overlay.over
    if overlay.at >= draft.run.horizon:
        yield (*path, "at"), f"begins after the horizon, {horizon}", "it would never happen", ""
    elif isinstance(overlay, PriceShock | Depeg) and end > draft.run.horizon:
        why = f"it takes until {units.DURATION.format(end)}, and the rest of the move would be lost"
        yield (*path, "over"), f"ends after the horizon, {horizon}", why, ""

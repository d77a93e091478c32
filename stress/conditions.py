"""On what the results of a run are conditional: the stress events that its config imposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress.units import DOLLARS, DURATION, SHARE

if TYPE_CHECKING:
    from stress.config.overlay import HaltOverlay, LaggingFeed, OracleError, OutageOverlay, Overlay, StaleFeed
    from stress.config.run import RunConfig


def conditional_on(config: RunConfig) -> str:
    """The overlays of a config in one line, in their order; empty where it has none.

    "bad news (-6% over 10m from 5m), depth x0.7 for 10m from 5m on beta"
    """
    return ", ".join(_event(overlay) + _size(overlay) for overlay in config.overlays)


def _size(overlay: Overlay) -> str:
    return ", its size drawn" if getattr(overlay, "drawn", None) is not None else ""


def _event(overlay: Overlay) -> str:
    at = DURATION.format(overlay.at)
    if overlay.kind == "margin":
        amount = f" and {SHARE.format(overlay.amount)} more" if overlay.amount else ""
        what = f"margins x{overlay.factor:g}{amount} from {at}{_places(overlay)}"
        return f"{overlay.name} ({what})" if overlay.name else what
    over = DURATION.format(overlay.over)
    if overlay.kind == "market_maker_default":
        what = f"{SHARE.format(overlay.share)} of depth gone from {at}{_places(overlay)}"
        return f"{overlay.name} ({what})" if overlay.name else f"a market maker's default, {what}"
    if overlay.kind == "funding":
        what = f"funding {SHARE.format(overlay.rate)} higher for {over} from {at}{_places(overlay)}"
        return f"{overlay.name} ({what})" if overlay.name else what
    if overlay.kind == "flow":
        amounts = ", ".join(
            f"{DOLLARS.format(abs(x))} of {asset} {'sold' if x < 0 else 'bought'}"
            for asset, x in overlay.amount.items()
        )
        what = f"{amounts} over {over} from {at}"
        return f"{overlay.name} ({what})" if overlay.name else what
    if overlay.kind == "price_shock":
        on = f"{overlay.factor} " if overlay.factor else ""
        what = f"{on}{SHARE.format(overlay.size)} over {over} from {at}"
        if overlay.recovery is not None:
            what += f", {SHARE.format(overlay.recovered)} of it taken back"
        return f"{overlay.name} ({what})" if overlay.name else f"price shock of {what}"
    if overlay.kind == "depeg":
        what = f"{overlay.asset} off its peg by {SHARE.format(overlay.size)} over {over} from {at}"
        return f"{overlay.name} ({what})" if overlay.name else what
    if overlay.kind == "correlation":
        common = overlay.correlation.common
        level = "in another way" if common is None else f"of {common:g}"
        what = f"correlation {level} for {over} from {at}"
        return f"{overlay.name} ({what})" if overlay.name else what
    if overlay.kind == "volatility" or overlay.kind == "depth":
        what = f"{overlay.kind} x{overlay.multiplier:g}"
    else:
        what = _interruption(overlay)
    what = f"{what} for {over} from {at}{_places(overlay)}"
    return f"{overlay.name} ({what})" if overlay.name else what


def _places(overlay: Overlay) -> str:
    where = [", ".join(getattr(overlay, key, None) or ()) for key in ("venues", "assets")]
    return "".join(f" on {names}" for names in where if names)


def _interruption(overlay: OracleError | StaleFeed | LaggingFeed | HaltOverlay | OutageOverlay) -> str:
    """What goes wrong with feeds, markets or venues."""
    if overlay.kind == "oracle_error":
        return f"{overlay.of} wrong by {SHARE.format(overlay.size)}"
    if overlay.kind == "outage":
        left = f"throughput {SHARE.format(overlay.throughput)}, depth {SHARE.format(overlay.depth)}"
        return f"outage ({left})"
    if overlay.kind == "lagging_feed":
        return f"marks {DURATION.format(overlay.lag)} behind"
    return "marks stale" if overlay.kind == "stale_feed" else "halt"

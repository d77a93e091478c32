"""The main numbers of a run, as JSON, terminal and report give them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from stress.cube import ALL
from stress.numbers import interval, plain

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.99
"""Level of the printed tail measures, where the run has it."""


def summary(cube: xr.Dataset) -> dict[str, Any]:
    """The main numbers of a run, each as {value, lower, upper}; NaN and infinities become null."""
    at = tail_level(cube)
    one = cube.isel(scenario=0)
    tail = one.sel(level=at)
    venues = one.venue.values.tolist()
    return {
        "name": str(one.scenario.item()),
        **{key: cube.attrs.get(key) for key in ("seed", "backend", "config_sha256")},
        "confidence": float(cube.attrs.get("confidence", 0.95)),
        "conditional_on": cube.attrs.get("conditional_on") or None,
        "warnings": [warning] if (warning := cube["loss_es"].attrs.get("warning")) else [],
        "level": at,
        "n_path": int(one.n_path),
        "status": dict(zip(one.path_status.values.tolist(), one.status_count.values.tolist(), strict=True)),
        "loss": {
            venue: {
                tier: _loss_numbers(one, tail, venue=venue, tier=tier, component="total")
                for tier in one.tier.values.tolist()
            }
            for venue in venues
        },
        "components": {
            venue: {
                component: _loss_numbers(one, tail, venue=venue, tier=ALL, component=component)
                for component in one.component.values.tolist()
            }
            for venue in venues
        },
        "venues": {venue: _venue_numbers(one, tail, venue) for venue in venues},
        "assets": {
            asset: _asset_numbers(one, tail, asset) for asset in one.asset.values.tolist() if asset != ALL
        },
        "cover": {
            venue: _cover_numbers(one, tail, venue)
            for venue in venues
            if math.isfinite(one.cover_listed_mean.sel(venue=venue, defaults=1))
        },
        **special(one, tail),
        "critical_shock": plain(float(one.critical_shock)),
    }


def _loss_numbers(one: xr.Dataset, tail: xr.Dataset, **at: str) -> dict[str, Any]:
    return {
        "mean": interval(one, "loss_mean", **at),
        "var": interval(tail, "loss_var", **at),
        "es": interval(tail, "loss_es", **at),
    }


def _venue_numbers(one: xr.Dataset, tail: xr.Dataset, venue: str) -> dict[str, Any]:
    whole = {"venue": venue, "asset": ALL}
    return {
        "open_interest": plain(float(one.open_interest.sel(whole))),
        "liquidated_median": interval(one, "liquidated_median", side="both", **whole),
        "liquidated_var": interval(tail, "liquidated_var", side="both", **whole),
        "liquidated_share_median": interval(one, "liquidated_share_median", **whole),
        "long_share": interval(one, "long_share", **whole),
        "exhaustion_probability": interval(one, "exhaustion_probability", venue=venue),
        "adl_notional_var": interval(tail, "adl_notional_var", venue=venue, tier=ALL),
        "backlog_var": interval(tail, "backlog_var", venue=venue),
    }


def _cover_numbers(one: xr.Dataset, tail: xr.Dataset, venue: str) -> dict[str, Any]:
    """Of the default of the largest listed account, 1, and of the two largest, 2."""
    numbers: dict[str, Any] = {"prefunded": plain(float(one.prefunded.sel(venue=venue)))}
    for defaults in one.defaults.values.tolist():
        at = {"venue": venue, "defaults": defaults}
        numbers[str(defaults)] = {
            "mean": interval(one, "cover_listed_mean", **at),
            "var": interval(tail, "cover_listed_var", **at),
            "shortfall_es": interval(tail, "cover_shortfall_es", **at),
            "shortfall_probability": interval(one, "cover_shortfall_probability", **at),
        }
    return numbers


def _asset_numbers(one: xr.Dataset, tail: xr.Dataset, asset: str) -> dict[str, Any]:
    names = ("exogenous_fall_median", "index_fall_median", "amplification_ratio", "branching_ratio_median")
    numbers = {name: interval(one, name, asset=asset) for name in names}
    return numbers | {"index_fall_var": interval(tail, "index_fall_var", asset=asset)}


def tail_level(cube: xr.Dataset) -> float:
    """The level to print: 99%, or the nearest that the run has."""
    return min(cube.level.values.tolist(), key=lambda level: abs(level - LEVEL))


def special(one: xr.Dataset, tail: xr.Dataset) -> dict[str, Any]:
    """What only some runs have: other sellers, vaults, whales, funding; empty where there is none of it.

    one: a scenario; tail: at the level that is printed
    """
    venues = one.venue.values.tolist()
    return {
        "sold_by": sold_by(one, tail),
        "whales": {
            venue: {str(n): _of(one, tail, "cover", venue=venue, defaults=n) for n in one.defaults.values}
            for venue in venues
            if venue != ALL and one.cover_mean.sel(venue=venue, defaults=1) > 0
        },
        "vaults": {
            venue: {name: _of(one, tail, f"vault_{name}", venue=venue) for name in ("inventory", "loss")}
            for venue in venues
            if venue != ALL and one.vault_inventory_mean.sel(venue=venue) > 0
        },
        "funding": {
            venue: {side: _of(one, tail, "funding", venue=venue, side=side) for side in ("long", "short")}
            for venue in venues
            if (one.funding_mean.sel(venue=venue) > 0).any()
        },
    }


def _of(one: xr.Dataset, tail: xr.Dataset, name: str, **at: str | int) -> dict[str, Any]:
    return {
        "mean": interval(one, f"{name}_mean", **at),
        "median": interval(one, f"{name}_median", **at),
        "var": interval(tail, f"{name}_var", **at),
    }


def sold_by(one: xr.Dataset, tail: xr.Dataset) -> dict[str, Any]:
    """Orders by who sent them, where that is not isolated positions alone."""
    some = [name for name in one.channel.values.tolist() if one.sold_by_mean.sel(channel=name) > 0]
    if set(some) <= {"isolated"}:
        return {}
    return {name: _of(one, tail, "sold_by", channel=name) for name in some}

"""What a run found, for a reader: numbers for JSON, tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stress import report_special
from stress.cube import ALL
from stress.tables import add_row, ends, interval, money, percent, plain, rendered, table, times

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
        **report_special.summary(one, tail),
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


def tables(found: dict[str, Any]) -> RenderableType:
    """All tables, one below the other."""
    return Group(*_spaced(_tables(found)))


def _tables(found: dict[str, Any]) -> Iterator[RenderableType]:
    level = f"{100 * found['level']:g}%"
    confidence = f"{100 * found['confidence']:g}%"
    if found["conditional_on"]:
        yield Text(
            f"Given: {found['conditional_on']}. Every probability and level below is conditional on it."
        )
    yield matrix(
        found, f"{level} expected shortfall of losses on forced positions, by venue and leverage tier"
    )
    venues = {name: numbers[ALL] for name, numbers in found["loss"].items()}
    note = f"with {confidence} intervals"
    yield losses(venues, "venue", f"Losses by venue, {note}", level)
    yield losses(found["loss"][ALL], "tier", f"Losses by leverage tier, all venues, {note}", level)
    yield payers(
        found,
        "Who paid, mean: deficit = " + " + ".join(payers_shown(found)),
    )
    if found["cover"]:
        yield cover_table(found, f"Default of the largest listed accounts, 1 or 2, {note}", level)
    yield venue_table(found, f"Forced selling and insurance funds, {note}", level)
    yield asset_table(found, f"Largest falls of prices, {note}", level)
    yield from report_special.tables(found, level, note)
    for warning in found["warnings"]:
        yield Text(f"Note: {warning}.", style="yellow")


def _spaced(parts: Iterator[RenderableType]) -> Iterator[RenderableType]:
    for part in parts:
        yield Padding(part, (0, 0, 1, 0))


def matrix(found: dict[str, Any], title: str) -> Table:
    """Expected shortfall by venue and tier."""
    tiers = list(found["loss"][ALL])
    made = table(title, "venue", *tiers)
    for venue, numbers in found["loss"].items():
        add_row(made, venue, *(money(numbers[tier]["es"]["value"]) for tier in tiers))
    return made


def losses(rows: dict[str, Any], head: str, title: str, level: str) -> Table:
    """Mean, value at risk and expected shortfall, one row each."""
    made = table(title, head, "mean", "interval", f"{level} VaR", "interval", f"{level} ES", "interval")
    for name, numbers in rows.items():
        cells = ((money(numbers[key]["value"]), ends(numbers[key])) for key in ("mean", "var", "es"))
        add_row(made, name, *(cell for pair in cells for cell in pair))
    return made


def component_name(component: str) -> str:
    """What a component of loss is called in a table."""
    return component.replace("adl", "ADL").replace("_", " ")


def components_shown(found: dict[str, Any]) -> list[str]:
    """Components with a place in the tables: where central clearing pays, those that are not zero."""
    from kernels.mechanisms.clearing import LAYERS

    means = {name: numbers["mean"]["value"] for name, numbers in found["components"][ALL].items()}
    if any(means[name] > 0 for name in LAYERS):
        return [name for name, value in means.items() if value > 0]
    return [name for name in means if name not in LAYERS]


def payers_shown(found: dict[str, Any]) -> list[str]:
    """Names of the components that a deficit is paid by, in the order in which they pay."""
    from kernels.outcome import PAYERS

    components = components_shown(found)
    return [component_name(name) for name in PAYERS if name in components]


def payers(found: dict[str, Any], title: str) -> Table:
    """Mean of every component of loss, one row a venue."""
    components = components_shown(found)
    made = table(title, "venue", *(component_name(name) for name in components))
    for venue, numbers in found["components"].items():
        add_row(made, venue, *(money(numbers[component]["mean"]["value"]) for component in components))
    return made


def venue_table(found: dict[str, Any], title: str, level: str) -> Table:
    """What was forced, how much of it was long, and whether funds lasted."""
    made = table(title, "venue", "liquidated, median", "interval", level, "of OI", "longs",
                 "fund exhausted", "interval", f"ADL {level}", f"backlog {level}")  # fmt: skip
    for venue, numbers in found["venues"].items():
        forced, exhausted = numbers["liquidated_median"], numbers["exhaustion_probability"]
        cells = (
            money(forced["value"]),
            ends(forced),
            money(numbers["liquidated_var"]["value"]),
            percent(numbers["liquidated_share_median"]["value"]),
            percent(numbers["long_share"]["value"]),
            percent(exhausted["value"]),
            ends(exhausted, percent),
            money(numbers["adl_notional_var"]["value"]),
            money(numbers["backlog_var"]["value"]),
        )
        add_row(made, venue, *cells)
    return made


def cover_table(found: dict[str, Any], title: str, level: str) -> Table:
    """What the largest listed accounts would leave, next to what there is to pay for it."""
    made = table(title, "venue", "prefunded", "defaults", "mean", f"{level}", "interval", "not enough",
                 "interval", f"shortfall, {level} ES")  # fmt: skip
    for venue, numbers in found["cover"].items():
        for defaults in ("1", "2"):
            cover = numbers[defaults]
            cells = (
                money(numbers["prefunded"]),
                defaults,
                money(cover["mean"]["value"]),
                money(cover["var"]["value"]),
                ends(cover["var"]),
                percent(cover["shortfall_probability"]["value"]),
                ends(cover["shortfall_probability"], percent),
                money(cover["shortfall_es"]["value"]),
            )
            made.add_row(venue, *cells, style="bold" if venue == ALL else "")
    return made


def asset_table(found: dict[str, Any], title: str, level: str) -> Table:
    """How far prices fell, without and with cascades."""
    made = table(title, "asset", "exogenous, median", "index, median", "interval", f"index, {level}",
                 "interval", "amplified", "interval", "branching")  # fmt: skip
    for asset, numbers in found["assets"].items():
        cells = (
            percent(numbers["exogenous_fall_median"]["value"]),
            percent(numbers["index_fall_median"]["value"]),
            ends(numbers["index_fall_median"], percent),
            percent(numbers["index_fall_var"]["value"]),
            ends(numbers["index_fall_var"], percent),
            times(numbers["amplification_ratio"]["value"]),
            ends(numbers["amplification_ratio"], times),
            "" if (ratio := numbers["branching_ratio_median"]["value"]) is None else f"{ratio:.2f}",
        )
        add_row(made, asset, *cells)
    return made


def status_line(found: dict[str, Any]) -> str:
    """How many paths there are, and what happened to them."""
    from kernels.outcome import STATUS

    sentences = dict(STATUS.values())
    parts = [
        f"{count:,} {word}" + (f" ({sentences[word]})" if word in sentences else "")
        for word, count in found["status"].items()
        if count
    ]
    return f"{found['n_path']:,} paths: " + "; ".join(parts)


def write(found: dict[str, Any]) -> str:
    """The tables as text."""
    return rendered(tables(found))

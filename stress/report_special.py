"""What only some runs have: other sellers, vaults, whales, funding. Numbers for JSON, tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stress.cube import ALL
from stress.tables import add_row, ends, interval, money, table

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table


def summary(one: xr.Dataset, tail: xr.Dataset) -> dict[str, Any]:
    """Empty where a run has none of it. one: a scenario; tail: at the level that is printed"""
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


def tables(found: dict[str, Any], level: str, note: str) -> Iterator[Table]:
    """Those for which there is something to show."""
    if found["sold_by"]:
        title = f"Orders sent into the books, forced or induced, by who sent them, {note}"
        yield _numbers(found["sold_by"], "who", title, level)
    if found["whales"]:
        rows = {f"{venue}, {n}": x for venue, each in found["whales"].items() for n, x in each.items()}
        yield _numbers(rows, "venue, whales", f"Deficits of the largest whale, and of two, {note}", level)
    if found["vaults"]:
        names = {"inventory": "largest inventory", "loss": "loss"}
        rows = {f"{v}, {names[key]}": x for v, each in found["vaults"].items() for key, x in each.items()}
        yield _numbers(rows, "venue", f"Backstop vaults, {note}", level)
    if found["funding"]:
        payer = {"long": "longs to shorts", "short": "shorts to longs"}
        rows = {f"{v}, {payer[key]}": x for v, each in found["funding"].items() for key, x in each.items()}
        yield _numbers(rows, "venue, from whom", f"Funding paid, {note}", level)


def _numbers(rows: dict[str, Any], head: str, title: str, level: str) -> Table:
    """Mean, median and tail, one row each."""
    made = table(title, head, "mean", "interval", "median", level, "interval")
    for name, numbers in rows.items():
        mean, tail = numbers["mean"], numbers["var"]
        cells = money(mean["value"]), ends(mean), money(numbers["median"]["value"])
        add_row(made, name.replace("_", " "), *cells, money(tail["value"]), ends(tail))
    return made

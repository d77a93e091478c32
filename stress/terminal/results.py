"""What a run found, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stress.cube import ALL
from stress.numbers import ends, money, percent, times
from stress.terminal import special
from stress.terminal.tables import add_row, rendered, table


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
    yield from special.tables(found, level, note)
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

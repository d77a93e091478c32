"""Comparisons as one HTML page: differences with their intervals, and both runs side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from stress.comparison.differences import Comparison
from stress.comparison.tables import Row, Table
from stress.comparison.words import bounds, formats, headline, notes, relative, signed
from stress.cube import ALL
from stress.numbers import plain
from stress.report import page
from stress.report.figure import (
    Cell,
    Figure,
    View,
    dollars,
    error_bars,
    linear_axis,
    nice_step,
    round_number,
    rows_height,
    text,
)
from stress.report.figure import Table as Numbers

BASE, OTHER = "--mean", "--es"


def html(compared: Sequence[Comparison]) -> bytes:
    """The page of comparisons with one base; the same bytes for the same runs."""
    figures: dict[str, Figure] = {}
    sections = []
    for i, each in enumerate(compared):
        made = [figure(f"{i}-{table.key}", table, each) for table in each.tables if not table.same]
        figures |= {one.key: one for one in made}
        sections.append(
            {
                "title": headline(each),
                "changes": Numbers(("Key", "Base", "Other"), tuple(_change(x) for x in each.changes)),
                "shown": [one.key for one in made],
                "same": [table.title for table in each.tables if table.rows and table.same],
                "notes": notes(each, "A filled mark:"),
            }
        )
    base = compared[0].base
    names = ", ".join(each.other.name for each in compared)
    title = f"{names} less {base.name}"
    return page.html(
        "comparison/comparison.html",
        figures,
        title=title,
        base=base.name,
        compared=sections,
        paired=all(each.paired for each in compared),
    )


def _change(found: dict[str, str | None]) -> tuple[Cell, ...]:
    return found["key"] or "", found["base"] or "–", found["other"] or "–"


def figure(key: str, table: Table, found: Comparison) -> Figure:
    """A table as a figure: for each of its statistics the differences, and both numbers."""
    kinds = list(dict.fromkeys(row.kind for row in table.rows))
    views = []
    for kind in kinds:
        rows = [row for row in table.rows if row.kind == kind and math.isfinite(row.number.base)]
        if rows:
            label = kind[:1].upper() + kind[1:]
            views += [difference(rows, table.head, label), both(rows, table.head, label)]
    confidence = f"{100 * found.confidence:g}%"
    return Figure(
        key,
        table.title,
        f"Difference of each number, other less base, with its {confidence} interval; none is drawn where a "
        "number is the same in every path.",
        f"{table.title}: differences between the runs, with intervals, or both numbers side by side",
        tuple(views),
        rows_height(max(len(view.table.rows) for view in views), 80),
        "What is shown",
    )


def difference(rows: list[Row], head: str, label: str) -> View:
    """Points with intervals around a line at zero."""
    step = formats(rows[0].number)[1]
    numbers = [
        {
            "value": plain(row.number.difference.value),
            "lower": plain(row.number.difference.lower),
            "upper": plain(row.number.difference.upper),
        }
        for row in rows
    ]
    ends = [end for number in numbers for end in number.values() if end is not None]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "y": [text(row.label) for row in rows],
        "x": [number["value"] for number in numbers],
        "marker": {
            "symbol": ["circle" if row.number.excludes_zero else "circle-open" for row in rows],
            "size": 10,
            "color": OTHER,
            "line": {"width": 2, "color": OTHER},
        },
        "hoverinfo": "text",
        "hovertext": [f"{row.label}: {' '.join(_difference(row))}" for row in rows],
        **error_bars(numbers, OTHER),
    }
    units = rows[0].number.units
    axis = signed_axis(min(ends, default=0.0), max(ends, default=0.0), lambda x: signed(x, _tick(units)))
    layout = {"xaxis": {**axis, "zeroline": True}, "yaxis": {"autorange": "reversed"}, "showlegend": False}
    parts = [row for row in rows if row.label != ALL]
    certain = [row for row in parts if row.number.excludes_zero]
    says = ""
    if certain:
        most = max(certain, key=lambda row: abs(row.number.difference.value))
        says = f"The largest difference is that of {most.label}: {signed(most.number.difference.value, step)}"
        says += f" ({bounds(most.number, step)})." if bounds(most.number, step) else "."
    return View([marks], layout, _numbers(rows, head), _named(label, "difference"), says)


def both(rows: list[Row], head: str, label: str) -> View:
    """The two numbers of each row, joined by a line."""
    show = formats(rows[0].number)[0]
    names = [text(row.label) for row in rows]
    joined: dict[str, Any] = {
        "type": "scatter", "mode": "lines", "y": [], "x": [], "line": {"color": "--line", "width": 3},
        "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    for name, row in zip(names, rows, strict=True):
        joined["y"] += [name, name, None]
        joined["x"] += [row.number.base, row.number.other, None]
    data = [joined]
    for side, colour in (("base", BASE), ("other", OTHER)):
        values = [float(getattr(row.number, side)) for row in rows]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": side.capitalize(),
                "y": names,
                "x": values,
                "marker": {"size": 11, "color": colour},
                "hoverinfo": "text",
                "hovertext": [f"{row.label}, {side}: {show(x)}" for row, x in zip(rows, values, strict=True)],
            }
        )
    highest = max(max(row.number.base, row.number.other) for row in rows)
    axis = linear_axis(highest, dollars if rows[0].number.units == "USD" else _share)
    layout = {"xaxis": axis, "yaxis": {"autorange": "reversed"}}
    return View(data, layout, _numbers(rows, head), _named(label, "both runs"))


def _named(label: str, what: str) -> str:
    return f"{label}, {what}" if label else what.capitalize()


def _numbers(rows: list[Row], head: str) -> Numbers:
    made = []
    for row in rows:
        show = formats(row.number)[0]
        made.append(
            (row.label, show(row.number.base), show(row.number.other), _difference(row), relative(row.number))
        )
    return Numbers((head.capitalize(), "Base", "Other", "Difference", "Relative"), tuple(made))


def _difference(row: Row) -> tuple[str, str]:
    step = formats(row.number)[1]
    between = "the same in every path" if row.number.difference.same else bounds(row.number, step)
    return signed(row.number.difference.value, step), between


def _tick(units: str) -> Callable[[float | None], str]:
    """A round difference on an axis."""
    return lambda value: dollars(value or 0.0) if units == "USD" else f"{_share(value or 0.0)[:-1]} pp"


def _share(value: float) -> str:
    return "0%" if value == 0 else round_number(f"{100 * value:.6g}%")


def signed_axis(lowest: float, highest: float, show: Callable[[float], str]) -> dict[str, Any]:
    """An axis that holds zero and both ends, with round ticks."""
    lowest, highest = min(lowest, 0.0), max(highest, 0.0)
    span = highest - lowest or 1.0
    step = nice_step(span, 6)
    ticks = [i * step for i in range(math.floor(lowest / step), math.ceil(highest / step) + 1)]
    around = [lowest - 0.06 * span, highest + 0.06 * span]
    inside = [tick for tick in ticks if around[0] <= tick <= around[1]]
    return {"range": around, "tickvals": inside, "ticktext": [show(tick) for tick in inside]}

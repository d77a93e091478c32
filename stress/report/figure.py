"""What a figure of a page is: views of data for plotly.js, each with its table, and words about them."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stress.numbers import ends, money, percent

Number = dict[str, float | None]
"""A number of the cube with its interval: value, lower, upper."""

Cell = str | tuple[str, str]
"""Text of a cell, or a number and its interval."""

MARK = 0.02
"""Width of a mark as a share of the axis: an interval that is narrower is not seen."""

ROW = 30
"""Height of a row of a horizontal chart, pixels."""


@dataclass(frozen=True)
class Table:
    """The numbers of a view; the first column says of what."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class View:
    """One state of a figure.

    data, layout: as plotly.js has them; strings that begin with "--" are colours of `stress.report.theme`
    narrow      : what differs on a narrow screen: {"heat": True} for a heat map, {"room": 1.3} for an axis
                  that is so much longer, where words stand beside bars
    says        : what to see in it, in a sentence
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    table: Table
    label: str = ""
    says: str = ""
    narrow: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A chart with its tables and words.

    caption: how to read it, and its units
    alt    : what it shows, for those who do not see it
    choice : what its views differ in
    """

    key: str
    title: str
    caption: str
    alt: str
    views: tuple[View, ...]
    height: int = 380
    choice: str = ""


def text(value: str) -> str:
    """Words for plotly.js, which takes them for a kind of HTML."""
    return html.escape(value, quote=False)


def shown(number: Number, show: Callable[[float | None, int], str] = money) -> Cell:
    """A number and its interval as a cell; a dash where it is not defined."""
    value = show(number["value"], 3)
    return (value, ends(number, show)) if value else "–"


def with_interval(number: Number, show: Callable[[float | None, int], str] = money) -> str:
    """A number with its interval in brackets."""
    cell = shown(number, show)
    return cell if isinstance(cell, str) else f"{cell[0]} ({cell[1]})" if cell[1] else cell[0]


def error_bars(numbers: Sequence[Number], colour: str, axis: str = "x", least: float = 0.0) -> dict[str, Any]:
    """Intervals as bars around points; none where an end is not known, or narrower than `least`."""

    def reach(number: Number, end: str) -> float:
        value, bound = number["value"], number[end]
        if value is None or bound is None or (number["upper"] or bound) - (number["lower"] or 0.0) < least:
            return 0.0
        return abs(bound - value)

    plus, minus = ([reach(number, end) for number in numbers] for end in ("upper", "lower"))
    bars = {"type": "data", "symmetric": False, "array": plus, "arrayminus": minus, "color": colour}
    return {f"error_{axis}": {**bars, "thickness": 1.5, "width": 0}}


def nice_step(span: float, n: int = 5) -> float:
    """A round step that divides a span into about so many."""
    if not span > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / n))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= span / n * 0.999)


def linear_axis(highest: float, show: Callable[[float], str], n: int = 5) -> dict[str, Any]:
    """From zero to a little more than the highest value, with round ticks."""
    if not highest > 0:
        return {"range": [0, 1], "tickvals": [0.0], "ticktext": [show(0.0)]}
    step = nice_step(highest, n)
    ticks = [i * step for i in range(int(1.06 * highest / step) + 1)]
    return {"range": [0, 1.06 * highest], "tickvals": ticks, "ticktext": [show(tick) for tick in ticks]}


def log_axis(lowest: float, highest: float, show: Callable[[float], str], n: int = 7) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2, 5 times powers of ten, or at powers where these are many."""
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    several = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
    ticks = [tick for tick in several if lowest * 0.999 <= tick <= highest * 1.001]
    if len(ticks) > n:
        every = 1 + (last - first) // n
        ticks = [
            10.0**e for e in range(first, last + 1, every) if lowest <= 1.001 * 10.0**e <= 1.002 * highest
        ]
    return {
        "type": "log",
        "range": [math.log10(lowest), math.log10(highest)],
        "tickvals": ticks,
        "ticktext": [show(tick) for tick in ticks],
    }


def dollars(value: float) -> str:
    """A round amount on an axis: $2B, $500M."""
    return "$0" if value == 0 else round_number(money(value))


def share(value: float) -> str:
    """A round share on an axis: 5%, 0.01%."""
    return "0%" if value == 0 else round_number(percent(value))


def round_number(shown_as: str) -> str:
    """Without zeros after the point that say nothing: $2.00B becomes $2B."""
    stem = shown_as.rstrip("TBMk%")
    unit = shown_as[len(stem) :]
    return (stem.rstrip("0").rstrip(".") if "." in stem else stem) + unit


def rows_height(n: int, extra: int = 90) -> int:
    """Height of a horizontal chart of so many rows."""
    return extra + ROW * max(n, 2)

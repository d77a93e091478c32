"""Numbers and tables as a terminal shows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from stress.cube import ALL

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
UNITS = tuple(suffix for _, suffix in SUFFIXES)


def interval(dataset: xr.Dataset, name: str, **at: str | int) -> dict[str, float | None]:
    """One number of the cube with its interval."""
    parts = {"value": name, "lower": f"{name}_lower", "upper": f"{name}_upper"}
    return {part: plain(float(dataset[variable].sel(at))) for part, variable in parts.items()}


def plain(value: float) -> float | None:
    """A number that JSON can hold."""
    return value if math.isfinite(value) else None


def money(value: float | None, n_digit: int = 3) -> str:
    """Dollars: $1.23B."""
    if value is None:
        return ""
    for size, suffix in SUFFIXES:
        if abs(value) >= (1 - 0.5 * 10.0**-n_digit) * size:
            return f"${digits(value / size, n_digit)}{suffix}"
    return f"${value:.0f}"


def percent(value: float | None, n_digit: int = 3) -> str:
    """A share as a percentage."""
    return "" if value is None else f"{digits(100 * value, n_digit)}%"


def times(value: float | None, n_digit: int = 3) -> str:
    """A factor."""
    return "" if value is None else f"{digits(value, n_digit)}x"


def digits(value: float, n_digit: int = 3) -> str:
    """So many digits, at least those before the point: 1.23, 12.3, 123."""
    exponent = int(f"{value:.{n_digit - 1}e}".partition("e")[2])
    return f"{value:.{max(0, n_digit - 1 - max(0, exponent))}f}"


WIDTH = 132
"""Columns where nobody looks on."""


def rendered(what: RenderableType) -> str:
    """Tables as text: as wide as they need, in colour only for a terminal."""
    screen = Console(highlight=False)
    if not screen.is_terminal:
        screen = Console(highlight=False, width=WIDTH)
    with screen.capture() as captured:
        screen.print(what)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())


Show = Callable[[float | None, int], str]


def ends(number: dict[str, float | None], show: Show = money) -> str:
    """The interval of a number, "3.10–3.32B", a digit finer where it is narrow; ∞ where it has no end."""
    if number["value"] is None or number["lower"] == number["upper"] == number["value"]:
        return ""
    lower, upper = (show(number[end], 3) for end in ("lower", "upper"))
    if not upper:
        return f"{lower.lstrip('$')}–∞"
    if lower == upper:
        lower, upper = (show(number[end], 4) for end in ("lower", "upper"))
    same = next((unit for unit in (*UNITS, "%", "x") if lower.endswith(unit) and upper.endswith(unit)), "")
    return f"{lower.removesuffix(same).lstrip('$')}–{upper.lstrip('$')}"


def table(title: str, *columns: str) -> Table:
    """A plain table: names on the left, numbers on the right."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        interval_column = column.startswith("interval")
        made.add_column("" if interval_column else column, justify="left" if interval_column else "right",
                        style="dim" if interval_column else "", no_wrap=True)  # fmt: skip
    return made


def add_row(made: Table, name: str, *cells: str) -> None:
    """A row; the one of totals comes last, set apart."""
    if name == ALL:
        made.add_section()
    made.add_row(name, *cells, style="bold" if name == ALL else "")

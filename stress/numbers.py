"""Numbers as people read them: dollars, shares and factors with their intervals, as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

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
    if upper.endswith(UNITS) and lower.startswith("$") and not lower.endswith(UNITS) and lower != "$0":
        return f"{lower}–{upper}"  # "609–19.8B" would read as of one unit
    return f"{lower.removesuffix(same).lstrip('$')}–{upper.lstrip('$')}"

"""A comparison in words: numbers with their signs, notes, and everything as plain objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stress.comparison.differences import Comparison, Number
from stress.numbers import money, percent, plain

MARK = "*"

Show = Callable[[float | None], str]


def headline(found: Comparison) -> str:
    """What is compared with what."""
    how = f"paired over {found.paths:,} paths" if found.paired else "as independent runs"
    return f"{found.other.name} less {found.base.name}, {how}, {100 * found.confidence:g}% intervals"


def notes(found: Comparison, marked: str = MARK) -> list[str]:
    """How to read it, and what to know.

    marked: what a number is marked by whose interval excludes zero
    """
    numbers = [row.number for shown in found.tables for row in shown.rows]
    told = [number for number in numbers if number.difference.value == number.difference.value]
    uncertain = [number for number in told if not number.difference.same]
    by_chance = (1 - found.confidence) * len(uncertain)
    lines = []
    if uncertain:
        lines.append(
            f"{marked} the interval excludes zero. Each is a {100 * found.confidence:g}% interval by itself: "
            f"of {len(uncertain)} about {by_chance:.0f} would exclude zero by chance if nothing differed."
        )
    if any(number.difference.same for number in numbers):
        lines.append("same: not one path of the runs differs in this number.")
    wide = [number for number in told if found.paired and number.difference.sections == 0]
    if wide:
        lines.append(
            f"{len(wide)} of {len(told)} have too few paths beyond their level to be paired; their "
            "intervals are those of independent runs."
        )
    for dim, only in found.unmatched.items():
        for side, labels in only.items():
            if labels:
                lines.append(f"Only the {side} run has the {dim} {', '.join(labels)}; totals include them.")
    return [*lines, *(f"Note: {note}." for note in found.notes)]


def formats(number: Number) -> tuple[Show, Show]:
    """How a number is shown, and a difference of such numbers."""
    if number.units == "USD":
        return money, money
    return percent, lambda value: "" if value is None else f"{percent(value)[:-1]} pp"


def signed(value: float, show: Show) -> str:
    """A difference with its sign: +$1.20M, −0.31 pp; nothing where there is none to tell."""
    if value != value:
        return ""
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    return "0" if value == 0 else ("+" if value > 0 else "−") + show(abs(value))


def bounds(number: Number, show: Show) -> str:
    """The interval of a difference."""
    ends = number.difference
    if ends.lower == ends.upper or ends.value != ends.value:
        return ""
    return f"{signed(ends.lower, show)} to {signed(ends.upper, show)}"


def relative(number: Number) -> str:
    """The difference as a share of the base; nothing where that is next to nothing beside it."""
    value = number.difference.value
    if value != value or value == 0 or abs(value) > 100 * abs(number.base):
        return ""
    return signed(value / number.base, percent)


def mark(number: Number) -> str:
    """Whether there is a difference for sure, or for sure none."""
    return "same" if number.difference.same else MARK if number.excludes_zero else ""


def as_object(found: Comparison) -> dict[str, Any]:
    """Everything for JSON; NaN and infinities become null."""
    return {
        "base": found.base.about(),
        "other": found.other.about(),
        "paired": found.paired,
        "paths": found.paths,
        "level": found.level,
        "confidence": found.confidence,
        "changes": found.changes,
        "unmatched": found.unmatched,
        "notes": found.notes,
        "differences": [
            {
                "table": shown.key,
                "name": row.name,
                "quantity": row.number.field,
                "statistic": row.number.statistic,
                "at": row.number.at,
                "level": row.number.level,
                "units": row.number.units,
                "base": plain(row.number.base),
                "other": plain(row.number.other),
                "difference": plain(row.number.difference.value),
                "lower": plain(row.number.difference.lower),
                "upper": plain(row.number.difference.upper),
                "sections": row.number.difference.sections,
                "same": row.number.difference.same,
                "excludes_zero": row.number.excludes_zero,
            }
            for shown in found.tables
            for row in shown.rows
        ],
    }

"""Events as a terminal shows them: every row, hit or miss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from stress import units
from stress.numbers import digits, ends, money, percent
from stress.terminal.tables import add_row, rendered, table
from stress.units import Unit
from stress.validation.bands import KINDS, Band, Held, as_object
from stress.validation.quantities import QUANTITIES


def counted(bands: Sequence[Band]) -> dict[str, int]:
    """How many rows count, and how many of them are inside, and inside with a sharp band."""
    rows = [band for band in bands if band.kind != "fitted"]
    return {
        "n_row": len(rows),
        "inside": sum(band.inside for band in rows),
        "inside_and_sharp": sum(band.hit for band in rows),
    }


def as_json(held: Sequence[Held]) -> dict[str, Any]:
    """All rows of all events, and how many hit, for JSON."""
    bands = [band for event in held for band in event.bands]
    by_kind = {kind: counted([b for b in bands if b.kind == kind]) for kind in KINDS}
    return {
        "events": [
            {
                "event": h.event.name,
                "title": h.event.title,
                "begins": h.event.begins,
                "config": str(h.event.config_file),
                "news": h.news,
                "n_path": h.n_path,
                "n_alike": h.n_alike,
                **counted(h.bands),
            }
            for h in held
        ],
        "rows": [as_object(band) for band in bands],
        **counted(bands),
        "by_kind": by_kind,
    }


def number(value: float, unit: Unit) -> str:
    """A number with its unit; nothing where there is none."""
    if not math.isfinite(value):
        return ""
    if unit is units.DOLLARS:
        return money(value)
    if unit is units.SHARE:
        return percent(value)
    if unit is units.DURATION:
        return f"{digits(value / 60, 3)} min"
    return f"{value:.3g}"


def span(low: float, high: float, unit: Unit) -> str:
    """Two ends of an interval, the unit said once."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "none"
    if unit is units.SHARE or unit is units.DOLLARS:
        show = money if unit is units.DOLLARS else percent
        both: dict[str, float | None] = {"value": (low + high) / 2, "lower": low, "upper": high}
        return ends(both, show) or number(low, unit)
    return f"{number(low, unit).removesuffix(' min')}–{number(high, unit)}"


def verdict(band: Band) -> str:
    """What became of a row, in a word."""
    if band.row.fitted:
        return "fitted" if band.inside else "fitted, missed"
    if not band.inside:
        return "MISSED"
    return "inside" if band.sharp else "inside, wide"


def event_table(held: Held) -> str:
    """One event: what was predicted beside what was seen."""
    news = "" if held.news is None else f"; news {percent(held.news)}, fitted"
    alike = ""
    if held.n_alike != held.n_path:
        alike = f", bands of the {held.n_alike:,} that meet the fitted row or come closest"
    title = f"{held.event.title}, from {held.event.begins} UTC; {held.n_path:,} paths{alike}{news}"
    made = table(title, "", "predicted", "5–95%", "observed", "")
    for band in held.bands:
        unit, observed = QUANTITIES[band.row.quantity].unit, band.row.interval
        cells = (
            number(band.median, unit),
            span(band.low, band.high, unit),
            span(*observed, unit),
            verdict(band),
        )
        add_row(made, band.row.title, *cells)
    return rendered(made)


def write(held: Sequence[Held]) -> str:
    """Every row of every event, and how many hit."""
    bands = [band for event in held for band in event.bands]
    lines = [event_table(h) for h in held]
    for kind, words in KINDS.items():
        found = counted([band for band in bands if band.kind == kind])
        if found["n_row"]:
            lines.append(sentence(found, words))
    lines.append(sentence(counted(bands), "in all"))
    return "\n\n".join(lines[: len(held)]) + "\n\n" + "\n".join(lines[len(held) :])


def sentence(found: dict[str, int], which: str) -> str:
    """How many rows hit."""
    share = percent(found["inside_and_sharp"] / found["n_row"], 2)
    wide = found["inside"] - found["inside_and_sharp"]
    besides = f", {wide} more inside a band too wide to say much" if wide else ""
    return f"{found['inside_and_sharp']} of {found['n_row']} rows ({share}) {which} are inside{besides}."

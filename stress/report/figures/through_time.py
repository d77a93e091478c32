"""How prices, depth and forced selling go through time, as bands over paths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from stress.cube import ALL
from stress.numbers import money, percent
from stress.report.fans import PROBABILITIES, Fans
from stress.report.figure import Figure, Table, View, dollars, linear_axis, nice_step, share, text
from stress.report.subject import Subject
from stress.report.theme import venue_colour, venue_dash
from stress.units import DURATION

N_ROW = 12
"""Rows of a table of times."""

N_ASSET = 6
"""Assets that have views of their own: those with the largest open interest."""


def figures(subject: Subject, fans: Fans) -> list[Figure]:
    """Everything there is through time."""
    found = [price(subject, fans), forced(subject, fans), depth(subject, fans), funds(subject, fans)]
    return [figure for figure in found if figure is not None]


def main_assets(subject: Subject) -> list[str]:
    """Assets with the largest open interest, the largest first."""
    held = subject.one.open_interest.sel(venue=ALL)
    ranked = sorted(subject.assets, key=lambda a: -float(held.sel(asset=a)))
    return ranked[:N_ASSET]


def price(subject: Subject, fans: Fans) -> Figure:
    """Index of an asset with cascades, and the median of what it would have been without."""
    views = []
    for asset in main_assets(subject):
        at = subject.assets.index(asset)
        bands, calm = 100 * np.expm1(fans.index[at]), 100 * np.expm1(fans.exogenous[at])
        lowest, highest = min(bands.min(), calm.min()), max(bands.max(), calm.max(), 0.0)
        step = nice_step(highest - lowest)
        ticks = [i * step for i in range(math.floor(lowest / step), math.ceil(highest / step) + 1)]
        pad = 0.04 * (highest - lowest)
        axis = {
            "range": [lowest - pad, highest + pad],
            "tickvals": ticks,
            "ticktext": [f"{tick:+g}%" if tick else "0%" for tick in ticks],
            "title": {"text": "Change since the start"},
        }
        data = [
            *_fan(fans.minutes, bands, "--forced", "With forced selling", signed),
            _line(fans.minutes, calm[2], "--calm", "Without it, median", "dash"),
        ]
        name = subject.asset(asset)
        low = int(bands[2].argmin())
        says = (
            f"{name}: the median path is lowest after {clock(fans.minutes[low])}, at "
            f"{signed(bands[2][low])}; without "
            f"anybody forced to sell it would stand at {signed(calm[2][low])} then."
        )
        columns = {"With forced selling": bands, "Without, median": calm[2:3]}
        views.append(View(data, _layout(subject, fans, axis), _table(fans, columns, signed), name, says))
    return Figure(
        "price",
        "Prices",
        "Index of all venues, change since the start. Dark band: half of the paths; light band: nine of ten; "
        f"line: median. {_of(fans)} The dashed line is the price that news alone would have made.",
        "Bands of the price through time, with forced selling, and the median without",
        tuple(views),
        400,
        "Asset",
    )


def forced(subject: Subject, fans: Fans) -> Figure:
    """Forced notional, each minute and in all."""
    views = []
    for label, bands in (("Per minute", fans.forced), ("Since the start", fans.forced_so_far)):
        axis = {
            **linear_axis(float(bands.max()), dollars),
            "title": {"text": "USD per minute" if bands is fans.forced else "USD"},
        }
        at = int(bands[2].argmax())
        says = (
            f"In the median path forced selling is fastest after {clock(fans.minutes[at])}: "
            f"{money(float(bands[2][at]))} a minute."
            if bands is fans.forced
            else f"In the median path {money(float(bands[2][-1]))} is forced by the end; "
            f"nine paths of ten lie between {money(float(bands[0][-1]))} and {money(float(bands[4][-1]))}."
        )
        if not bands[2].any():
            says = "In the median path nobody is forced."
        data = _fan(fans.minutes, bands, "--forced", "Forced", _money)
        views.append(
            View(data, _layout(subject, fans, axis), _table(fans, {"Forced": bands}, _money), label, says)
        )
    return Figure(
        "forced",
        "Forced selling",
        "Notional of positions closed by force, longs and shorts, all venues and assets, USD at the fill. "
        f"Bands as above. {_of(fans)}",
        "Bands of forced notional through time",
        tuple(views),
        340,
        "What is shown",
    )


def depth(subject: Subject, fans: Fans) -> Figure:
    """How much of the books is left."""
    views = []
    for asset in main_assets(subject):
        bands = fans.depth[subject.assets.index(asset)]
        axis = {**linear_axis(float(bands.max()), share), "title": {"text": "Share of the start's"}}
        low = int(bands[2].argmin())
        says = (
            f"{subject.asset(asset)}: in the median path books hold {percent(float(bands[2][low]))} of their "
            f"depth at the thinnest, after {clock(fans.minutes[low])}."
        )
        data = _fan(fans.minutes, bands, "--calm", "Depth", _percent)
        views.append(
            View(
                data,
                _layout(subject, fans, axis),
                _table(fans, {"Depth": bands}, _percent),
                subject.asset(asset),
                says,
            )
        )
    return Figure(
        "depth",
        "Depth of order books",
        "Dollars that move the price by the first 1%, all venues together, as a share of the start's; what "
        f"events of the config take from books comes on top. Bands as above. {_of(fans)}",
        "Bands of order book depth through time",
        tuple(views),
        320,
        "Asset",
    )


def funds(subject: Subject, fans: Fans) -> Figure | None:
    """What is left in every venue's insurance fund."""
    known = [i for i in range(len(subject.venues)) if np.isfinite(fans.fund[i]).all()]
    if not known:
        return None
    data = [
        _line(
            fans.minutes,
            fans.fund[i],
            venue_colour(i),
            text(subject.venue(subject.venues[i])),
            venue_dash(i),
        )
        for i in known
    ]
    highest = float(fans.fund[known].max())
    axis = {**linear_axis(highest, share), "title": {"text": "Share of the start's"}}
    columns = {subject.venue(subject.venues[i]): fans.fund[i : i + 1] for i in known}
    lost = [(float(fans.fund[i].min()), i) for i in known]
    least, who = min(lost)
    name = subject.venue(subject.venues[who])
    says = f"Least is left to {name}: {_percent(least)} of its fund, in the median path."
    view = View(data, _layout(subject, fans, axis), _table(fans, columns, _percent), says=says)
    return Figure(
        "fund-left",
        "What is left of insurance funds",
        "Median over paths, as a share of what the fund held at the start; fees can lift it above. "
        f"{_of(fans)}",
        "Lines of the median insurance fund of each venue through time",
        (view,),
        380,
    )


def _of(fans: Fans) -> str:
    """Of how many paths a chart is."""
    return f"Of the first {fans.n_path:,} paths of this run, computed again for this page."


def _fan(minutes, bands, colour: str, name: str, show: Callable[[float], str]) -> list[dict[str, Any]]:
    """Two bands and a median, of [probability, step]."""
    x = minutes.tolist()
    found: list[dict[str, Any]] = []
    for low, high, opacity, words in ((0, 4, 0.18, "nine of ten paths"), (1, 3, 0.34, "half of the paths")):
        found.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x + x[::-1],
                "y": [*bands[high].tolist(), *bands[low][::-1].tolist()],
                "fill": "toself",
                "fillcolor": f"{colour} {opacity}",
                "line": {"width": 0},
                "hoverinfo": "skip",
                "name": words,
                "showlegend": True,
            }
        )
    median = _line(minutes, bands[2], colour, f"{name}, median")
    median["hoverinfo"] = "text"
    median["hovertext"] = [
        f"{clock(t)}: {show(m)} ({show(a)} to {show(b)})"
        for t, a, _, m, _, b in zip(x, *bands.tolist(), strict=True)
    ]
    return [*found, median]


def _line(minutes, values, colour: str, name: str, dash="solid") -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": minutes.tolist(),
        "y": values.tolist(),
        "name": name,
        "line": {"color": colour, "width": 2.5, "dash": dash},
        "hoverinfo": "name",
    }


def _layout(subject: Subject, fans: Fans, yaxis: dict[str, Any]) -> dict[str, Any]:
    """A time axis, with the events that the config imposes."""
    end = float(fans.minutes[-1])
    per = 60.0 if end > 90 else 1.0
    step = per * nice_step(end / per, 8 if per == 1 else 6)
    ticks = np.arange(0, end + 1e-9, max(step, 1.0)).tolist()
    unit = "hours" if per == 60 else "minutes"
    xaxis = {
        "range": [0, end],
        "tickvals": ticks,
        "ticktext": [f"{t / per:g}" for t in ticks],
        "title": {"text": f"Time since the start, {unit}"},
    }
    shapes, notes = [], []
    for i, (name, start, over) in enumerate(e for e in events(subject) if e[1] <= end):
        shapes.append(
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": start,
                "x1": start,
                "y0": 0,
                "y1": 1,
                "line": {"color": "--muted", "width": 1, "dash": "dot"},
            }
        )
        lasts = f", {clock(over)}" if 0 < over < end - start else ""
        notes.append(
            {
                "x": start,
                "y": 1,
                "xref": "x",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "xshift": -4,
                "yshift": 15 * (i % 3),
                "showarrow": False,
                "text": f"▾ {text(name)}{lasts}",
                "font": {"size": 11.5, "color": "--muted"},
            }
        )
    return {
        "xaxis": xaxis,
        "yaxis": yaxis,
        "shapes": shapes,
        "annotations": notes,
        "margin": {"t": 12 + 15 * min(len(notes), 3)},
    }


def events(subject: Subject) -> list[tuple[str, float, float]]:
    """What the config imposes: name, beginning and duration in minutes; the first six by time."""
    assert subject.job is not None
    found = []
    for overlay in sorted(subject.job.config.overlays, key=lambda overlay: overlay.at)[:6]:
        name = getattr(overlay, "name", None) or overlay.kind.replace("_", " ")
        found.append((str(name), overlay.at / 60.0, getattr(overlay, "over", 0.0) / 60.0))
    return found


def _table(fans: Fans, columns: dict[str, np.ndarray], show: Callable[[float], str]) -> Table:
    """Values at some times: medians, with the range of nine paths of ten where it is known."""
    n = len(fans.minutes) - 1
    at = sorted({round(i * n / N_ROW) for i in range(N_ROW + 1)})
    rows = []
    for step in at:
        cells = [
            (show(float(b[2][step])), f"{show(float(b[0][step]))} to {show(float(b[4][step]))}")
            if len(b) == len(PROBABILITIES)
            else show(float(b[0][step]))
            for b in columns.values()
        ]
        rows.append((clock(float(fans.minutes[step])), *cells))
    return Table(("Time", *columns), tuple(rows))


def clock(minutes: float) -> str:
    """A time since the start: 51 min, 2 h 05."""
    whole = round(minutes)
    if minutes < 5 and whole != minutes:
        return DURATION.format(60 * minutes)
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60:02d}"


def signed(value: float) -> str:
    """A change in percent."""
    return f"{value:+.2f}%".replace("-", "−")


def _money(value: float) -> str:
    return money(value)


def _percent(value: float) -> str:
    return percent(value) if value else "0%"

"""How much is lost, where, and how likely more is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stress.cube import ALL
from stress.measures import probability
from stress.numbers import money, percent
from stress.report.figure import (
    MARK,
    Figure,
    Number,
    Table,
    View,
    dollars,
    error_bars,
    linear_axis,
    log_axis,
    rows_height,
    share,
    shown,
    text,
    with_interval,
)
from stress.report.subject import Subject, level_name, tier_name
from stress.report.theme import HEAT, venue_colour, venue_dash

N_THRESHOLD = 72
"""Points of an exceedance curve."""


def by_size(subject: Subject, numbers: dict[str, Number]) -> list[str]:
    """Venues, the one with most first."""
    return sorted(subject.venues, key=lambda venue: -(numbers[venue]["value"] or 0.0))


def losses(subject: Subject) -> Figure:
    """Mean, value at risk and expected shortfall of every venue."""
    level = subject.level_name
    measures = {"mean": "Average path", "var": f"{level} VaR", "es": f"{level} ES"}
    of: dict[str, dict[str, Number]] = {
        key: {
            venue: subject.number(f"loss_{key}", venue=venue, tier=ALL, component="total")
            for venue in (*subject.venues, ALL)
        }
        for key in measures
    }
    order = by_size(subject, of["es"])
    names = [text(subject.venue(venue)) for venue in order]
    highest = max((of["es"][venue]["upper"] or of["es"][venue]["value"] or 0.0) for venue in subject.venues)
    symbols = {"mean": "circle-open", "var": "diamond-open", "es": "circle"}
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label,
            "y": names,
            "x": [of[key][venue]["value"] for venue in order],
            "marker": {
                "symbol": symbols[key],
                "size": 11,
                "color": f"--{key}",
                "line": {"width": 2, "color": f"--{key}"},
            },
            "hoverinfo": "text",
            "hovertext": [f"{subject.venue(v)}, {label}: {with_interval(of[key][v])}" for v in order],
            **error_bars([of[key][venue] for venue in order], f"--{key}", least=MARK * highest),
        }
        for key, label in measures.items()
    ]
    layout = {"xaxis": linear_axis(highest, dollars), "yaxis": {"autorange": "reversed"}}
    table = Table(
        ("Venue", *measures.values()),
        tuple((subject.venue(v), *(shown(of[key][v]) for key in measures)) for v in (*order, ALL)),
    )
    worst = order[0]
    total = of["es"][ALL]["value"] or 0.0
    part = (of["es"][worst]["value"] or 0.0) / total if total else 0.0
    says = "Nothing is lost on any venue."
    if of["es"][worst]["value"]:
        says = f"Most is lost on {subject.venue(worst)}: {with_interval(of['es'][worst])} in {subject.worst}."
    if part:
        says += f" That is {percent(part, 2)} of what all venues together lose in theirs."
    return Figure(
        "losses",
        "Losses by venue",
        "Losses on positions closed by force, USD. VaR: exceeded in one path of "
        f"{1 / (1 - subject.level):.4g}. "
        f"ES: the average of {subject.worst}, each venue's own worst. Bars are "
        f"{subject.confidence_name} intervals; where none is seen, it is narrower than the mark.",
        f"For each venue three marks: losses in the average path, {level} value at risk, {level} expected "
        "shortfall",
        (View(data, layout, table, says=says),),
        rows_height(len(order), 110),
    )


def heat(subject: Subject) -> Figure | None:
    """Losses by venue and leverage tier; None where nothing is lost."""
    levels = subject.one.level.values.tolist()
    tiers = [
        tier
        for tier in (*subject.tiers, ALL)
        if float(subject.one.loss_mean.sel(component="total", venue=ALL, tier=tier)) > 0
    ]
    if not tiers:
        return None
    ordered = sorted(levels, key=lambda level: (level != subject.level, level))
    found = [
        _heat_view(subject, tiers, f"ES {level_name(level)}", "loss_es", {"level": level})
        for level in ordered
    ]
    found.append(_heat_view(subject, tiers, "Mean", "loss_mean", {}))
    if (held := notional(subject)) is not None:
        found.append(_share_view(subject, tiers, held))
    return Figure(
        "heat",
        "Losses by venue and leverage",
        "USD, on a logarithmic scale. Columns are bands of leverage (notional over equity) that positions "
        "had at the "
        "start. Rows and columns do not add up to their totals in ES: each cell has worst paths of its own.",
        "Heat map of losses, a row for each venue, a column for each leverage tier",
        tuple(found),
        rows_height(len(subject.venues) + 1, 96),
        "What is shown",
    )


def _heat_view(subject: Subject, tiers: list[str], label: str, name: str, at: dict[str, Any]) -> View:
    venues = (*subject.venues, ALL)
    cells = {
        (v, t): subject.number(name, component="total", venue=v, tier=t, **at) for v in venues for t in tiers
    }
    inner = {key: n["value"] or 0.0 for key, n in cells.items() if ALL not in key}
    says = ""
    if inner and max(inner.values()) > 0:
        venue, tier = max(inner, key=lambda key: inner[key])
        where = f"{subject.venue(venue)} at {tier_name(tier)}"
        says = f"The largest single cell is {where}: {with_interval(cells[venue, tier])}, {label}."
    values = [[cells[v, t]["value"] for t in tiers] for v in venues]
    hover = [[with_interval(cells[v, t]) for t in tiers] for v in venues]
    table = Table(
        ("Venue", *map(tier_name, tiers)),
        tuple((subject.venue(v), *(shown(cells[v, t]) for t in tiers)) for v in venues),
    )
    return _map(subject, tiers, values, hover, table, label, says, money)


def _map(subject, tiers, values, hover, table, label, says, show) -> View:
    """A heat map on a logarithmic scale over four powers of ten."""
    venues = [text(subject.venue(v)) for v in (*subject.venues, ALL)]
    names = [tier_name(t) for t in tiers]
    highest = max((value for row in values for value in row if value), default=1.0)
    low, high = math.log10(highest) - 4, math.log10(highest)
    ticks = [10.0**e for e in range(math.ceil(low), math.floor(high) + 1)]
    data = [
        {
            "type": "heatmap",
            "x": names,
            "y": venues,
            "z": [[max(math.log10(value), low) if value else None for value in row] for row in values],
            "text": [[short(show(value)) if value else "" for value in row] for row in values],
            "texttemplate": "%{text}",
            "hoverinfo": "text",
            "hovertext": [
                [f"{subject.venue(v)}, {t}: {h}" for t, h in zip(names, row, strict=True)]
                for v, row in zip((*subject.venues, ALL), hover, strict=True)
            ],
            "zmin": low,
            "zmax": high,
            "colorscale": HEAT,
            "xgap": 2,
            "ygap": 2,
            "colorbar": {
                "thickness": 10,
                "outlinewidth": 0,
                "tickvals": [math.log10(t) for t in ticks],
                "ticktext": [dollars(t) if show is money else share(t) for t in ticks],
            },
        }
    ]
    edge = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": len(venues) - 1.5,
        "y1": len(venues) - 1.5,
    }
    layout = {
        "xaxis": {"side": "top", "type": "category", "showgrid": False, "ticks": ""},
        "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False, "ticks": ""},
        "margin": {"b": 4},
        "shapes": [{**edge, "line": {"color": "--muted", "width": 1}}],
    }
    return View(data, layout, table, label, says, {"heat": True})


def short(shown_as: str) -> str:
    """Two digits, as fits into a cell."""
    stem = shown_as.lstrip("$").rstrip("TBMk%")
    unit = shown_as[len(shown_as.rstrip("TBMk%")) :]
    return f"{float(stem):.2g}{unit}" if float(stem) < 10 else f"{float(stem):.0f}{unit}"


def notional(subject: Subject) -> np.ndarray | None:
    """Open interest in isolated positions, longs and shorts [venue+, tier+]; None where there is no job."""
    if subject.job is None:
        return None
    held = subject.job.scenario.arrays.tier_notional.sum(axis=(0, 1))
    held = np.concatenate([held, held.sum(axis=0, keepdims=True)])
    return np.concatenate([held, held.sum(axis=1, keepdims=True)], axis=1)


def _share_view(subject: Subject, tiers: list[str], held: np.ndarray) -> View:
    """Expected shortfall over what is held in a tier, long and short."""
    venues, columns = (*subject.venues, ALL), [*subject.tiers, ALL]
    shared = sharing_margin(subject, held)
    cells: dict[tuple[str, str], Number] = {}
    for i, venue in enumerate(venues):
        for tier in tiers:
            number = subject.number("loss_es", component="total", venue=venue, tier=tier)
            per = 0.0 if venue in shared else held[i, columns.index(tier)]
            cells[venue, tier] = {
                key: value / per if value is not None and per > 0 else None for key, value in number.items()
            }
    values = [[cells[v, t]["value"] for t in tiers] for v in venues]
    hover = [[with_interval(cells[v, t], percent) for t in tiers] for v in venues]
    table = Table(
        ("Venue", *map(tier_name, tiers)),
        tuple((subject.venue(v), *(shown(cells[v, t], percent) for t in tiers)) for v in venues),
    )
    label = f"ES {subject.level_name}, share of the tier's notional"
    says = (
        "Losses over the notional of isolated positions of the tier at the start, longs and shorts together."
    )
    if shared:
        where = ", ".join(subject.venue(venue) for venue in shared)
        says += f" Left out where accounts that share margin, or lenders, lose as well: {where}."
    return _map(subject, tiers, values, hover, table, label, says, percent)


def sharing_margin(subject: Subject, held: np.ndarray) -> list[str]:
    """Venues where others than isolated positions lose: accounts that share margin, lenders in the total.

    held: as `notional` has it [venue+, tier+]; nobody knows such a notional of the others
    """
    sides = dict(zip((*subject.venues, ALL), (held[:, -1] / 2).tolist(), strict=True))
    interest = {venue: subject.value("open_interest", venue=venue, asset=ALL) or 0.0 for venue in sides}
    found = [venue for venue, isolated in sides.items() if interest[venue] > 1.001 * isolated]
    lenders = any(not sides[venue] for venue in subject.venues)
    return [*found, ALL] if lenders and ALL not in found else found


def exceedance(subject: Subject) -> Figure | None:
    """Probability of a larger loss, by venue and in all."""
    curves = {venue: _curve(subject, venue) for venue in (*subject.venues, ALL)}
    curves = {venue: curve for venue, curve in curves.items() if curve is not None}
    if not curves:
        return None
    least = 0.5 / subject.n_path
    data: list[dict[str, Any]] = []
    for venue, (at, found) in curves.items():
        number = len(subject.venues) if venue == ALL else subject.venues.index(venue)
        colour = "--ink" if venue == ALL else venue_colour(number)
        kept = found.value > 0
        x, value = at[kept], found.value[kept]
        band = (
            np.concatenate([at, at[::-1]]),
            np.concatenate([found.upper, np.maximum(found.lower, least)[::-1]]),
        )
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": band[0].tolist(),
                "y": np.maximum(band[1], least).tolist(),
                "fill": "toself",
                "fillcolor": f"{colour} 0.22",
                "line": {"width": 0},
                "hoverinfo": "skip",
                "showlegend": False,
                "legendgroup": venue,
            }
        )
        ends = zip(found.lower[kept].tolist(), found.upper[kept].tolist(), strict=True)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x.tolist(),
                "y": value.tolist(),
                "name": text(subject.venue(venue)),
                "legendgroup": venue,
                "legendrank": 1 if venue == ALL else 2 + number,
                "line": {
                    "color": colour,
                    "width": 3 if venue == ALL else 2,
                    "shape": "linear",
                    "dash": "solid" if venue == ALL else venue_dash(number),
                },
                "hoverinfo": "text",
                "hovertext": [
                    f"{subject.venue(venue)}: more than {money(a)} in {percent(v)} of paths "
                    f"({percent(lo)}–{percent(hi)})"
                    for a, v, (lo, hi) in zip(x.tolist(), value.tolist(), ends, strict=True)
                ],
            }
        )
    highest = max(float(at[-1]) for at, _ in curves.values())
    begins = {
        v: float(at[min(np.argmax(found.value < 0.9995), len(at) - 1)]) for v, (at, found) in curves.items()
    }
    table, says = _exceedance_table(subject), _exceedance_says(subject)
    views = []
    for label, lowest in (("Large venues", highest * 1e-2), ("All", min(begins.values()) / 1.3)):
        lowest = max(lowest, highest * 1e-6, 1024.0)
        layout = {
            "xaxis": {**log_axis(lowest, highest * 1.3, dollars), "title": {"text": "Loss, USD"}},
            "yaxis": {**log_axis(least, 1.4, share), "title": {"text": "Probability of more"}},
        }
        views.append(View(data, layout, table, label, says))
    if begins and min(begins.values()) > highest * 1e-2:
        views = views[1:]
    return Figure(
        "exceedance",
        "How likely is a larger loss?",
        "Both axes are logarithmic. Read up from an amount to the share of paths in which more than that is "
        "lost. Bands "
        f"are {subject.confidence_name} intervals (Clopper and Pearson); they widen where few paths are "
        "left. Press on a name in the legend to hide its line.",
        "Curves of the probability that losses exceed an amount, one for each venue and one for all",
        tuple(views),
        470,
        "Range",
    )


def _curve(subject: Subject, venue: str):
    """Thresholds, and the probability of more than each; None where nothing is ever lost."""
    values = subject.stored.distribution("loss", venue=venue)
    if not (values.lower > 0).any():
        return None
    bins = values.lower > 0
    first, last = float(values.lower[bins][0]), float(values.upper[bins][-1])
    last = last if math.isfinite(last) else float(values.lower[-1])
    at = np.geomspace(max(first * 0.98, 1024.0), max(last, first * 1.02, 1025.0), N_THRESHOLD)
    return at, probability.exceedance(values, at.tolist(), subject.confidence)


def _exceedance_table(subject: Subject) -> Table:
    """Probabilities at the thresholds of the cube that tell something."""
    over = subject.one.loss_exceedance.sel(venue=ALL)
    thresholds = [
        t for t, p in zip(over.threshold.values.tolist(), over.values.tolist(), strict=True) if p > 0
    ]
    thresholds = thresholds[-8:]
    rows = [
        (
            f"more than {dollars(t)}",
            *(
                shown(subject.number("loss_exceedance", venue=v, threshold=t), percent)
                for v in (*subject.venues, ALL)
            ),
        )
        for t in thresholds
    ]
    return Table(("Loss", *(subject.venue(v) for v in (*subject.venues, ALL))), tuple(rows))


def _exceedance_says(subject: Subject) -> str:
    var = subject.number("loss_var", venue=ALL, tier=ALL, component="total")
    often = f"{1 / (1 - subject.level):.4g}"
    return f"In one path of {often}, all venues together lose more than {with_interval(var)}."

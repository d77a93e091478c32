"""Who pays for losses, what funds hold against them, and which fail together."""

from __future__ import annotations

from typing import Any

from kernels.outcome import PAYERS
from stress.cube import ALL
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
    rows_height,
    shown,
    text,
    with_interval,
)
from stress.report.subject import Subject

NAMES = {
    "margin_lost": ("Holders' own margin", "--margin"),
    "fund_draw": ("Insurance funds", "--fund"),
    "own_capital": ("Clearing house's capital", "--own"),
    "default_fund": ("Members' default fund", "--default"),
    "assessments": ("Assessments on members", "--assess"),
    "adl": ("Winners (ADL)", "--adl"),
    "socialised": ("All holders, socialised", "--social"),
    "bad_debt": ("Nobody: bad debt", "--nobody"),
}
"""Those who pay for a loss, in the order in which they do, and their colours."""


def in_use(subject: Subject) -> list[str]:
    """Those who pay for deficits in this run."""
    mean = subject.one.loss_mean.sel(venue=ALL, tier=ALL)
    return [name for name in PAYERS if float(mean.sel(component=name)) > 0]


def waterfall(subject: Subject) -> Figure | None:
    """From the whole loss down to what nobody pays, in the average path."""
    venues = [v for v in (ALL, *subject.venues) if _mean(subject, v, "total")["value"]]
    if not venues:
        return None
    return Figure(
        "waterfall",
        "Who pays",
        "Means over all paths, USD: unlike tail measures, they add up. Each bar begins where the one above "
        "ends. The "
        "margin of those who are closed pays first; what is beyond it is the deficit, which the others pay "
        "in this order.",
        "Waterfall from the whole loss to margin, insurance funds and the others who pay",
        tuple(_waterfall_view(subject, venue) for venue in venues),
        rows_height(len(in_use(subject)) + 3, 70),
        "Venue",
    )


def _mean(subject: Subject, venue: str, component: str) -> Number:
    return subject.number("loss_mean", venue=venue, tier=ALL, component=component)


def _waterfall_view(subject: Subject, venue: str) -> View:
    numbers = {
        name: _mean(subject, venue, name) for name in ("total", "margin_lost", "deficit", *in_use(subject))
    }
    value = {name: number["value"] or 0.0 for name, number in numbers.items()}
    bars = [
        ("All losses", 0.0, "total", "--muted"),
        (NAMES["margin_lost"][0], value["deficit"], "margin_lost", "--margin"),
        ("Deficit beyond margin", 0.0, "deficit", "--muted"),
    ]
    left = value["deficit"]
    for name in in_use(subject):
        left = max(left - value[name], 0.0)
        bars.append((NAMES[name][0], left, name, NAMES[name][1]))
    total = value["total"]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "y": [label for label, *_ in bars],
            "x": [value[name] for _, _, name, _ in bars],
            "base": [base for _, base, *_ in bars],
            "marker": {"color": [colour for *_, colour in bars]},
            "text": [f" {money(value[name])}" for _, _, name, _ in bars],
            "textposition": "outside",
            "cliponaxis": False,
            "textfont": {"color": "--ink"},
            "hoverinfo": "text",
            "hovertext": [f"{label}: {with_interval(numbers[name])}" for label, _, name, _ in bars],
        }
    ]
    axis = linear_axis(total * 1.1, dollars)
    layout = {
        "xaxis": axis,
        "yaxis": {"autorange": "reversed", "showgrid": False},
        "bargap": 0.35,
        "showlegend": False,
    }
    table = Table(
        ("Who pays", "Mean, USD", "Of all losses", "Of the deficit"),
        tuple(
            (
                label,
                shown(numbers[name]),
                percent(value[name] / total),
                percent(value[name] / value["deficit"])
                if name in in_use(subject) and value["deficit"]
                else "",
            )
            for label, _, name, _ in bars
        ),
    )
    who = subject.venue(venue)
    parts = [
        f"{phrase(name)} ({percent(value[name] / value['deficit'], 2)})"
        for name in in_use(subject)
        if value["deficit"] and value[name] / value["deficit"] > 0.0005
    ]
    own = value["margin_lost"] / total
    most = "nearly all" if own >= 0.995 and value["deficit"] else percent(own, 2)
    says = f"{who}: margin pays {most} of losses."
    if parts:
        says += f" The rest falls on {listed(parts)}."
    return View(data, layout, table, who, says, {"room": 1.3})


def phrase(name: str) -> str:
    return {
        "fund_draw": "insurance funds",
        "own_capital": "the clearing house's own capital",
        "default_fund": "members' default funds",
        "assessments": "assessments on members",
        "adl": "winners who are deleveraged",
        "socialised": "all holders",
        "bad_debt": "nobody",
    }[name]


def listed(parts: list[str]) -> str:
    """One, two and three."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def funds(subject: Subject) -> Figure | None:
    """What is prefunded, next to the deficits that it is there for."""
    held = {v: subject.value("prefunded", venue=v) or 0.0 for v in subject.venues}
    es = {
        v: subject.number("loss_es", venue=v, tier=ALL, component="deficit") for v in (*subject.venues, ALL)
    }
    mean = {v: _mean(subject, v, "deficit") for v in (*subject.venues, ALL)}
    order = sorted(subject.venues, key=lambda v: -(es[v]["value"] or 0.0))
    if not any(held.values()):
        return None
    highest = 1.15 * max(
        max(es[v]["upper"] or es[v]["value"] or 0.0 for v in order), sorted([0.0, *held.values()])[-2]
    )
    names = [text(subject.venue(v)) for v in order]
    level = subject.level_name
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": "Prefunded at the start",
            "y": names,
            "x": [held[v] for v in order],
            "marker": {"color": "--fund 0.35"},
            "hoverinfo": "text",
            "hovertext": [f"{subject.venue(v)}, prefunded: {money(held[v])}" for v in order],
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "Deficit, average path",
            "y": names,
            "x": [mean[v]["value"] for v in order],
            "hoverinfo": "text",
            "marker": {"symbol": "circle-open", "size": 11, "color": "--nobody", "line": {"width": 2}},
            "hovertext": [
                f"{subject.venue(v)}, deficit, average path: {with_interval(mean[v])}" for v in order
            ],
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"Deficit, {level} ES",
            "y": names,
            "x": [es[v]["value"] for v in order],
            "hoverinfo": "text",
            "marker": {"symbol": "circle", "size": 11, "color": "--nobody"},
            "hovertext": [f"{subject.venue(v)}, deficit, {level} ES: {with_interval(es[v])}" for v in order],
            **error_bars([es[v] for v in order], "--nobody", least=MARK * highest),
        },
    ]
    beyond = [v for v in order if held[v] > 1.06 * highest]
    notes = [
        {
            "x": 1,
            "xref": "paper",
            "xanchor": "right",
            "y": text(subject.venue(v)),
            "showarrow": False,
            "text": f"{money(held[v])} ▸",
            "font": {"size": 12, "color": "--ink"},
        }
        for v in beyond
    ]
    layout = {
        "xaxis": linear_axis(highest, dollars),
        "yaxis": {"autorange": "reversed"},
        "bargap": 0.45,
        "annotations": notes,
    }
    chance = {v: subject.number("exhaustion_probability", venue=v) for v in (*subject.venues, ALL)}
    rows = [
        (
            subject.venue(v),
            money(subject.value("prefunded", venue=v)),
            shown(mean[v]),
            shown(es[v]),
            shown(chance[v], percent),
            "–" if v == ALL else minutes(subject.number("exhaustion_time_median", venue=v)),
        )
        for v in (*order, ALL)
    ]
    head = (
        "Venue",
        "Prefunded, USD",
        "Deficit, mean",
        f"Deficit, {level} ES",
        "Fund exhausted",
        "Median minute of that",
    )
    dry = [subject.venue(v) for v in order if (chance[v]["value"] or 0.0) >= 0.5]
    says = (
        f"{listed(dry)} {'spends its' if len(dry) == 1 else 'spend their'} insurance fund in at least half "
        "of all paths."
        if dry
        else "No venue spends its insurance fund in any path."
    )
    often = max(order, key=lambda v: chance[v]["value"] or 0.0)
    if not dry and chance[often]["value"]:
        name, part = subject.venue(often), with_interval(chance[often], percent)
        says = f"{name} spends its insurance fund most often, in {part} of paths."
    return Figure(
        "funds",
        "Deficits, and what is there to pay for them",
        "USD. Prefunded: the insurance fund, with central clearing also own capital and the default fund. "
        "Fees and "
        "margin that is left over can refill a fund on the way, so the chance that it is exhausted is in the "
        "table. An arrow: more than the axis holds.",
        "For each venue a bar of what is prefunded, and marks of the deficit in the average path and in the "
        "tail",
        (View(data, layout, Table(head, tuple(rows)), says=says),),
        rows_height(len(order), 110),
    )


def minutes(number: Number) -> str:
    """A time since the start, in minutes."""
    return "–" if number["value"] is None else f"{number['value']:.0f} min"

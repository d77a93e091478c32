"""Why losses are what they are: what cascades add to falls, who sends orders, the market at rest."""

from __future__ import annotations

import math
from typing import Any

from stress.numbers import digits, money, percent, times
from stress.report.figure import (
    MARK,
    Figure,
    Table,
    View,
    dollars,
    error_bars,
    linear_axis,
    rows_height,
    share,
    shown,
    text,
    with_interval,
)
from stress.report.subject import Subject

CHANNELS = {
    "isolated": "Isolated positions",
    "cross_margin": "Cross-margin accounts",
    "coin_margined": "Coin-margined accounts",
    "collateral": "Seized collateral",
    "defi_loan": "On-chain loans",
    "cefi_loan": "Loans of lenders",
    "treasury": "Treasury companies",
    "etf": "Redemptions of funds",
    "stop_loss": "Stop orders",
    "momentum": "Momentum sellers",
    "retail_exit": "Early exits",
    "vault": "Backstop vaults",
    "market_maker": "Market maker in default",
}
"""Who sends orders, in words."""


def amplification(subject: Subject) -> Figure:
    """How far assets fall in the median path, without and with forced selling."""
    calm = {a: subject.number("exogenous_fall_median", asset=a) for a in subject.assets}
    fell = {a: subject.number("index_fall_median", asset=a) for a in subject.assets}
    ratio = {a: subject.number("amplification_ratio", asset=a) for a in subject.assets}
    tail = {a: subject.number("index_fall_var", asset=a) for a in subject.assets}
    order = sorted(subject.assets, key=lambda a: -(ratio[a]["value"] or 0.0))
    names = [text(subject.asset(a)) for a in order]
    joined: list[Any] = []
    for name, asset in zip(names, order, strict=True):
        joined += [(calm[asset]["value"], name), (fell[asset]["value"], name), (None, None)]
    highest = max((fell[a]["upper"] or 0.0) for a in order)
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [x for x, _ in joined],
            "y": [y for _, y in joined],
            "hoverinfo": "skip",
            "line": {"color": "--rest", "width": 5},
            "showlegend": False,
        },
        _marks(subject, order, names, calm, "Without forced selling", "--calm", "circle-open", highest),
        {
            **_marks(subject, order, names, fell, "With forced selling", "--forced", "circle", highest),
            "mode": "markers+text",
            "text": [f"  {times(ratio[a]['value'])}" for a in order],
            "textposition": "middle right",
            "cliponaxis": False,
            "textfont": {"color": "--ink"},
        },
    ]
    layout = {"xaxis": linear_axis(1.1 * highest, share), "yaxis": {"autorange": "reversed"}}
    head = (
        "Asset",
        "Fall without, median",
        "Fall with, median",
        f"Fall with, {subject.level_name}",
        "Amplification",
        "Branching ratio, median",
    )
    rows = tuple(
        (
            subject.asset(a),
            shown(calm[a], percent),
            shown(fell[a], percent),
            shown(tail[a], percent),
            shown(ratio[a], times),
            shown(subject.number("branching_ratio_median", asset=a), plain_digits),
        )
        for a in order
    )
    most = order[0]
    says = ""
    if ratio[most]["value"]:
        says = (
            f"Amplified most: {subject.asset(most)}, down {percent(fell[most]['value'])} in the median path "
            "instead of "
            f"{percent(calm[most]['value'])}. In log price that is {with_interval(ratio[most], times)} as "
            "far."
        )
    return Figure(
        "amplification",
        "What forced selling adds to falls",
        "Largest fall below the start in the median path. Numbers at the right: amplification, the ratio of "
        "median log "
        "falls over paths that news alone takes down by more than 1%. Branching ratio: forced flow that each "
        "forced dollar brings about; at one, a cascade feeds itself.",
        "For each asset two marks: its median fall without and with forced selling, and their ratio",
        (View(data, layout, Table(head, rows), says=says),),
        rows_height(len(order), 110),
    )


def _marks(subject, order, names, numbers, label, colour, symbol, highest) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "y": names,
        "x": [numbers[a]["value"] for a in order],
        "marker": {"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
        "hoverinfo": "text",
        "hovertext": [
            f"{subject.asset(a)}, {label.lower()}: {with_interval(numbers[a], percent)}" for a in order
        ],
        **error_bars([numbers[a] for a in order], colour, least=MARK * highest),
    }


def plain_digits(value: float | None, n_digit: int = 3) -> str:
    """A number without a unit."""
    return "" if value is None else digits(value, n_digit)


def sellers(subject: Subject) -> Figure | None:
    """Who sends orders into the books."""
    mean = {c: subject.number("sold_by_mean", channel=c) for c in subject.one.channel.values.tolist()}
    order = sorted((c for c in mean if mean[c]["value"]), key=lambda c: -(mean[c]["value"] or 0.0))
    if not order:
        return None
    tail = {c: subject.number("sold_by_var", channel=c) for c in order}
    median = {c: subject.number("sold_by_median", channel=c) for c in order}
    label = {c: CHANNELS.get(c, str(c).replace("_", " ")) for c in order}
    whole = math.fsum(mean[c]["value"] or 0.0 for c in order)
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "y": [label[c] for c in order],
            "x": [mean[c]["value"] for c in order],
            "marker": {"color": "--calm"},
            "hoverinfo": "text",
            "hovertext": [f"{label[c]}: {with_interval(mean[c])}" for c in order],
            "text": [
                f" {money(mean[c]['value'])}, {percent((mean[c]['value'] or 0.0) / whole, 2)}" for c in order
            ],
            "textposition": "outside",
            "cliponaxis": False,
            "textfont": {"color": "--ink"},
        }
    ]
    highest = max(mean[c]["value"] or 0.0 for c in order)
    layout = {
        "xaxis": linear_axis(1.25 * highest, dollars),
        "yaxis": {"autorange": "reversed"},
        "showlegend": False,
        "bargap": 0.4,
    }
    head = ("Who", "Mean", "Of all", "Median", subject.level_name)
    rows = tuple(
        (
            label[c],
            shown(mean[c]),
            percent((mean[c]["value"] or 0.0) / whole),
            shown(median[c]),
            shown(tail[c]),
        )
        for c in order
    )
    part = percent((mean[order[0]]["value"] or 0.0) / whole, 2)
    says = f"{label[order[0]]} send {part} of all forced and induced orders."
    return Figure(
        "sellers",
        "Who sells",
        "Orders sent into the books in the average path, forced or induced by the fall, USD at the fill.",
        "Bars of the mean notional of orders by who sent them",
        (View(data, layout, Table(head, rows), says=says, narrow={"room": 1.4}),),
        rows_height(len(order), 70),
    )


def at_rest(subject: Subject) -> Figure | None:
    """How far assets fall after one sudden common shock, nothing else moving."""
    if "static_response" not in subject.one:
        return None
    shocks = subject.one.shock.values.tolist()
    falls = {a: subject.one.static_response.sel(asset=a).values.tolist() for a in subject.assets}
    first = subject.assets[0]
    strongest = max(subject.assets, key=lambda a: max(f / s for f, s in zip(falls[a], shocks, strict=True)))
    critical = subject.value("critical_shock")
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": shocks,
            "y": shocks,
            "name": "No amplification, beta 1",
            "hoverinfo": "skip",
            "line": {"color": "--muted", "width": 1.5, "dash": "dash"},
        },
    ]
    ranked = [a for a in subject.assets if a not in (first, strongest)] + [strongest, first]
    for asset in dict.fromkeys(ranked):
        colour = "--calm" if asset == first else "--forced" if asset == strongest else "--rest"
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": shocks,
                "y": falls[asset],
                "name": text(subject.asset(asset)),
                "line": {"color": colour, "width": 3 if colour != "--rest" else 1.5},
                "showlegend": colour != "--rest",
                "hoverinfo": "text",
                "hovertext": [
                    f"{subject.asset(asset)}: a common shock of {percent(s)} ends at −{percent(f)}"
                    for s, f in zip(shocks, falls[asset], strict=True)
                ],
            }
        )
    highest = max(max(values) for values in falls.values())
    layout: dict[str, Any] = {
        "xaxis": {**linear_axis(shocks[-1] / 1.06, share), "title": {"text": "Sudden common fall"}},
        "yaxis": {**linear_axis(highest, share), "title": {"text": "Where the index ends"}},
    }
    if critical is not None:
        layout["shapes"] = [
            {
                "type": "line",
                "yref": "paper",
                "x0": critical,
                "x1": critical,
                "y0": 0,
                "y1": 1,
                "line": {"color": "--nobody", "width": 1.5, "dash": "dot"},
            }
        ]
        layout["annotations"] = [
            {
                "x": critical,
                "y": 1,
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "top",
                "showarrow": False,
                "text": f" critical: {percent(critical, 2)}",
                "font": {"color": "--nobody", "size": 12},
            }
        ]
    says = (
        f"A sudden common fall of {percent(critical, 2)} is the smallest that is amplified more than "
        "threefold or exhausts a book."
        if critical is not None
        else f"No sudden common fall up to {percent(shocks[-1], 2)} is amplified more than threefold or "
        "exhausts a book."
    )
    some = [i for i in range(len(shocks)) if i % 6 == 5]
    table = Table(
        ("Common fall", *(subject.asset(a) for a in subject.assets)),
        tuple((percent(shocks[i]), *(percent(falls[a][i]) for a in subject.assets)) for i in some),
    )
    return Figure(
        "at-rest",
        "How the market answers at rest",
        "Before any path: every asset falls at once by its beta times the shock, the cascade runs to its "
        "end, nothing else moves. Computed, not sampled: without intervals. Grey: the other assets.",
        "Lines of where each asset's index ends after a common shock",
        (View(data, layout, table, says=says),),
        400,
    )

"""How many insurance funds fail in the same path, and which of them together."""

from __future__ import annotations

from stress.measures.probability import proportion
from stress.numbers import percent
from stress.report.figure import (
    Figure,
    Number,
    Table,
    View,
    error_bars,
    linear_axis,
    rows_height,
    share,
    shown,
    text,
    with_interval,
)
from stress.report.subject import Subject, of
from stress.report.theme import HEAT


def together(subject: Subject) -> Figure | None:
    """Probability that so many venues exhaust their funds in the same path."""
    counts = subject.one.n_exhausted.values.tolist()
    found = [subject.number("joint_exhaustion_probability", n_exhausted=n) for n in counts]
    if not any(number["value"] for number in found):
        return None
    data = [
        {
            "type": "bar",
            "x": counts,
            "y": [number["value"] for number in found],
            "marker": {"color": "--nobody"},
            "hoverinfo": "text",
            "hovertext": [
                f"at least {n}: {with_interval(number, percent)}"
                for n, number in zip(counts, found, strict=True)
            ],
            **error_bars(found, "--ink", "y"),
        }
    ]
    layout = {
        "xaxis": {
            "title": {"text": "Venues without a fund, at least"},
            "tickvals": counts,
            "showgrid": False,
        },
        "yaxis": {**linear_axis(0.95, share), "range": [0, 1.03], "title": {"text": "Share of paths"}},
        "showlegend": False,
        "bargap": 0.35,
    }
    table = Table(
        ("Venues whose fund is exhausted", "Share of paths"),
        tuple((f"at least {n}", shown(number, percent)) for n, number in zip(counts, found, strict=True)),
    )
    likely = max(
        (n for n, number in zip(counts, found, strict=True) if (number["value"] or 0) >= 0.5), default=0
    )
    says = (
        f"In at least half of all paths {likely} "
        f"{'venue spends its' if likely == 1 else 'venues spend their'} insurance fund."
        if likely
        else f"In {percent(found[0]['value'])} of paths at least one venue spends its insurance fund."
    )
    return Figure(
        "together",
        "How many funds fail together",
        "Share of paths in which at least so many venues exhaust their insurance fund; "
        f"{subject.confidence_name} intervals (Clopper and Pearson).",
        "Bars of the probability that at least one, two, three and more venues exhaust their funds",
        (View(data, layout, table, says=says),),
        320,
    )


def pairs(subject: Subject) -> Figure | None:
    """Which venues exhaust their funds in the same path; None where the cube does not say."""
    name = "pair_exhaustion_probability"
    if name not in subject.one:
        return None
    venues = subject.venues
    cells = {(a, b): subject.number(name, venue=a, other_venue=b) for a in venues for b in venues}
    alone = {v: cells[v, v]["value"] for v in venues}
    if not any(alone.values()):
        return None

    def conditional(a: str, b: str) -> Number:
        """Of the paths in which a fails, the share in which b does."""
        paths = round((alone[a] or 0.0) * subject.n_path)
        both = round((cells[a, b]["value"] or 0.0) * subject.n_path)
        return of(proportion(min(both, paths), paths, subject.confidence))

    names = [text(subject.venue(v)) for v in venues]
    views = []
    for label, found in (
        ("Both, share of paths", cells),
        ("If the row fails, the column does too", {key: conditional(*key) for key in cells}),
    ):
        says = (
            _pair_says(subject, cells)
            if found is cells
            else (
                "Each row is read by itself: of the paths in which this venue's fund is spent, the share in "
                "which the other's is."
            )
        )
        views.append(_pair_view(subject, names, found, label, says))
    return Figure(
        "pairs",
        "Which funds fail together",
        "Share of paths in which both venues exhaust their insurance funds. On the diagonal: the venue's "
        "own.",
        "Matrix of venues by venues with the probability that both exhaust their funds",
        tuple(views),
        rows_height(len(venues), 110),
        "What is shown",
    )


def _pair_view(subject: Subject, names: list[str], cells, label: str, says: str) -> View:
    venues = subject.venues
    values = [[cells[a, b]["value"] for b in venues] for a in venues]
    data = [
        {
            "type": "heatmap",
            "x": names,
            "y": names,
            "z": values,
            "zmin": 0,
            "zmax": 1,
            "colorscale": HEAT,
            "text": [["" if value is None else f"{100 * value:.0f}" for value in row] for row in values],
            "texttemplate": "%{text}",
            "hoverinfo": "text",
            "xgap": 2,
            "ygap": 2,
            "hovertext": [
                [
                    f"{subject.venue(a)} and {subject.venue(b)}: {with_interval(cells[a, b], percent)}"
                    for b in venues
                ]
                for a in venues
            ],
            "colorbar": {
                "thickness": 10,
                "outlinewidth": 0,
                "tickvals": [0, 0.5, 1],
                "ticktext": ["0%", "50%", "100%"],
            },
        }
    ]
    layout = {
        "xaxis": {"side": "top", "type": "category", "showgrid": False, "ticks": ""},
        "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False, "ticks": ""},
        "margin": {"b": 4},
    }
    table = Table(
        ("", *(subject.venue(v) for v in venues)),
        tuple((subject.venue(a), *(shown(cells[a, b], percent) for b in venues)) for a in venues),
    )
    return View(data, layout, table, label, says, {"heat": True})


def _pair_says(subject: Subject, cells) -> str:
    venues = subject.venues
    found = {(a, b): cells[a, b]["value"] or 0.0 for i, a in enumerate(venues) for b in venues[i + 1 :]}
    if not found:
        return ""
    (a, b), most = max(found.items(), key=lambda item: item[1])
    return (
        (
            f"{subject.venue(a)} and {subject.venue(b)} fail together most often, in "
            f"{with_interval(cells[a, b], percent)} of paths."
        )
        if most
        else "No two funds fail in the same path."
    )

"""How sure the headline is: the estimate as paths are added."""

from __future__ import annotations

from typing import Any

import numpy as np

from stress.measures.expected_shortfall import expected_shortfall
from stress.numbers import money
from stress.report.figure import Figure, Number, Table, View, dollars, nice_step, shown, with_interval
from stress.report.subject import Subject, of
from stress.stored import Counts, distribution, read_counts

MOST_POINTS = 24
"""Points of the curve; shards are taken together where there are more."""


def convergence(subject: Subject) -> Figure | None:
    """Expected shortfall of the total loss with its interval, shard after shard; None for a single shard."""
    shards = [] if subject.folder is None else subject.folder.shards()
    if len(shards) < 2:
        return None
    found = _estimates(subject, shards)
    x, numbers = [n for n, _ in found], [number for _, number in found]
    value, lower, upper = ([number[part] for number in numbers] for part in ("value", "lower", "upper"))
    known = [v for v in (*lower, *upper, *value) if v is not None]
    low, high = min(known), max(known)
    step = nice_step(high - low)
    ticks = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    pad = 0.05 * (high - low) or 1.0
    ceiling = high + pad
    final = numbers[-1]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": x + x[::-1],
            "fill": "toself",
            "fillcolor": "--fund 0.2",
            "y": [ceiling if v is None else v for v in upper] + lower[::-1],
            "line": {"width": 0},
            "hoverinfo": "skip",
            "name": f"{subject.confidence_name} interval",
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": x,
            "y": value,
            "name": f"{subject.level_name} ES",
            "line": {"color": "--fund", "width": 2.5},
            "marker": {"size": 7, "color": "--fund"},
            "hoverinfo": "text",
            "hovertext": [f"{n:,} paths: {with_interval(number)}" for n, number in found],
        },
    ]
    layout = {
        "xaxis": {"range": [0, x[-1] * 1.03], "title": {"text": "Paths"}},
        "yaxis": {
            "range": [low - pad, ceiling],
            "tickvals": ticks.tolist(),
            "ticktext": [dollars(t) for t in ticks.tolist()],
            "title": {"text": f"{subject.level_name} ES, all venues"},
        },
    }
    table = Table(
        ("Paths", f"{subject.level_name} ES"), tuple((f"{n:,}", shown(number)) for n, number in found)
    )
    half = next((number for n, number in found if n >= x[-1] / 2), final)
    says = f"Half of the paths said {money(half['value'])}, all of them say {with_interval(final)}."
    return Figure(
        "convergence",
        "Does the answer settle?",
        "Expected shortfall of all losses as shards of paths are added one after the other, with its "
        f"{subject.confidence_name} "
        "interval. A band that keeps its place while it narrows is what to look for.",
        "Line of the expected shortfall with its interval against the number of paths",
        (View(data, layout, table, says=says),),
        320,
    )


def _estimates(subject: Subject, shards) -> list[tuple[int, Number]]:
    """Paths that count so far, and the estimate from them."""
    assert subject.folder is not None
    cell = subject.stored.cells.cell("loss")
    take = set(
        np.unique(np.linspace(1, len(shards), min(len(shards), MOST_POINTS)).round().astype(int)).tolist()
    )
    parts: list[Counts] = []
    found = []
    for i, shard in enumerate(shards, 1):
        parts.append(_only(read_counts(subject.folder, subject.folder.shard(shard)), cell))
        if i in take:
            values = distribution(parts, 0)
            found.append((values.n, _first(expected_shortfall(values, [subject.level], subject.confidence))))
    return found


def _only(counts: Counts, cell: int) -> Counts:
    """One cell of a file's counts, so that the rest need not be kept."""
    where = counts.entries(cell)
    return Counts(
        np.array([0, where.stop - where.start]),
        counts.bin[where].copy(),
        counts.count[where].copy(),
        counts.remainder[where].copy(),
        counts.exponent[[cell]],
        counts.sums[[cell]],
        counts.squares[[cell]],
    )


def _first(estimate) -> Number:
    from stress.measures import Estimate

    return of(Estimate(*(part[0] for part in (estimate.value, estimate.lower, estimate.upper))))

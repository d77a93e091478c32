"""The page of a replayed path: what happened, in words, pictures and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernels.outcome import PAYERS
from stress.conditions import conditional_on
from stress.cube import ALL
from stress.numbers import money
from stress.provenance import package_version
from stress.replays.dataset import cell
from stress.replays.figures import figures
from stress.replays.words import PAYER_HEADS, gap, said_of, shown, where
from stress.report import page
from stress.report.figure import Table

if TYPE_CHECKING:
    from stress.replays.path import Replay


def html(replay: Replay) -> bytes:
    """One file that needs nothing else; the same bytes for the same path."""
    about = replay.job.config.about
    return page.html(
        "replays/replay.html",
        figures(replay),
        title=f"{about.title}: path {replay.path:,}",
        config=about.title,
        name=replay.job.name,
        path=replay.path,
        given=conditional_on(replay.job.config),
        losses=losses(replay),
        recorded=bool(replay.recorded),
        status=said_of(replay),
        events=[(event.time, event.text, event.kind) for event in replay.events],
        money=sums(replay),
        command=f"stress replay {replay.run.name} --path {replay.path}",
        version=package_version(),
    )


def losses(replay: Replay) -> list[dict[str, Any]]:
    """Cells with their losses: the one asked for, and all."""
    places = shown(replay)
    if not places:
        return [{"where": "all venues", "loss": money(float(cell(replay.row))), "rank": None}]
    return [{"where": where(place), "loss": money(float(place.loss)), "rank": place.rank} for place in places]


def sums(replay: Replay) -> Table:
    """Where the money went, by venue."""
    found = replay.money
    used = [name for name in PAYERS if found[ALL][name] > 0]
    paid = [("= " if i == 0 else "+ ") + PAYER_HEADS[name] for i, name in enumerate(used)]
    head = ("Venue", "Total", "= margin lost", "+ deficit", "off by", *paid, "off by")
    rows = [
        (
            venue,
            *(money(parts[name]) for name in ("total", "margin_lost", "deficit")),
            gap(parts["total_gap"]),
            *(money(parts[name]) for name in used),
            gap(parts["deficit_gap"]),
        )
        for venue, parts in found.items()
        if venue == ALL or parts["total"] > 0
    ]
    return Table(head, tuple(rows))

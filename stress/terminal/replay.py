"""A replayed path as a terminal shows it, and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kernels.outcome import PAYERS
from stress.cube import ALL
from stress.numbers import money
from stress.replays.dataset import cell
from stress.replays.path import Recorded, Replay
from stress.replays.words import PAYER_HEADS, gap, said_of, shown, where
from stress.terminal.tables import add_row, rendered, table


def write(replay: Replay) -> str:
    """What the path is, what happened on it, and where its money went."""
    parts = [headline(replay), "", *map(str, replay.events), "", sums(replay)]
    return "\n".join(parts)


def headline(replay: Replay) -> str:
    """Which path it is, and how its losses compare with those in the run."""
    about = f"Path {replay.path:,} of {replay.run}"
    if replay.asked:
        about += f", rank {replay.asked.rank} of the worst at {where(replay.asked)}"
    lines = [about, f"{replay.job.config.about.title}. Times are from the start.", ""]
    for place in shown(replay):
        # A run keeps single precision, and the reference computes in double.
        now = float(np.float32(cell(replay.row, venue=place.venue, tier=place.tier)))
        lines.append(
            f"Total loss at {where(place)}: ${now:,.2f}; in the run ${float(place.loss):,.2f}, the same bits "
            f"(rank {place.rank} of the worst)"
        )
    if not replay.recorded:
        lines.append(
            f"Total loss: ${float(cell(replay.row)):,.2f}; the path is not among the worst that the run "
            "keeps, so there is no recorded loss beside it"
        )
    if replay.status:
        lines.append(f"Status: {said_of(replay)}")
    return "\n".join(lines)


def sums(replay: Replay) -> str:
    """Total = margin lost + deficit, and who paid the deficit, by venue."""
    found = replay.money
    used = [name for name in PAYERS if found[ALL][name] > 0]
    heads = ["total", "= margin lost", "+ deficit", "off by"]
    heads += [("= " if i == 0 else "+ ") + PAYER_HEADS[name] for i, name in enumerate(used)] + ["off by"]
    made = table(
        "Where the money went: total = margin lost + deficit, deficit = what its payers paid", "", *heads
    )
    for venue, parts in found.items():
        if venue != ALL and parts["total"] <= 0:
            continue
        numbers = [money(parts[name]) for name in ("total", "margin_lost", "deficit")]
        numbers += [
            gap(parts["total_gap"]),
            *(money(parts[name]) for name in used),
            gap(parts["deficit_gap"]),
        ]
        add_row(made, venue, *numbers)
    return rendered(made)


def as_object(replay: Replay, file: Path, page: Path | None) -> dict[str, Any]:
    """The same for JSON."""
    loss = float(cell(replay.row))
    return {
        "run": str(replay.run),
        "path": replay.path,
        "file": str(file),
        "page": str(page) if page else None,
        "status": list(replay.status),
        "loss": loss,
        "asked": place(replay.asked) if replay.asked else None,
        "recorded": [place(found) for found in replay.recorded],
        "money": replay.money,
        "events": [
            {"minutes": e.minutes, "time": e.time, "kind": e.kind, "asset": e.asset or None,
             "venue": e.venue or None, "text": e.text}
            for e in replay.events
        ],
    }  # fmt: skip


def place(found: Recorded) -> dict[str, Any]:
    return {"venue": found.venue, "tier": found.tier, "rank": found.rank, "loss": float(found.loss)}

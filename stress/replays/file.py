"""replay.h5: a path on disk, in the layout of docs/formats/replay.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from stress.beside import check_place, publish_beside
from stress.contents import root_attributes
from stress.cube import PURE
from stress.errors import ConfigError
from stress.io import encode
from stress.store import sealed

if TYPE_CHECKING:
    from stress.replays.path import Replay

PREFIX = "replay-"


def save(replay: Replay, file: str | os.PathLike[str] | None = None) -> Path:
    """Write the path, whole or not at all."""
    target = place(replay, file, ".h5")
    if target.suffix in (".html", ".htm"):
        raise ConfigError(f"{target} would be the name of the page (the path itself is HDF5). Try .h5.")
    publish_beside(target, replay_bytes(replay), PREFIX)
    return target


def save_page(replay: Replay, file: str | os.PathLike[str] | None = None) -> Path:
    """Write the page of the path."""
    from stress.replays.page import html

    target = place(replay, file, ".html")
    publish_beside(target, html(replay), PREFIX)
    return target


def place(replay: Replay, file: str | os.PathLike[str] | None, suffix: str) -> Path:
    """Where a file goes: into the run's folder if nobody says."""
    target = replay.run / f"{PREFIX}{replay.path}{suffix}" if file is None else Path(file)
    if target.is_dir():
        target = target / f"{PREFIX}{replay.path}{suffix}"
    check_place(target, PREFIX)
    return target


def replay_bytes(replay: Replay) -> bytes:
    """The file; the same path gives the same bytes."""
    from stress.conditions import conditional_on

    about, row = replay.job.config.about, replay.row
    attributes = {
        "title": about.title,
        "question": about.question,
        "conditional_on": conditional_on(replay.job.config),
        "path": str(replay.path),
        "path_status": " ".join(replay.status) or "ok",
    }
    groups = {"/": replay.dataset, "rounds": replay.rounds, "row": row, "events": events(replay)}
    return sealed(encode(groups, attributes | root_attributes(replay.job)))


def events(replay: Replay) -> xr.Dataset:
    """The event log."""
    told = replay.events

    def text(name: str, words: str) -> xr.Variable:
        values = np.array([getattr(event, name) for event in told], object)
        return xr.Variable(
            "event", values, {"units": PURE, "long_name": name.capitalize(), "definition": words}
        )

    minutes = np.array([event.minutes for event in told], np.float64)
    words = {"units": "min", "long_name": "Time", "definition": "Minutes from the start"}
    return xr.Dataset({
        "minutes": xr.Variable("event", minutes, words),
        "time": text("time", "The same as hh:mm from the start"),
        "kind": text("kind", "What sort of event it is"),
        "asset": text("asset", "Of which asset it is, where it is of one"),
        "venue": text("venue", "At which venue it is, where it is at one"),
        "text": text("text", "What happened, in words"),
    })  # fmt: skip

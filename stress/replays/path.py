"""One path of a finished run again, the same bits, in full detail."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stress.contents import root_attributes
from stress.cube import ALL
from stress.errors import BackendError, ConfigError, ResultError, StressError, quoted, suggest
from stress.jobs import Job, reopen
from stress.opening import for_reading, open_run
from stress.replays import dataset
from stress.replays.events import scheduled, tell
from stress.replays.money import money
from stress.replays.story import Event, leverage
from stress.shards import machine_errors
from stress.store import RunFolder
from stress.worst import NO_PATH

if TYPE_CHECKING:
    import xarray as xr

RETRACED_BY = {"numpy": "numpy", "cpu": "cpu", "cuda": "cpu"}
"""Engine that has the bits of a run's, and tells paths in full."""

KEYS = ("venue", "tier", "rank")


@dataclass(frozen=True)
class Recorded:
    """A place in the lists of a run's worst paths."""

    venue: str
    tier: str
    rank: int
    path: int
    loss: np.generic
    """Total loss there, as the run recorded it, USD."""


@dataclass(frozen=True)
class Replay:
    """A replayed path."""

    run: Path
    path: int
    job: Job
    status: tuple[str, ...]
    """What is to be said of the path; empty: nothing."""
    dataset: xr.Dataset
    """What stood after every step."""
    rounds: xr.Dataset
    """Every round of every cascade."""
    row: xr.Dataset
    """The outcome: the numbers that this path has in the run."""
    events: tuple[Event, ...]
    recorded: tuple[Recorded, ...]
    """Places where the run has this path among its worst; losses there are this row's, bit for bit."""
    asked: Recorded | None
    """The one that was asked for, if any was."""

    @cached_property
    def money(self) -> dict[str, dict[str, float]]:
        """Where the money went, by venue: see `stress.replays.money`."""
        return money(self.row)

    def save(self, file: str | os.PathLike[str] | None = None) -> Path:
        """Write replay.h5, by default into the run's folder; returns where it is."""
        from stress.replays.file import save

        return save(self, file)

    def save_page(self, file: str | os.PathLike[str] | None = None) -> Path:
        """Write the path as a page that stands by itself, beside replay.h5 by default."""
        from stress.replays.file import save_page

        return save_page(self, file)


def replay(
    run: str | os.PathLike[str] | Any,
    *,
    path: int | None = None,
    worst: Mapping[str, str | int] | bool | None = None,
) -> Replay:
    """Compute one path of a finished run again, and tell it in full.

    run  : its folder, or a `Run`
    path : number of the path
    worst: in place of a number, the worst path by total loss: {"venue": "bybit", "tier": "50-100x"}; what is
           left out is "all", and `rank` 1; True: the worst of all

    raises: `ConfigError` for a path or a place that is not there, `ResultError` where the run is not finished
            or was computed by another version, `BackendError` where its engine keeps no traces, `StressError`
            where the path is not what it was
    """
    folder = RunFolder(getattr(run, "path", run))
    lists = open_run(folder.path, "worst")
    with for_reading():
        job = reopen(folder, to_run=False)
    made, expected = open_run(folder.path).attrs, root_attributes(job)
    if any(made.get(key) != expected[key] for key in ("config_sha256", "backend")):
        raise ResultError(
            f"{folder.cube} is of another run than its folder (it was put there afterwards). "
            f"Delete it and `stress resume {folder.path}` makes it again."
        )
    if (path is None) == (worst is None or worst is False):
        raise ConfigError("give the number of a path, or ask for the worst: one of the two")
    asked = None
    if path is None:
        asked = look_up(lists, {} if worst is True else dict(worst or {}))
        path = asked.path
    path, n_path = whole("path", path), job.config.run.paths
    if not 0 <= path < n_path:
        raise ConfigError(f"path {path:,} is not in this run, whose {n_path:,} paths are 0 to {n_path - 1:,}")
    return recompute(folder, job, path, asked, places(lists, path))


def look_up(lists: xr.Dataset, keys: Mapping[str, str | int]) -> Recorded:
    """The path at a place of the run's lists of worst paths."""
    place: dict[str, Any] = {"venue": ALL, "tier": ALL, "rank": 1}
    for key, value in keys.items():
        if key not in KEYS:
            why, hint = suggest(key, KEYS)
            raise ConfigError(f"{quoted(key)} is nothing to choose by ({why}). {hint}".rstrip())
        place[key] = value
    for key in ("venue", "tier"):
        known = [str(label) for label in lists[key].values]
        if key == "tier":
            place[key] = {leverage(label): label for label in known}.get(str(place[key]), place[key])
        if place[key] not in known:
            lacks = lists.attrs.get("lacks")
            why, hint = suggest(str(place[key]), known)
            raise ConfigError(
                f"there is no {key} {quoted(place[key])} in this run ({lacks or why}). {hint}".rstrip()
            )
    n_rank = lists.sizes["rank"]
    place["rank"] = whole("rank", place["rank"])
    if not 1 <= place["rank"] <= n_rank:
        raise ConfigError(
            f"rank {place['rank']} is not kept: a run keeps the {n_rank} worst paths of each cell"
        )
    here = lists.sel(place)
    if int(here.path) == NO_PATH:
        where = f"{place['venue']}, tier {place['tier']}"
        lost = int((lists.path.sel(venue=place["venue"], tier=place["tier"]) != NO_PATH).sum())
        few = f"only {lost} paths of this run lost anything ({where}): there is none of rank {place['rank']}"
        raise ConfigError(few if lost else f"no path of this run lost anything ({where})")
    return Recorded(place["venue"], place["tier"], place["rank"], int(here.path), here.loss.values[()])


def whole(name: str, value: Any) -> int:
    """A whole number, which may be text."""
    try:
        return int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} {quoted(value)} is not a whole number") from None


def places(lists: xr.Dataset, path: int) -> tuple[Recorded, ...]:
    """Where the run has a path among its worst."""
    found = np.argwhere(lists.path.transpose(*KEYS).values == path)
    loss = lists.loss.transpose(*KEYS).values
    labels = [lists[key].values for key in KEYS]
    return tuple(
        Recorded(str(labels[0][v]), str(labels[1][t]), int(labels[2][r]), path, loss[v, t, r])
        for v, t, r in found
    )


def recompute(
    folder: RunFolder, job: Job, path: int, asked: Recorded | None, recorded: tuple[Recorded, ...]
) -> Replay:
    """The path itself; `StressError` if it does not have the bits that it has in the run."""
    from kernels.engines import Engine, missing
    from kernels.outcome import STATUS

    name = RETRACED_BY.get(job.backend)
    if name is None:
        raise BackendError(
            f"the engine {job.backend} keeps no traces of paths. Run the config with --backend cpu or numpy, "
            "and replay that run: its paths have the same random numbers."
        )
    if why := missing(name):
        raise BackendError(f"replays of {job.backend} runs need the engine {name} ({why})")
    scenario, seed = job.scenario, job.config.run.seed
    with machine_errors():
        engine = Engine(name, scenario)
        told = engine.replay(seed, path)
        plain = engine.run_paths(seed, path, 1, 1) if name == "cpu" else told.batch
    row = dataset.row(told.batch.rows[0], scenario.shape)
    check(row, recorded)
    if plain.rows.tobytes() != told.batch.rows.tobytes():
        raise StressError(f"path {path}, told in full, is another one. This is a bug, please report it.")
    steps, rounds = dataset.steps(told, scenario), dataset.rounds(told.rounds, scenario.shape)
    bits = int(told.batch.status[0])
    status = tuple(word for bit, (word, _) in STATUS.items() if bits & bit)
    events = tell(steps, rounds, row, scheduled(job.config))
    return Replay(folder.path, path, job, status, steps, rounds, row, events, recorded, asked)


def check(row: xr.Dataset, recorded: tuple[Recorded, ...]) -> None:
    """The run has the losses of this row, bit for bit."""
    for place in recorded:
        loss = np.float32(dataset.cell(row, venue=place.venue, tier=place.tier))
        if loss != place.loss:
            raise StressError(
                f"path {place.path} loses ${loss:,.2f} now ({place.venue}, tier {place.tier}), and lost "
                f"${place.loss:,.2f} in the run. This is a bug, please report it with the config."
            )

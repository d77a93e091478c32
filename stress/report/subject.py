"""What a report is about: a cube with its counts, and the run that it came from where that is at hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from stress.cube import ALL
from stress.errors import StressError
from stress.jobs import Job
from stress.measures import Estimate
from stress.numbers import plain
from stress.opening import cube_file, for_reading, open_run
from stress.report.figure import Number
from stress.store import RunFolder
from stress.stored import Stored, open_stored
from stress.summary import tail_level

if TYPE_CHECKING:
    import xarray as xr

EVERYBODY = "All venues"


@dataclass(frozen=True)
class Subject:
    """A finished run to be reported.

    folder : of the run; None where only a cube.h5 was given
    job    : the run as this program would go on with it; None where it cannot
    why_not: why there is no job, in a sentence
    """

    stored: Stored
    folder: RunFolder | None
    job: Job | None
    why_not: str
    resolved: str

    @cached_property
    def one(self) -> xr.Dataset:
        """The cube's only scenario."""
        return self.stored.cube.isel(scenario=0)

    @cached_property
    def level(self) -> float:
        """The level of headlines."""
        return tail_level(self.stored.cube)

    @property
    def attrs(self) -> dict[str, Any]:
        return self.stored.cube.attrs

    @property
    def confidence(self) -> float:
        return float(self.attrs.get("confidence", 0.95))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config as plain values, for names."""
        return yaml.load(self.resolved, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}

    @property
    def venues(self) -> tuple[str, ...]:
        return self.stored.cells.venues

    @property
    def assets(self) -> tuple[str, ...]:
        return self.stored.cells.assets

    @property
    def tiers(self) -> tuple[str, ...]:
        return self.stored.cells.tiers

    @cached_property
    def n_path(self) -> int:
        """Paths that are counted: all that did not fail."""
        return self.stored.counts.paths()

    def venue(self, key: str) -> str:
        """What a venue, or a lender, is called: its name in the config, else its key."""
        if key == ALL:
            return EVERYBODY
        lender = key not in (self.config.get("venues") or {})
        return self._name("sellers" if lender else "venues", key)

    def asset(self, key: str) -> str:
        return self._name("assets", key)

    def _name(self, kind: str, key: str) -> str:
        entry = (self.config.get(kind) or {}).get(key)
        return str(entry.get("name") or key) if isinstance(entry, dict) else key

    def number(self, name: str, **at: Any) -> Number:
        """A number of the cube with its interval; at the level of headlines where it has one."""
        return {
            "value": self.value(name, **at),
            **{end: self.value(f"{name}_{end}", **at) for end in ("lower", "upper")},
        }

    def value(self, name: str, **at: Any) -> float | None:
        """A number of the cube, as `number` without its interval."""
        dims, values = self._array(name)
        if "level" in dims:
            at = {"level": self.level, **at}
        return plain(float(values[tuple(self._places[dim][at[dim]] for dim in dims)]))

    def _array(self, name: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Dims and values of a variable: looked up a thousand times, which xarray takes seconds for."""
        if name not in self._arrays:
            variable = self.one[name].variable
            self._arrays[name] = tuple(map(str, variable.dims)), variable.values
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        return {}

    @cached_property
    def _places(self) -> dict[str, dict[Any, int]]:
        """Where each label of a dim stands."""
        return {
            str(dim): {label: i for i, label in enumerate(self.one[dim].values.tolist())}
            for dim in self.one.dims
            if dim in self.one.coords
        }

    @property
    def level_name(self) -> str:
        return level_name(self.level)

    @property
    def worst(self) -> str:
        """The worst 1% of paths, as words."""
        return f"the worst {100 * (1 - self.level):.4g}% of paths"

    @property
    def confidence_name(self) -> str:
        return level_name(self.confidence)


def level_name(level: float) -> str:
    """A level or a confidence: 99%."""
    return f"{100 * level:.6g}%"


def tier_name(tier: str) -> str:
    """A leverage tier in words: "[1,3)" is 1–3x."""
    low, comma, high = tier[1:-1].partition(",")
    return f"{low}–{high}x" if comma else ("All tiers" if tier == ALL else tier)


def of(estimate: Estimate) -> Number:
    """A single estimate as a number."""
    return {part: plain(float(getattr(estimate, part))) for part in ("value", "lower", "upper")}


def subject(path: str | os.PathLike[str]) -> Subject:
    """What there is to report of a run's folder, or of a cube.h5 alone.

    raises: `ResultError` as `stress.opening.open_run`
    """
    file = cube_file(path)
    stored = open_stored(file)
    folder = RunFolder(file.parent) if Path(path).is_dir() else None
    resolved = str(open_run(file, "config")["resolved"].item())
    job, why_not = reopened(folder)
    return Subject(stored, folder, job, why_not, resolved)


def reopened(folder: RunFolder | None) -> tuple[Job | None, str]:
    """The run to go on with, or why it cannot be."""
    if folder is None or not folder.exists:
        return None, "only the file of the cube was given, without the folder of its run"
    from stress.jobs import reopen

    with for_reading():
        folder.manifest()
    try:
        return reopen(folder, to_run=False), ""
    except StressError as error:
        return None, str(error)

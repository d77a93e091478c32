"""What differs between two runs, number by number, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from stress.accessor import named
from stress.comparison.estimator import (
    Difference,
    Sections,
    mean,
    paired,
    paired_share,
    quantile_at,
    shortfall_at,
    unpaired,
)
from stress.comparison.runs import Side
from stress.cube import ALL, definitions, describe_label
from stress.errors import ConfigError
from stress.measures import Estimate, moments, probability
from stress.measures.distribution import Distribution
from stress.measures.expected_shortfall import expected_shortfall
from stress.measures.quantile import quantile
from stress.stored import Counts

if TYPE_CHECKING:
    from stress.comparison.tables import Table

PARTS = ("base", "other", "difference", "lower", "upper")
NAMES = {"mean": "mean", "var": "value at risk", "es": "expected shortfall", "above": "probability of more",
         "positive": "probability of any"}  # fmt: skip
SHARES = ("above", "positive")
COUNTED = ("exhaustion_time", "venues_exhausted")
"""Quantities of few values: whether paths agree in them, what funds paid in each tells."""


@dataclass(frozen=True)
class Number:
    """One number in both runs: other less base, with its interval.

    statistic: of `NAMES`
    at       : labels; `level`: of the tail, or the threshold
    """

    field: str
    statistic: str
    at: dict[str, Any]
    level: float | None
    base: float
    other: float
    difference: Difference

    @property
    def excludes_zero(self) -> bool:
        """Whether its interval does not hold zero."""
        return self.difference.lower > 0 or self.difference.upper < 0

    @property
    def units(self) -> str:
        return "1" if self.statistic in SHARES else definitions()["fields"][self.field]["unit"]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side; differences are the other's less the base's.

    mean, var, quantile, es, exceedance: of any quantity of fields.yml, with labels as for `cube.stress`
    differences: the main ones, in one dataset

    paths  : over which the two are compared
    parts  : counts of both by section, empty where they are compared as independent runs
    notes  : what is worth knowing of the comparison
    changes: of the config, {key, base, other} each
    """

    base: Side
    other: Side
    paths: int
    level: float
    parts: tuple[list[Counts], list[Counts]]
    notes: list[str]
    changes: list[dict[str, str | None]]
    unmatched: dict[str, dict[str, list[str]]]
    _known: dict[Any, Sections] = field(default_factory=dict, repr=False)

    @property
    def paired(self) -> bool:
        """Whether draws are shared, and sections are there to see it by."""
        return bool(self.parts[0])

    @property
    def confidence(self) -> float:
        return float(self.base.cube.attrs["confidence"])

    def mean(self, field: str = "loss", **labels: Any) -> xr.Dataset:
        """Difference of means."""
        return self._dataset(field, "mean", labels, None)

    def quantile(self, level: float, field: str = "loss", **labels: Any) -> xr.Dataset:
        """Difference of quantiles; 0.5: of medians."""
        return self._dataset(field, "var", labels, level)

    def var(self, level: float, field: str = "loss", **labels: Any) -> xr.Dataset:
        """Difference of values at risk."""
        return self.quantile(level, field, **labels)

    def es(self, level: float, field: str = "loss", **labels: Any) -> xr.Dataset:
        """Difference of expected shortfalls."""
        return self._dataset(field, "es", labels, level)

    def exceedance(self, threshold: float, field: str = "loss", **labels: Any) -> xr.Dataset:
        """Difference of the probabilities of more than a threshold."""
        return self._dataset(field, "above", labels, threshold)

    @cached_property
    def tables(self) -> list[Table]:
        """The main differences, as they are printed."""
        from stress.comparison.tables import tables

        return list(tables(self))

    @cached_property
    def differences(self) -> xr.Dataset:
        """The main differences, one after the other; coordinates say what each is of."""
        rows = [(table.key, row) for table in self.tables for row in table.rows]
        found = [row.number for _, row in rows]
        dims = ["component", "venue", "tier", "asset", "side"]
        coords = {
            "table": [key for key, _ in rows],
            "quantity": [number.field for number in found],
            "statistic": [number.statistic for number in found],
            "name": [row.name for _, row in rows],
            "units": [number.units for number in found],
            "level": [np.nan if number.level is None else number.level for number in found],
            **{dim: [str(number.at.get(dim, "")) for number in found] for dim in dims},
        }
        made = xr.Dataset(
            {part: ("number", [value_of(number, part) for number in found]) for part in PARTS},
            {name: ("number", values) for name, values in coords.items()},
        )
        made["sections"] = ("number", [number.difference.sections for number in found])
        return _described(made, self.confidence)

    def number(self, field: str, statistic: str, at: dict[str, Any], level: float | None = None) -> Number:
        """One number in both runs."""
        over = statistic != "positive"  # of which paths a quantity is told: of all, where it is asked whether
        defined = all(
            np.isfinite(side.cube[f"{field}_mean"].isel(scenario=0).sel(at).item())
            for side in (self.base, self.other)
        )
        if over and not defined:
            return Number(field, statistic, at, level, np.nan, np.nan, Difference(np.nan, np.nan, np.nan, 0))
        ours, theirs = (self._sections(side, parts, field, at, over) for side, parts in self._sides)
        base, other = (estimate(statistic, of.whole(), level, self.confidence) for of in (ours, theirs))
        found = self._paired(statistic, ours, theirs, level) if self.paired else None
        if found is None:
            found = unpaired(base, other)
        return Number(field, statistic, at, level, float(base.value), float(other.value), found)

    @property
    def _sides(self) -> tuple[tuple[Side, list[Counts]], ...]:
        """Both runs with their counts by section; the whole is one where there are none."""
        return tuple(
            (side, parts or [side.stored.counts])
            for side, parts in zip((self.base, self.other), self.parts, strict=True)
        )

    def _paired(
        self, statistic: str, base: Sections, other: Sections, level: float | None
    ) -> Difference | None:
        if statistic in SHARES:
            return paired_share(base, other, level or 0.0, self.confidence)
        if level is None:
            return paired(base, other, mean, self.confidence)
        measure = quantile_at(level) if statistic == "var" else shortfall_at(level)
        rarer = min(level, 1 - level) if statistic == "var" else 1 - level
        return paired(base, other, measure, self.confidence, rarer)

    def _sections(
        self, side: Side, parts: list[Counts], field: str, at: dict[str, Any], over: bool
    ) -> Sections:
        """The histograms of a cell by section."""
        cells = side.stored.cells
        key = side is self.other, cells.cell(field, **at), cells.counted_in(field, **at) if over else None
        if key not in self._known:
            _, cell, counted = key
            witness = None
            if field in COUNTED:
                paid = {"component": "fund_draw", "venue": at.get("venue", ALL)}
                witness = self._sections(side, parts, "loss", paid, True)
            self._known[key] = Sections.of(parts, cell, counted, witness)
        return self._known[key]

    def labels(self, field: str) -> dict[str, list[Any]]:
        """Labels of a quantity that both runs have."""
        ours, theirs = (side.stored.cells.labels(field) for side in (self.base, self.other))
        return {dim: [label for label in known if label in theirs[dim]] for dim, known in ours.items()}

    def _dataset(self, field: str, statistic: str, labels: dict[str, Any], level: float | None) -> xr.Dataset:
        if level is not None and not (level >= 0 if statistic == "above" else 0 < level < 1):
            of = "threshold" if statistic == "above" else "level"
            raise ConfigError(
                f"a {of} cannot be {level}. Take one from 0 up{'' if of != 'level' else ' to 1'}."
            )
        self.base.stored.cells.check_dims(field, labels)
        known = self.labels(field)
        chosen = {dim: named(self.base.cube, field, dim, known[dim], labels.get(dim)) for dim in known}
        axes = [x if isinstance(x, list) else [x] for x in chosen.values()]
        found = np.empty([len(axis) for axis in axes], object)
        for index in np.ndindex(*found.shape):
            at = {dim: axis[i] for dim, axis, i in zip(known, axes, index, strict=True)}
            found[index] = self.number(field, statistic, at, level)
        several = {dim: len(x) for dim, x in chosen.items() if isinstance(x, list)}
        coords = {
            dim: xr.Variable(dim if isinstance(x, list) else (), x, describe_label(dim))
            for dim, x in chosen.items()
        }
        if level is not None:
            coords["threshold" if statistic == "above" else "level"] = xr.Variable((), level)
        parts = {
            part: (
                tuple(several),
                np.array([value_of(x, part) for x in found.ravel()]).reshape([*several.values()]),
            )
            for part in PARTS
        }
        made = xr.Dataset(parts, coords)
        entry = definitions()["fields"][field]
        units = found.ravel()[0].units
        for part in PARTS:
            made[part].attrs |= {
                "units": units,
                "long_name": f"{entry['long_name']}, {NAMES[statistic]}, {part}",
            }
        return _described(made, self.confidence)

    def common(self, dim: str) -> list[str]:
        """Labels of a dim that both runs have, the total last."""
        ours, theirs = (getattr(side.stored.cells, f"{dim}s") for side in (self.base, self.other))
        return [*(label for label in ours if label in theirs), ALL]


def value_of(number: Number, part: str) -> float:
    """One of `PARTS` of a number."""
    if part in ("base", "other"):
        return getattr(number, part)
    return getattr(number.difference, "value" if part == "difference" else part)


def estimate(statistic: str, values: Distribution, level: float | None, confidence: float) -> Estimate:
    """A statistic as the cube has it."""
    if statistic == "positive":
        return probability.exhaustion(values, confidence)
    if level is None:
        return moments.mean(values, confidence)
    measure = {"var": quantile, "es": expected_shortfall, "above": probability.exceedance}[statistic]
    found = measure(values, [level], confidence)
    return Estimate(found.value[0], found.lower[0], found.upper[0])


def _described(made: xr.Dataset, confidence: float) -> xr.Dataset:
    made.attrs |= {
        "definition": "difference: other less base; lower and upper: the ends of its interval",
        "confidence": confidence,
        "references": "docs/methods/comparison.md",
    }
    return made

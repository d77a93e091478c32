"""`ds.stress`: what the file of a cube knows beyond the cube, at any level and threshold.

    cube = stress.open_run("results/oct-2025-673e6f2d")
    cube.stress.var(0.9975, venue=slice(None))      # value at risk of the loss of every venue
    cube.stress.exceedance([1e9, 3e9])              # probability of a larger loss, all venues
    cube.stress.worst(5)                            # the paths to look at

`stress.open_run` registers it; for a cube opened by xarray alone, `import stress.accessor` does. Numbers come
from the histograms in the file that the dataset was read from, `ds.encoding["source"]`, and have the
definitions and intervals of the cube's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from stress.cube import definitions, describe, describe_bound, describe_label, few_beyond
from stress.errors import ConfigError, StoreError, suggest
from stress.measures import Estimate, moments, probability
from stress.measures.distribution import NOTHING, Distribution
from stress.measures.expected_shortfall import expected_shortfall
from stress.measures.quantile import quantile
from stress.opening import opened
from stress.stored import TOTALS, Stored, open_stored
from stress.tally import NO_PATH

if TYPE_CHECKING:
    import pandas as pd

    from stress.report.plot import Plot

SAME = ("config_sha256", "scenario_sha256", "seed")
"""Attributes that tell the cube of one run from that of another."""

REOPEN = "Open it where it is now with stress.open_run, and select from what that gives"


@xr.register_dataset_accessor("stress")
class Stress:
    """What the file of a cube knows beyond the cube.

    The quantities are those of a path, `loss` or `fall` say: the names in `fields` of stress/fields.yml.
    Labels name one of a dim (`venue="alpha"`), several (`venue=["alpha", "beta"]`), or all of it
    (`venue=slice(None)`). A dim that is not named stands at the label that the dataset was cut down to, if
    that is one; else at its total (`all`, `both`, `total`), or at all its labels if it has none.
    """

    def __init__(self, dataset: xr.Dataset):
        self._dataset = dataset

    def mean(self, field: str = "loss", **labels: Any) -> xr.Dataset:
        """Mean of a quantity over paths: `value`, `lower`, `upper`."""
        return self._statistic("mean", field, labels, moments.mean)

    def quantile(self, level: float | Sequence[float], field: str = "loss", **labels: Any) -> xr.Dataset:
        """Smallest value of a quantity that a share `level` of paths does not exceed; 0.5 is the median."""
        return self._statistic("var", field, labels, quantile, level)

    def var(self, level: float | Sequence[float], field: str = "loss", **labels: Any) -> xr.Dataset:
        """Value at risk: the quantile by the name that it has for losses."""
        return self.quantile(level, field, **labels)

    def es(self, level: float | Sequence[float], field: str = "loss", **labels: Any) -> xr.Dataset:
        """Expected shortfall: mean of the worst 1 - `level` of paths."""
        return self._statistic("es", field, labels, expected_shortfall, level)

    def exceedance(
        self, threshold: float | Sequence[float], field: str = "loss", **labels: Any
    ) -> xr.Dataset:
        """Probability that a quantity is larger than a threshold, in its own unit."""
        thresholds = np.atleast_1d(np.asarray(threshold, np.float64))
        if not (thresholds.size and (thresholds >= 0).all()):
            raise ConfigError(
                f"thresholds cannot be {threshold} (quantities are zero or more). Take 0 or more."
            )
        cells, coords = self._cells(field, labels)
        confidence = self._confidence
        found = _estimates(
            cells, lambda values: probability.exceedance(values, thresholds.tolist(), confidence)
        )
        entry = definitions()["fields"][field]
        axis = xr.Variable("threshold", thresholds, {"units": entry["unit"], "long_name": "Threshold"})
        about = {
            "units": "1",
            "long_name": f"{entry['long_name']}, probability of more",
            "definition": f"Share of paths above it; Clopper-Pearson interval. {entry['definition']}.",
            "references": "docs/methods/measures.md, Eq. (4)",
        }
        made = _dataset(
            f"{field} above the threshold", found, {**coords, "threshold": axis}, about, confidence
        )
        return made if np.ndim(threshold) else made.isel(threshold=0)

    def worst(self, n: int = 10, venue: str | None = None, tier: str | None = None) -> pd.DataFrame:
        """The n worst paths by total loss, of a venue and a leverage tier: `path` and `loss` by rank.

        Paths can be computed anew by their number alone. Fewer rows where fewer paths lost anything, or were
        kept.
        """
        if n < 0:
            raise ConfigError(f"{n} paths cannot be shown (there are none before the worst). Take 0 or more.")
        kept = opened(self._file(), "worst")
        at = {}
        for dim, wanted in (("venue", venue), ("tier", tier)):
            known = kept[dim].values.tolist()
            at[dim] = standing(self._dataset, dim, known) if wanted is None else wanted
            if at[dim] not in known:
                why, hint = suggest(str(at[dim]), known)
                why = kept.attrs.get("lacks", why)
                raise ConfigError(f'worst paths of {dim} "{at[dim]}" are not kept ({why}). {hint}'.rstrip())
        found = kept[["path", "loss"]].sel(at, drop=True).isel(rank=slice(0, n))
        table = found.to_dataframe()
        return table.loc[table["path"] != NO_PATH]

    def to_dataframe(self, names: str | Sequence[str], **labels: Any) -> pd.DataFrame:
        """Variables of the dataset as one tidy table: their dims, then `value`, `lower`, `upper`, `units`.

        names : as in the cube, `loss_es` say; with several the first column, `variable`, tells them apart
        labels: one or several of a dim; variables that do not have the dim stay as they are
        Rows are left out where a number is not defined. Respects what the dataset was cut down to.
        """
        import pandas as pd

        wanted = [names] if isinstance(names, str) else list(names)
        for name in wanted:
            if name not in self._dataset:
                why, hint = suggest(name, map(str, self._dataset.data_vars))
                raise ConfigError(f'the dataset has no variable "{name}" ({why}). {hint}'.rstrip())
        tables = [self._table(name, labels) for name in wanted]
        if isinstance(names, str):
            return tables[0]
        for name, table in zip(wanted, tables, strict=True):
            table.insert(0, "variable", name)
        made = pd.concat(tables, ignore_index=True)
        ends = ["value", "lower", "upper", "units"]
        return made.reindex(columns=[*(column for column in made if column not in ends), *ends])

    @property
    def plot(self) -> Plot:
        """Figures of the whole run: `heatmap()`, `exceedance()`, `waterfall()`."""
        from stress.report.plot import Plot

        return Plot(self._file)

    def _table(self, name: str, labels: dict[str, Any]) -> pd.DataFrame:
        dataset, units = self._dataset, self._dataset[name].attrs.get("units", "")
        ends = {"value": name, "lower": f"{name}_lower", "upper": f"{name}_upper"}
        parts = xr.Dataset({end: dataset[variable] for end, variable in ends.items() if variable in dataset})
        for dim, label in labels.items():
            if dim in parts.dims and not np.isin(label, parts[dim].values).all():
                why, hint = suggest(str(label), map(str, parts[dim].values))
                raise ConfigError(f'{name} has no {dim} "{label}" ({why}). {hint}'.rstrip())
        cut = parts.sel({dim: label for dim, label in labels.items() if dim in parts.dims})
        if "scenario" in cut.dims and cut.sizes["scenario"] == 1:
            cut = cut.squeeze("scenario", drop=True)
        kept = cut.reset_coords([c for c in cut.coords if c not in cut.dims], drop=True)
        table = kept.to_dataframe().reset_index() if kept.dims else _one_row(kept)
        table = table.reindex(columns=[*kept["value"].dims, *ends]).dropna(subset="value")
        return table.assign(units=units).reset_index(drop=True)

    def _statistic(
        self,
        statistic: str,
        field: str,
        labels: dict[str, Any],
        measure: Callable[..., Estimate],
        level: Any = None,
    ) -> xr.Dataset:
        """A statistic of fields.yml, of cells, and at levels if it has them."""
        levels = np.atleast_1d(np.asarray(0.5 if level is None else level, np.float64))
        if not (levels.size and ((levels > 0) & (levels < 1)).all()):
            raise ConfigError(
                f"a level cannot be {level} (it is a probability). Take one between 0 and 1: 0.99."
            )
        cells, coords = self._cells(field, labels)
        confidence = self._confidence
        name = f"{field}_{statistic}"
        about = describe(name)
        about.pop("dims")
        if level is None:
            found = _estimates(cells, lambda values: measure(values, confidence))
            return _dataset(name, found, coords, about, confidence)
        found = _estimates(cells, lambda values: measure(values, levels.tolist(), confidence))
        if statistic == "es":
            about |= few_beyond(cells, levels.tolist())
        axis = xr.Variable("level", levels, describe_label("level"))
        made = _dataset(name, found, {**coords, "level": axis}, about, confidence)
        return made if np.ndim(level) else made.isel(level=0)

    def _cells(self, field: str, labels: dict[str, Any]) -> tuple[np.ndarray, dict[str, xr.Variable]]:
        """Distributions of the cells that labels name, and the coordinates of these."""
        stored = self._stored()
        known = stored.cells.labels(field)
        stored.cells.check_dims(field, labels)
        chosen = {dim: named(self._dataset, field, dim, known[dim], labels.get(dim)) for dim in known}
        axes = [x if isinstance(x, list) else [x] for x in chosen.values()]
        cells = np.empty([len(axis) for axis in axes], object)
        defined = stored.cube[f"{field}_mean"].isel(scenario=0)
        for index in np.ndindex(*cells.shape):
            at = {dim: axis[i] for dim, axis, i in zip(known, axes, index, strict=True)}
            there = bool(np.isfinite(defined.sel(at)))
            cells[index] = stored.distribution(field, **at) if there else NOTHING
        coords = {
            dim: xr.Variable(dim if isinstance(x, list) else (), x, describe_label(dim))
            for dim, x in chosen.items()
        }
        several = [len(x) for x in chosen.values() if isinstance(x, list)]
        return cells.reshape(several), coords

    @property
    def _confidence(self) -> float:
        return float(self._stored().cube.attrs.get("confidence", 0.95))

    def _file(self) -> Path:
        """The file that the dataset was read from."""
        source = self._dataset.encoding.get("source")
        if not source:
            raise StoreError(
                f"the dataset does not say which file it is of (it was computed from one). {REOPEN}."
            )
        if not Path(source).is_file():
            raise StoreError(
                f"{source}, which the dataset was read from, is not there (it was moved). {REOPEN}."
            )
        return Path(source)

    def _stored(self) -> Stored:
        """The counts in that file, which must be of the same run still."""
        file = self._file()
        found = file.stat()
        stored = _read(file, found.st_mtime_ns, found.st_size)
        ours, there = self._dataset.attrs, stored.cube.attrs
        if any(ours.get(key, there.get(key)) != there.get(key) for key in SAME):
            raise StoreError(f"{file} is of another run than the dataset (it was replaced). {REOPEN}.")
        return stored


def named(dataset: xr.Dataset, field: str, dim: str, known: list[Any], wanted: Any) -> Any:
    """The label of a dim, or a list of them."""
    if wanted is None:
        return standing(dataset, dim, known)
    if isinstance(wanted, slice):
        if wanted != slice(None):
            raise ConfigError(
                f"{dim} cannot be a part of a range, {wanted}. Name labels, or take slice(None)."
            )
        return known
    several = isinstance(wanted, list | tuple | np.ndarray | xr.DataArray)
    asked = np.asarray(wanted).tolist() if several else [wanted]
    for label in asked:
        if label not in known:
            why, hint = suggest(str(label), map(str, known))
            raise ConfigError(f'{field} has no {dim} "{label}" ({why}). {hint}'.rstrip())
    return asked if several else wanted


def standing(dataset: xr.Dataset, dim: str, known: list[Any]) -> Any:
    """Where a dim stands that is not named: see `Stress`."""
    if dim not in dataset.coords:
        raise ConfigError(f"the dataset does not say which {dim} it is of (it was dropped). Name one.")
    left = dataset[dim].values
    if left.ndim == 0:
        return left.item()
    labels = [label for label in left.tolist() if label in known]
    total = "total" if dim == "component" else TOTALS.get(dim)
    return total if total in labels else labels


@lru_cache(maxsize=4)
def _read(file: Path, changed: int, size: int) -> Stored:
    """A file as it was when it was last changed."""
    return open_stored(file)


def _estimates(cells: np.ndarray, measure: Callable[[Distribution], Estimate]) -> Estimate:
    """One measure of every cell: [*cells, level?]."""
    found = [measure(values) for values in cells.ravel()]
    parts = (np.array([getattr(estimate, end) for estimate in found]) for end in ("value", "lower", "upper"))
    return Estimate(*(part.reshape((*cells.shape, *part.shape[1:])) for part in parts))


def _dataset(
    name: str, found: Estimate, coords: dict[str, xr.Variable], about: dict[str, Any], confidence: float
) -> xr.Dataset:
    """Value and ends of an interval, with what they are."""
    dims = [dim for dim, labels in coords.items() if labels.dims]
    ends = ("lower", "upper")
    attributes = {"value": about} | {end: describe_bound(name, about, end, confidence) for end in ends}
    return xr.Dataset(
        {part: xr.Variable(dims, getattr(found, part), attrs) for part, attrs in attributes.items()}, coords
    )


def _one_row(dataset: xr.Dataset) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: [value.item()] for name, value in dataset.data_vars.items()})

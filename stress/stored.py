"""What a file of a run still knows: the distribution of any cell of the outcome row over its paths.

Histograms stay as they are stored, by their filled bins: a few megabytes for a run or for a shard.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.adl import HORIZONS
from kernels.outcome import CHANNELS, COMPONENTS, DEFAULTS, FIELDS, SIDES, Layout
from kernels.parts.histogram import ZERO
from stress.cube import ALL, definitions
from stress.errors import ConfigError, ResultError, suggest
from stress.io import open_group, read_arrays
from stress.measures.distribution import Distribution, filled
from stress.opening import check_cube, cube_file, read_result
from stress.store import RunFolder
from stress.tally import words_to_int

if TYPE_CHECKING:
    import xarray as xr

BOTH = "both"
TOTALS = {"venue": ALL, "asset": ALL, "tier": ALL, "side": BOTH}
"""What the last label of a dim is called that has one for all of them."""


@dataclass(frozen=True)
class Counts:
    """The histograms of a run or a shard, cell after cell.

    first        : entries of a cell lie between `first[cell]` and `first[cell + 1]`: int64 [cell + 1]
    bin          : numbers of filled bins, rising within a cell [entry]
    count        : paths in the bin [entry]
    remainder    : sum of what lies above the bin's lower edge, in the bin's unit [entry]; these three are
                   integers of the smallest type that holds them, as in the file
    exponent     : of every cell [cell]
    sums, squares: uint64 [cell, word]
    """

    first: np.ndarray
    bin: np.ndarray
    count: np.ndarray
    remainder: np.ndarray
    exponent: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, tables: Mapping[str, np.ndarray]) -> Counts:
        """From the arrays of a file's group `tally`."""
        names = ("bin", "count", "remainder", "exponent", "sum", "sum_of_squares")
        first = np.concatenate([[0], np.cumsum(tables["entries"], dtype=np.int64)])
        return cls(first, *(tables[name] for name in names))

    def entries(self, cell: int) -> slice:
        """Where the filled bins of a cell are."""
        return slice(int(self.first[cell]), int(self.first[cell + 1]))

    def paths(self, cell: int = 0) -> int:
        """Paths that are counted: all that did not fail."""
        return int(self.count[self.entries(cell)].sum())

    def above_zero(self, cell: int) -> int:
        """Paths in which a cell is not zero."""
        where = self.entries(cell)
        return int(self.count[where][self.bin[where] != ZERO].sum())


def distribution(parts: Sequence[Counts], cell: int, n: int | None = None) -> Distribution:
    """The distribution of a cell over the paths of one file, or of several together.

    n: paths to count, where others are zero and not of interest
    """
    where = [part.entries(cell) for part in parts]
    found = [
        np.concatenate(
            [getattr(part, name)[at].astype(np.int64) for part, at in zip(parts, where, strict=True)]
        )
        for name in ("bin", "count", "remainder")
    ]
    bins, place = np.unique(found[0], return_inverse=True)
    count, remainder = np.zeros((2, len(bins)), np.int64)
    np.add.at(count, place, found[1])
    np.add.at(remainder, place, found[2])
    total = sum(words_to_int(part.sums[[cell]])[0] for part in parts)
    squares = sum(words_to_int(part.squares[[cell]])[0] for part in parts)
    return filled(int(parts[0].exponent[cell]), bins, count, remainder, total, squares, n)


@dataclass(frozen=True)
class Cells:
    """Where the quantities of the outcome row lie, by the labels of a cube."""

    venues: tuple[str, ...]
    assets: tuple[str, ...]
    tiers: tuple[str, ...]

    @classmethod
    def of(cls, cube: xr.Dataset) -> Cells:
        """From the coordinates of a cube, which end with `all`."""
        return cls(*(tuple(cube[dim].values.tolist()[:-1]) for dim in ("venue", "asset", "tier")))

    @cached_property
    def layout(self) -> Layout:
        return Layout(self)  # pyright: ignore[reportArgumentType]  # only counts are asked for

    @property
    def n_venue(self) -> int:
        return len(self.venues)

    @property
    def n_asset(self) -> int:
        return len(self.assets)

    @property
    def n_tier(self) -> int:
        return len(self.tiers)

    def labels(self, field: str) -> dict[str, list[Any]]:
        """The dims of a field, and the labels that it has along each."""
        known = {
            "component": COMPONENTS, "venue": self.venues, "asset": self.assets, "tier": self.tiers,
            "side": SIDES, "channel": CHANNELS, "horizon": HORIZONS, "defaults": DEFAULTS,
        }  # fmt: skip
        dims = next((found.dims for found in FIELDS if found.name == field), None)
        if dims is None:
            why, hint = suggest(field, (found.name for found in FIELDS))
            raise ConfigError(f'a run has no quantity "{field}" ({why}). {hint}'.rstrip())
        named = [(dim.removesuffix("+"), dim.endswith("+")) for dim in dims]
        return {dim: [*known[dim], *([TOTALS[dim]] if total else [])] for dim, total in named}

    def cell(self, field: str, **at: Any) -> int:
        """The cell of a quantity; dims that are not named stand at their total: `all`, `both`, `total`.

        raises: `ConfigError` for a label or dim that is not there, or a dim without a total that is not named
        """
        labels = self.check_dims(field, at)
        index = [_place(field, dim, known, at.get(dim)) for dim, known in labels.items()]
        shape = [len(known) for known in labels.values()]
        within = int(np.ravel_multi_index(index, shape)) if index else 0
        return self.layout.slices[field].start + within

    def check_dims(self, field: str, at: Iterable[str]) -> dict[str, list[Any]]:
        """The labels of a field, which must have the dims named: else a `ConfigError`."""
        labels = self.labels(field)
        if unknown := next((dim for dim in at if dim not in labels), None):
            why, hint = suggest(unknown, labels)
            raise ConfigError(f'{field} has no dimension "{unknown}" ({why}). {hint}'.rstrip())
        return labels

    def counted_in(self, field: str, **at: Any) -> int | None:
        """The cell whose paths above zero are those over which a field is reported; None: all paths."""
        over = definitions()["fields"][field].get("over")
        if over == "stressed":
            return self.cell("stressed_exogenous_trough", asset=at["asset"])
        return None if over is None else self.cell(field, **at)


def _place(field: str, dim: str, labels: list[Any], wanted: Any) -> int:
    """Number of a label; of the total where none is wanted."""
    if wanted is None:
        total = "total" if dim == "component" else TOTALS.get(dim)
        if total in labels:
            return labels.index(total)
        shown = ", ".join(str(label) for label in labels)
        raise ConfigError(f"{field} has no total over {dim} (there are {shown}). Name one.")
    if wanted in labels:
        return labels.index(wanted)
    why, hint = suggest(str(wanted), (str(label) for label in labels))
    raise ConfigError(f'{field} has no {dim} "{wanted}" ({why}). {hint}'.rstrip())


@dataclass(frozen=True)
class Stored:
    """A cube, and the counts that it was made of."""

    cube: xr.Dataset
    cells: Cells
    counts: Counts

    def distribution(self, field: str, **at: Any) -> Distribution:
        """The distribution of a quantity over the paths that count; labels as for `Cells.cell`."""
        over = self.cells.counted_in(field, **at)
        n = None if over is None else self.counts.above_zero(over)
        return distribution([self.counts], self.cells.cell(field, **at), n)


def open_stored(path: str | os.PathLike[str]) -> Stored:
    """The cube of a run with its counts, from the run's folder or its cube.h5.

    raises: `ResultError` as `stress.opening.open_run`
    """
    file = cube_file(path)
    data = read_result(file)
    cube = open_group(data, shown=str(file))
    check_cube(cube, file)
    tables, cells = read_arrays(data)["tally"], Cells.of(cube)
    check_fields(file, tables, cells)
    return Stored(cube, cells, Counts.of(tables))


def check_fields(file: Path, tables: Mapping[str, np.ndarray], cells: Cells) -> None:
    """`ResultError` where a file holds other quantities than this program knows."""
    there = [
        (_text(name), int(end)) for name, end in zip(tables["field"], tables["field_cells"], strict=True)
    ]
    if there != [(name, block.stop) for name, block in cells.layout.slices.items()]:
        raise ResultError(
            f"{file} was written by another version of the program (its paths have other quantities). "
            "Run its config anew."
        )


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def read_counts(folder: RunFolder, shard: Path) -> Counts:
    """The counts of one shard."""
    return Counts.of(read_arrays(folder.read(shard))["tally"])

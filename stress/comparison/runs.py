"""The runs that are compared: whether they can be, by which paths, and what differs between their configs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from kernels.parts import histogram
from stress.comparison.estimator import FEWEST, MOST
from stress.errors import ConfigError
from stress.io import compact
from stress.opening import cube_file, for_reading, opened
from stress.store import Range, RunFolder
from stress.stored import Counts, Stored, open_stored, read_counts
from stress.tally import add_words

if TYPE_CHECKING:
    import xarray as xr

ALONE = "Compare them as independent runs with --unpaired"


@dataclass(frozen=True)
class Side:
    """One of the runs."""

    path: Path
    name: str
    stored: Stored
    config: dict[str, Any]

    @property
    def cube(self) -> xr.Dataset:
        return self.stored.cube

    @property
    def n_path(self) -> int:
        return int(self.cube.attrs["n_paths"])

    @property
    def seed(self) -> str:
        return str(self.cube.attrs["seed"])

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.path if self.path.is_dir() else self.path.parent)

    def about(self) -> dict[str, Any]:
        """What it is, for JSON."""
        keys = ("seed", "backend", "version", "config_sha256", "kernels_sha256")
        return {
            "path": str(self.path), "name": self.name, "n_paths": self.n_path,
            **{key: self.cube.attrs.get(key) for key in keys},
        }  # fmt: skip


def open_side(path: str | os.PathLike[str]) -> Side:
    """A finished run, from its folder or its cube.h5; `ResultError` where there is none."""
    file = cube_file(path)
    stored = open_stored(file)
    text = str(opened(file, "config").resolved.item())
    path = Path(path)
    folder = (path if path.is_dir() else path.parent).resolve()
    return Side(path, folder.name, stored, yaml.safe_load(text))


def check_comparable(base: Side, other: Side, unpaired: bool) -> list[str]:
    """What stands in the way, as a `ConfigError`; returns what is worth knowing besides."""
    ours, theirs = base.config["run"], other.config["run"]
    both = f"{base.name} and {other.name} cannot be compared"
    if ours["horizon"] != theirs["horizon"]:
        raise ConfigError(
            f"{both}: one is of {ours['horizon']}, the other of {theirs['horizon']} "
            "(losses over different times differ whatever else does). Run them with the same run.horizon."
        )
    for dim in ("venues", "tiers"):
        if not set(getattr(base.stored.cells, dim)) & set(getattr(other.stored.cells, dim)):
            raise ConfigError(f"{both}: they have no {dim} in common (nothing would stand side by side).")
    if unpaired:
        return []
    if base.seed != other.seed:
        raise ConfigError(
            f"{both} path by path: their seeds are {base.seed} and {other.seed} (their draws are different "
            f"ones). Run them with the same run.seed. {ALONE}."
        )
    if ours["step"] != theirs["step"]:
        raise ConfigError(
            f"{both} path by path: their steps are {ours['step']} and {theirs['step']} (every step has "
            f"draws of its own). Run them with the same run.step. {ALONE}."
        )
    return list(_worth_knowing(base, other))


def _worth_knowing(base: Side, other: Side) -> Iterator[str]:
    first, second = base.cube.attrs, other.cube.attrs
    if first["kernels_sha256"] != second["kernels_sha256"]:
        yield (
            f"different engines computed the two (versions {first['version']} and {second['version']}): "
            "differences may be theirs; intervals hold all the same, wider if their draws differ"
        )
    if first["backend"] != second["backend"]:
        yield f"the backends are {first['backend']} and {second['backend']}: same draws, other rounding"
    if base.stored.cells.assets != other.stored.cells.assets:
        yield "their assets are not the same ones in the same order: the draws of a path belong to others"


def unmatched(base: Side, other: Side) -> dict[str, dict[str, list[str]]]:
    """Labels that only one of the runs has: {dim: {"base": [...], "other": [...]}}."""
    found = {}
    for dim in ("venue", "tier", "asset"):
        ours, theirs = (getattr(side.stored.cells, f"{dim}s") for side in (base, other))
        only = {
            "base": [label for label in ours if label not in theirs],
            "other": [label for label in theirs if label not in ours],
        }
        if only["base"] or only["other"]:
            found[dim] = only
    return found


def sections(base: Side, other: Side) -> tuple[list[Counts], list[Counts]]:
    """Counts of both runs over the same ranges of paths, at most `MOST` of them, in order.

    Empty where the shards are not there, or have fewer than `FEWEST` boundaries in common.
    """
    shards = [side.folder.shards() if side.path.is_dir() else [] for side in (base, other)]
    ends = sorted(set(_ends(shards[0])) & set(_ends(shards[1])))
    if len(ends) < FEWEST:
        return [], []
    kept = np.linspace(0, len(ends), min(len(ends), MOST) + 1).round().astype(int)[1:] - 1
    return tuple(  # pyright: ignore[reportReturnType]
        list(_merged(side.folder, known, [ends[i] for i in kept.tolist()]))
        for side, known in zip((base, other), shards, strict=True)
    )


def _ends(shards: Sequence[Range]) -> Iterator[int]:
    """Numbers of paths after which a shard ends, as long as none is missing before."""
    done = 0
    for first, last in shards:
        if first != done:
            return
        done = last + 1
        yield done


def _merged(folder: RunFolder, shards: Sequence[Range], ends: Sequence[int]) -> Iterator[Counts]:
    """The counts of the paths up to each end, from the one before."""
    left = iter(shards)
    for end in ends:
        total = None
        for paths in left:
            with for_reading():
                found = read_counts(folder, folder.shard(paths))
            total = found if total is None else added(total, found)
            if paths[1] + 1 == end:
                break
        assert total is not None
        yield total


def added(first: Counts, second: Counts) -> Counts:
    """The counts of two ranges of paths together."""
    keys = [_cells(part).astype(np.int64) * histogram.N_BIN + part.bin for part in (first, second)]
    places, where = np.unique(np.concatenate(keys), return_inverse=True)
    count, remainder = np.zeros((2, len(places)), np.int64)
    np.add.at(count, where, np.concatenate([first.count, second.count]).astype(np.int64))
    np.add.at(remainder, where, np.concatenate([first.remainder, second.remainder]).astype(np.int64))
    sums, squares = first.sums.copy(), first.squares.copy()
    add_words(sums, second.sums)
    add_words(squares, second.squares)
    entries = np.bincount(places // histogram.N_BIN, minlength=len(first.first) - 1)
    return Counts(
        np.concatenate([[0], np.cumsum(entries)]), (places % histogram.N_BIN).astype(np.uint16),
        compact(count), compact(remainder), first.exponent, sums, squares,
    )  # fmt: skip


def _cells(counts: Counts) -> np.ndarray:
    """The cell of every entry."""
    return np.repeat(np.arange(len(counts.first) - 1), np.diff(counts.first))


ASIDE = {"about", "schema_version"}
"""Parts of a config that change no number."""

ASIDE_OF_RUN = {"run.shard_paths"}


def changes(base: Side, other: Side) -> list[dict[str, str | None]]:
    """What differs between the two configs: [{key, base, other}]; null where one does not have it."""
    ours, theirs = (dict(_flat("", side.config)) for side in (base, other))
    keys = [*ours, *(key for key in theirs if key not in ours)]
    return [
        {"key": key, "base": ours.get(key), "other": theirs.get(key)}
        for key in keys
        if ours.get(key) != theirs.get(key) and key.split(".")[0] not in ASIDE and key not in ASIDE_OF_RUN
    ]


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every key of a config that holds no others, and its value as text."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, inner in enumerate(value):
            named = inner.get("name") or i if isinstance(inner, dict) else i
            yield from _flat(f"{path}[{named}]", inner)
    else:
        yield (
            path,
            yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip(),
        )

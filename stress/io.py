"""Datasets and tallies to HDF5 bytes and back, in the NetCDF-4 layout of docs/formats/cube.md.

Bytes are made in memory: a disk that is full must never meet the HDF5 library, which crashes. The same
contents always give the same bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import xarray as xr

from kernels.outcome import FIELDS
from kernels.parts import histogram
from kernels.scenario import ScenarioShape
from stress.cube import ALL, describe_group
from stress.errors import ResultError, StoreError, suggest
from stress.tally import REST, Tally, bits

FORMAT = "liquidation-stress"
FORMAT_VERSION = 2
CONVENTIONS = "CF-1.11"
SMALL = 64
"""Arrays with fewer elements are not compressed."""

SHARD_LEVEL, CUBE_LEVEL = 1, 4

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
OF_A_TALLY = ("tally", "status", "worst", "exhausted")
"""Groups that hold a tally."""

SINCE = {"exhausted": (2, "which venues' funds were spent together")}
"""Groups that older formats lack: the version that brought them, and what they say."""

LAYOUT = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
"""Attributes that belong to the layout, not to the contents."""


def encode(groups: Mapping[str, xr.Dataset], attributes: Mapping[str, Any], level: int = CUBE_LEVEL) -> bytes:
    """One HDF5 file with a group per dataset; "/" is the root.

    attributes: of the root, besides `Conventions`, `format` and `format_version`
    level     : of gzip, 1 fast to 9 small
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v108", "v110")) as file:
        ours = {"format": FORMAT, "format_version": np.int64(FORMAT_VERSION)}
        root = {"Conventions": CONVENTIONS, **ours, **attributes}
        n_dim = 0
        for name, dataset in groups.items():
            _write_group(file.require_group(name), dataset, level, n_dim)
            n_dim += len(dataset.sizes)
        for key, value in root.items():
            file.attrs[key] = value
    return buffer.getvalue()


def _write_group(group: h5py.Group, dataset: xr.Dataset, level: int, n_dim: int) -> None:
    """The variables and dims of a dataset as the NetCDF library lays them out (its file format
    specification, section 4): dims are scales, and variables name them by `_Netcdf4Coordinates`.

    n_dim: dims of the groups before; the numbers of dims are those of the file, not of the group
    """
    number = {str(dim): i for i, dim in enumerate(dataset.sizes, n_dim)}
    scales = {}
    for dim, i in number.items():
        if dim in dataset.variables:
            scale = _write(group, dim, dataset.variables[dim], level)
            scale.make_scale(dim)
        else:
            scale = group.create_dataset(dim, (dataset.sizes[dim],), ">f4", chunks=None)
            scale.make_scale(f"{NO_VARIABLE}{dataset.sizes[dim]:10d}")
        scale.attrs["_Netcdf4Dimid"] = np.int32(i)
        scales[dim] = scale
    for name, variable in dataset.variables.items():
        if name in number:
            continue
        target = _write(group, str(name), variable, level)
        for axis, dim in enumerate(variable.dims):
            target.dims[axis].attach_scale(scales[str(dim)])
        if variable.dims:
            target.attrs["_Netcdf4Coordinates"] = np.array([number[str(d)] for d in variable.dims], np.int32)
    for key, value in dataset.attrs.items():
        group.attrs[key] = value


def _write(group: h5py.Group, name: str, variable: xr.Variable, level: int) -> h5py.Dataset:
    values = variable.values
    filters: dict[str, Any] = {}
    if values.dtype.kind in "UO":
        values = values.astype(object)
        filters = {"dtype": h5py.string_dtype()}
    elif values.ndim and values.size:
        filters = {"chunks": values.shape, "fletcher32": True}
        if values.size >= SMALL:
            filters |= {"compression": "gzip", "compression_opts": level, "shuffle": True}
    target = group.create_dataset(name, data=values, **filters)
    for key, value in variable.attrs.items():
        target.attrs[key] = value
    return target


def open_group(
    source: str | os.PathLike[str] | bytes, group: str = "/", shown: str = "the file"
) -> xr.Dataset:
    """A group of a file of this format, in memory, with the attributes of the group.

    shown : what errors call the file
    raises: `ResultError` where it is none, of a newer version, or lacks the group
    """
    if not isinstance(source, bytes):
        shown = os.fspath(source)
    stream = io.BytesIO(source) if isinstance(source, bytes) else shown
    try:
        with h5py.File(stream, "r") as file:
            version = check_format(file.attrs, shown)
            check_group(file, group, version, shown)
            return as_today(group, _read_group(file[group]), version)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ResultError(f"{shown} cannot be read ({error})") from error


def _read_group(group: Any) -> xr.Dataset:
    datasets = {name: item for name, item in group.items() if isinstance(item, h5py.Dataset)}
    attributes: dict[str, Any] = {name: dict(item.attrs) for name, item in datasets.items()}
    dims = {int(a["_Netcdf4Dimid"]): name for name, a in attributes.items() if "_Netcdf4Dimid" in a}
    variables = {}
    for name, item in datasets.items():
        known: Any = attributes[name]
        if name in dims.values():
            label = known["NAME"].decode() if isinstance(known["NAME"], bytes) else known["NAME"]
            if label.startswith(NO_VARIABLE):
                continue
            named = (name,)
        else:
            named = tuple(dims[int(i)] for i in known.get("_Netcdf4Coordinates", ()))
        is_text = h5py.check_string_dtype(item.dtype) is not None
        values = np.asarray(item.asstr()[...], str) if is_text else item[()]
        variables[name] = xr.Variable(named, values, {k: v for k, v in known.items() if k not in LAYOUT})
    return xr.Dataset(variables, attrs=dict(group.attrs))


def as_today(group: str, dataset: xr.Dataset, version: int) -> xr.Dataset:
    """A group of an older format with the dims of today's; its attribute `lacks` says what is not there."""
    if group.strip("/") == "worst" and version < 2:
        lacks = f"worst paths by leverage tier (the file has format version {version}; run it anew)"
        return dataset.expand_dims({"tier": [ALL]}, axis=1).assign_attrs(lacks=lacks)
    return dataset


def check_group(file: Any, group: str, version: int, shown: str) -> None:
    """`ResultError` for a group that the file lacks."""
    since, what = SINCE.get(group.strip("/"), (0, ""))
    if version < since:
        raise ResultError(
            f"{shown} does not say {what} (it has format version {version}, and {since} is the first that "
            "does). Run it anew."
        )
    if not isinstance(file.get(group), h5py.Group):
        reason, hint = suggest(group, ["/", *(name for name in file if isinstance(file[name], h5py.Group))])
        raise ResultError(f'{shown} has no group "{group}" ({reason}). {hint}'.rstrip())


def is_ours(attributes: Mapping[str, Any]) -> bool:
    """Whether a file's root attributes say that it is of this format."""
    name = attributes.get("format")
    return isinstance(name, str) and name == FORMAT


def check_format(attributes: Mapping[str, Any], shown: str = "the file") -> int:
    """The format version; `ResultError` for a file that is not ours, or newer than this program."""
    if not is_ours(attributes):
        raise ResultError(
            f"{shown} is no result of liquidation-stress (its attribute `format` says otherwise)"
        )
    version = int(attributes["format_version"])
    if version > FORMAT_VERSION:
        raise ResultError(
            f"{shown} has format version {version} (this program reads up to {FORMAT_VERSION}). "
            "Try a newer release."
        )
    return version


def tally_groups(tally: Tally, labels: Mapping[str, Any]) -> dict[str, xr.Dataset]:
    """The groups `OF_A_TALLY`: all of a tally.

    Histograms are stored by their filled bins, cell after cell; see docs/formats/cube.md.
    """
    cell, place = np.nonzero(tally.counts)
    tables = xr.Dataset(
        {
            "entries": ("cell", np.bincount(cell, minlength=tally.layout.n_cell)),
            "exponent": ("cell", tally.layout.exponent),
            "sum": (("cell", "word"), tally.sums),
            "sum_of_squares": (("cell", "word"), tally.squares),
            "bin": ("entry", place.astype(np.uint16)),
            "count": ("entry", compact(tally.counts[cell, place])),
            "remainder": ("entry", compact(tally.remainders[cell, place])),
            "n_path": ((), np.int64(tally.n_path)),
            "field": ("field", [field.name for field in FIELDS]),
            "field_cells": ("field", [tally.layout.slices[field.name].stop for field in FIELDS]),
        },
        attrs={
            "octaves": np.int64(histogram.N_OCTAVE),
            "bins_per_octave": np.int64(histogram.PER_OCTAVE),
            "relative_error": histogram.RELATIVE_ERROR,
        },
    )
    status = xr.Dataset(
        {
            "count": ("path_status", tally.status),
            "work": ("counter", tally.counters),
            "failed_path": ("failed", tally.failed_path),
        },
        coords={key: labels[key] for key in ("path_status", "counter")},
    )
    worst = xr.Dataset(
        {
            "loss": (("venue", "tier", "rank"), tally.worst_loss),
            "path": (("venue", "tier", "rank"), tally.worst_path),
        },
        coords={key: labels[key] for key in ("venue", "tier", "rank")},
    )
    subset = np.flatnonzero(tally.exhausted)
    exhausted = xr.Dataset(
        {
            "venues": ("subset", subset.astype(np.uint16)),
            "count": ("subset", compact(tally.exhausted[subset])),
        }
    )
    groups = dict(zip(OF_A_TALLY, (tables, status, worst, exhausted), strict=True))
    found = {name: describe_group(name, dataset) for name, dataset in groups.items()}
    venues = labels["venue"][:-1]
    exhausted.variables["venues"].attrs.update(
        flag_masks=bits(len(venues)).astype(np.uint16), flag_meanings=" ".join(venues)
    )
    return found


def compact(values: np.ndarray) -> np.ndarray:
    """The same integers, none negative, in the smallest type that holds them all."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def add_tally(total: Tally, groups: Mapping[str, Any]) -> None:
    """Add a stored tally to one in memory; `groups` maps the names `OF_A_TALLY` to their arrays.

    raises: `StoreError` where the stored tally has other cells, or an older format
    """
    if any(name not in groups for name in OF_A_TALLY):
        raise StoreError("the tally has an older format, and does not add up with this one (run it anew)")
    tables, status, worst, subsets = (groups[name] for name in OF_A_TALLY)
    entries = tables["entries"]
    if len(entries) != total.layout.n_cell or not np.array_equal(tables["exponent"], total.layout.exponent):
        raise StoreError("the shard has other cells than the run (another program wrote it)")
    flat = np.repeat(np.arange(len(entries)), entries) * histogram.N_BIN + tables["bin"]
    total.counts.reshape(-1)[flat] += tables["count"].astype(np.int64)
    total.remainders.reshape(-1)[flat] += tables["remainder"].astype(np.int64)
    exhausted = np.zeros_like(total.exhausted)
    exhausted[subsets["venues"]] = subsets["count"]
    total.add_rest(
        n_path=tables["n_path"],
        sums=tables["sum"],
        squares=tables["sum_of_squares"],
        exhausted=exhausted,
        worst_loss=worst["loss"],
        worst_path=worst["path"],
        status=status["count"],
        failed_path=status["failed_path"],
        counters=status["work"],
    )


def read_tally(data: bytes, shape: ScenarioShape) -> Tally:
    """The tally in a shard or a cube."""
    tally = Tally(shape)
    add_tally(tally, read_arrays(data))
    return tally


def read_arrays(data: bytes) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of the groups that hold a tally; without those that an older format lacks."""
    with h5py.File(io.BytesIO(data), "r") as file:
        version = check_format(file.attrs)
        return {name: _arrays(file[name]) for name in OF_A_TALLY if SINCE.get(name, (0,))[0] <= version}


def _arrays(group: Any) -> dict[str, np.ndarray]:
    return {key: item[()] for key, item in group.items()}


def compare_tallies(first: Tally, second: Tally) -> list[str]:
    """Names of what differs between two tallies; empty if they are the same, bit for bit."""
    names = ("counts", "remainders", *REST)
    return [name for name in names if not np.array_equal(getattr(first, name), getattr(second, name))]

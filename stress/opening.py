"""Opening what somebody hands over as a result: what is wrong with it is said in a sentence.

Whatever it is, the fault lies with what was handed over, `ResultError`; `StoreError` where the disk refuses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stress.errors import ResultError, StoreError
from stress.store import SEAL, SEAL_BYTES, RunFolder, unsealed, why

if TYPE_CHECKING:
    import xarray as xr

HDF5, NETCDF_3 = b"\x89HDF\r\n\x1a\n", b"CDF"
"""What files of these formats begin with."""

OTHERS = {"first_path": "a shard", "path": "a replayed path"}
"""Root attributes of files of a run that are not its cube, and what these are."""

GIVE = "Give the folder of a run, or its cube.h5."


@contextmanager
def for_reading() -> Iterator[None]:
    """Damage to a run that is only looked at, as `ResultError`."""
    try:
        yield
    except StoreError as error:
        if isinstance(error, ResultError) or isinstance(error.__cause__, OSError):
            raise
        raise ResultError(str(error)) from error


def cube_file(path: str | os.PathLike[str]) -> Path:
    """The cube.h5 that a folder of a run, or the file itself, stands for; `ResultError` if there is none."""
    path = Path(path)
    folder = RunFolder(path)
    try:
        if path.is_file():
            return path
        if folder.cube.is_file():
            return folder.cube
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({why(error)})") from error
    with for_reading():
        folder.manifest()
    raise ResultError(
        f"there is no cube.h5 in {path} (no run was finished there). Try `stress resume {path}`."
    )


def open_run(path: str | os.PathLike[str], group: str = "/") -> xr.Dataset:
    """The cube of a run as an `xarray.Dataset`, in memory; as `stress.open_run`, it has `.stress`,
    which asks the file for more.

    path : folder of the run, or its cube.h5
    group: "/" the cube; "tally", "status", "worst", "exhausted" and "config" as in docs/formats/cube.md

    raises: `ResultError` where there is none, it is damaged, not ours, or newer than this program
    """
    return opened(cube_file(path), group)


def opened(file: Path, group: str = "/") -> xr.Dataset:
    """A group of the file of a cube, in memory, that knows where it is from."""
    from stress.io import open_group

    found = open_group(read_result(file), group, str(file))
    if group == "/":
        check_cube(found, file)
    found.encoding["source"] = str(file.absolute())
    return found


def read_result(file: Path) -> bytes:
    """The contents of a cube or a shard, its last line apart."""
    try:
        with open(file, "rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - SEAL_BYTES))
            if not opened.read().startswith(SEAL):
                raise ResultError(f"{stranger(file)} {again(file)}")
            opened.seek(0)
            return unsealed(opened.read())
    except OSError as error:
        raise StoreError(f"{file} cannot be read ({why(error)})") from error
    except ValueError as error:
        raise ResultError(f"{file} is damaged ({error}). {again(file)}") from error


def stranger(file: Path) -> str:
    """What a file is that does not end as those of a run do."""
    with open(file, "rb") as opened:
        start = opened.read(len(HDF5))
    if not start:
        reason = "it is empty"
    elif start.startswith(NETCDF_3):
        reason = "it is a NetCDF file of another program; results are NetCDF-4"
    elif start != HDF5:
        reason = "it is no HDF5 file"
    elif (found := format_of(file)) is None:
        return f"{file} is an HDF5 file that cannot be read (it was cut short, or damaged)."
    elif found:
        return f"{file} is damaged (it was cut short, or its last line was changed)."
    else:
        reason = "it is an HDF5 file of another program"
    return f"{file} is no result of liquidation-stress ({reason})."


def format_of(file: Path) -> bool | None:
    """Whether an HDF5 file is of our format; None if it cannot be read. `ResultError` if it is newer."""
    import h5py

    from stress.io import check_format, is_ours

    try:
        with h5py.File(file, "r") as opened:
            ours = is_ours(opened.attrs)
            if ours:
                check_format(opened.attrs, str(file))
            return ours
    except ResultError:
        raise
    except Exception:  # whatever the HDF5 library says of a file that may be anything
        return None


def again(file: Path) -> str:
    """What to do about a file that cannot be used."""
    if (folder := RunFolder(file.parent)).exists and file == folder.cube:
        return f"Delete it and `stress resume {folder.path}` makes it again."
    return GIVE


def check_cube(found: xr.Dataset, file: Path) -> None:
    """`ResultError` for a file of a run that is not its cube."""
    for attribute, kind in OTHERS.items():
        if attribute in found.attrs:
            raise ResultError(f"{file} holds no cube (it is {kind} of a run). {GIVE}")

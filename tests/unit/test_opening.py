"""Whatever is handed over as a result: a sentence that names it and says what to do, and exit code 2."""

import json
import shutil

import h5py
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import stress
from stress import cli
from stress.errors import ResultError, StoreError
from stress.io import encode
from stress.opening import read_result
from stress.store import RunFolder, encoded, sealed
from stress.stored import open_stored
from tests.scenarios import require

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0\x90wS\xde"


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    require("cpu")
    config = root / "tests" / "configs" / "small.yaml"
    return stress.run(config, paths=8, backend="cpu", out=tmp_path_factory.mktemp("runs")).path


def hdf5(path, **attributes):
    with h5py.File(path, "w") as file:
        file["loss_es"] = np.ones(3)
        file.attrs.update(attributes)


def newer(path):
    path.write_bytes(sealed(encode({"/": xr.Dataset({"n_path": ((), 1)})}, {"format_version": 9})))


def newer_with_another_seal(path):
    path.write_bytes(encode({"/": xr.Dataset({"n_path": ((), 1)})}, {"format_version": 9}))


def cut(path, run, end):
    path.write_bytes((run / "cube.h5").read_bytes()[:end])


def flipped(path, run):
    content = bytearray((run / "cube.h5").read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


VERBS = ("status", "report", "replay", "compare")
"""Those that only look at runs."""

OF_A_FILE = ("report", "replay", "compare")
"""Those for which a cube will do in place of the folder."""

FILES = {
    "empty": (lambda path, run: path.write_bytes(b""), "it is empty"),
    "text": (lambda path, run: path.write_text("loss,1\n" * 99), "it is no HDF5 file"),
    "picture": (lambda path, run: path.write_bytes(PNG), "it is no HDF5 file"),
    "hdf5": (lambda path, run: hdf5(path), "it is an HDF5 file of another program"),
    "odd hdf5": (lambda path, run: hdf5(path, format=np.ones(3)), "it is an HDF5 file of another program"),
    "netcdf-4": (lambda path, run: xr.Dataset({"t": ("x", [1.0])}).to_netcdf(path, engine="h5netcdf"),
                 "it is an HDF5 file of another program"),
    "netcdf-3": (lambda path, run: path.write_bytes(b"CDF\1" + bytes(99)), "results are NetCDF-4"),
    "cut short": (lambda path, run: cut(path, run, 5000), "it was cut short"),
    "last byte": (lambda path, run: cut(path, run, -1), "it was cut short"),
    "flipped": (flipped, "its checksum is wrong"),
    "newer": (lambda path, run: newer(path), "has format version 9 (this program reads up to 2)"),
    "newer, unsealed": (lambda path, run: newer_with_another_seal(path), "has format version 9"),
    "shard": (lambda path, run: shutil.copy(*(run / "shards").iterdir(), path), "it is a shard of a run"),
}  # fmt: skip
"""How a bad cube.h5 comes to be, and what is said of it."""

ADVICE = ("Give the folder of a run, or its cube.h5", "Try a newer release", "makes it again")


def said_by_verb(verb, path):
    """What a verb ends with in this process."""
    more = {"replay": ["--path", "0"], "compare": [path]}.get(verb, [])
    done = CliRunner().invoke(cli.app, [str(argument) for argument in (verb, path, *more)])
    assert isinstance(done.exception, ResultError), (verb, done.exception)
    return done.exception


def said_by(read, *arguments):
    with pytest.raises(ResultError) as error:
        read(*arguments)
    return error.value


def check(error, path, *words):
    """One line that says where, what, and what to do."""
    text = str(error)
    assert error.exit_code == 2
    assert "\n" not in text
    assert text.endswith((".", "?"))
    for word in (str(path), *words):
        assert word in text


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_no_cube(kind, run, tmp_path):
    make, words = FILES[kind]
    file = tmp_path / "cube.h5"
    make(file, run)
    for read, path in ((stress.open_run, file), (open_stored, file), (stress.open_run, tmp_path)):
        error = said_by(read, path)
        check(error, file, words)
        assert any(advice in str(error) for advice in ADVICE)


@pytest.mark.parametrize("kind", FILES)
def test_runs_whose_cube_is_none(kind, run, tmp_path):
    """Verbs that read a run: as for the file alone, and how to make the cube again."""
    make, words = FILES[kind]
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    make(folder / "cube.h5", run)
    for verb in VERBS:
        if kind == "shard" and verb == "replay":
            continue  # it has lists of worst paths, and these are read
        error = said_by_verb(verb, folder)
        check(error, folder / "cube.h5", words)
        if kind not in ("newer", "newer, unsealed", "shard"):
            assert f"Delete it and `stress resume {folder}` makes it again." in str(error)


def changed(path, **entries):
    manifest = json.loads(path.read_text())
    manifest.pop("sha256")
    path.write_bytes(encoded(manifest | entries))


MANIFESTS = {
    "empty": (lambda path: path.write_text(""), "is damaged, or of another program"),
    "a list": (lambda path: path.write_text("[1, 2]"), "is damaged, or of another program"),
    "not ours": (lambda path: path.write_text('{"lr": 0.1}'), "is damaged, or of another program"),
    "deep": (lambda path: path.write_text("[" * 100_000), "is damaged, or of another program"),
    "not text": (lambda path: path.write_bytes(b"\xff" * 9), "is damaged, or of another program"),
    "edited": (lambda path: path.write_text(path.read_text().replace("small", "large")), "checksum is wrong"),
    "newer": (lambda path: changed(path, format_version=2), "has format version 2 (this program reads 1)"),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_manifests_that_are_none(kind, run, tmp_path):
    """2 where a run is only looked at; what `verify` and `resume` meet is damage to a run, and stays 4."""
    make, words = MANIFESTS[kind]
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    make(folder / "run.json")
    for verb in ("status", "report", "replay"):  # `compare` asks the cubes alone
        check(said_by_verb(verb, folder), folder / "run.json", words)
    for verb in ("verify", "resume"):
        done = CliRunner().invoke(cli.app, [verb, str(folder)])
        assert isinstance(done.exception, StoreError)
        assert done.exception.exit_code == (2 if kind == "newer" else 4)
    (folder / "cube.h5").unlink()
    check(said_by(stress.open_run, folder), folder / "run.json", words)


def test_where_there_is_no_run(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run.json").mkdir()
    for verb in (*VERBS, "resume", "verify"):
        for path, words in (
            (tmp_path, "is not the folder of a run (there is no run.json in it). Give the folder"),
            (tmp_path / "notes.txt", "is a file, not the folder of a run"),
            (tmp_path / "nowhere", "does not exist"),
            (run / "cube.h5", f"is a file, not the folder of a run. Give {run}."),
            (run.parent, f"Runs are in it: {run}."),
        ):
            if verb in OF_A_FILE and path.is_file():
                continue
            check(said_by_verb(verb, path), path, "there is no run here", words)
    for path in (tmp_path, tmp_path / "nowhere"):
        check(said_by(stress.open_run, path), path, "there is no run here")


def test_runs_that_are_not_finished(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("cube.h5"))
    check(said_by(stress.open_run, folder), folder, f"Try `stress resume {folder}`")


def test_groups_that_are_not_there(run):
    for group, words in (("wrost", 'Did you mean "worst"?'), ("loss_es", "known here: /, config")):
        error = said_by(stress.open_run, run, group)
        check(error, run / "cube.h5", f'no group "{group}"', words)


def test_what_the_disk_refuses_is_no_fault_of_the_file(run, tmp_path):
    """Too long a name stands for all that the system says."""
    for read in (stress.open_run, read_result, lambda path: RunFolder(path).manifest()):
        with pytest.raises(StoreError, match=r"cannot be read \(file name too long\)") as error:
            read(tmp_path / ("x" * 300))
        assert error.value.exit_code == 4

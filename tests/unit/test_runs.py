"""Runs: the same bits however they are cut, stopped, killed or gone on with."""

import dataclasses
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import stress
from kernels import engines
from kernels.outcome import IDENTITY_BROKEN
from stress import jobs, shards
from stress.config import load
from stress.errors import BackendError, ConfigError, Interrupted, PathError, StoreError
from stress.io import compare_tallies, read_tally
from stress.jobs import prepare, ranges
from stress.runs import start
from stress.store import RunFolder
from stress.verify import verify

PATHS = 120


@pytest.fixture(scope="module")
def config(root):
    return root / "tests" / "configs" / "small.yaml"


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A run of 120 paths in three shards."""
    return stress.run(
        config, paths=PATHS, out=tmp_path_factory.mktemp("results"), overrides=["run.shard_paths=50"]
    )


@pytest.fixture(scope="module")
def scenario(config):
    return prepare(config).scenario


def tally_of(path, scenario):
    return read_tally(RunFolder(path).read(path / "cube.h5"), scenario.shape)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def results(folder):
    """Contents of everything but what tells the time."""
    return {name: data for name, data in files(folder).items() if name.name not in ("run.json", "log.jsonl")}


def test_folder_of_a_run(finished):
    names = sorted(str(name) for name in files(finished.path))
    shards = [f"shards/shard-{a:012d}-{b:012d}.h5" for a, b in ((0, 49), (50, 99), (100, 119))]
    assert names == ["config.yaml", "cube.h5", "log.jsonl", "resolved.yaml", "run.json", *shards]
    assert finished.path.name.startswith("small-")
    assert finished.manifest["n_paths"] == PATHS
    assert load(finished.path / "resolved.yaml") == load(finished.path / "resolved.yaml", ["run.paths=120"])


def test_cube_of_a_run(finished):
    cube = stress.open_run(finished.path)
    assert cube.identical(finished.cube)
    assert int(cube.n_path.item()) == PATHS
    assert cube.venue.values.tolist() == ["alpha", "beta", "all"]
    total = cube.loss_mean.sel(component="total", venue="all", tier="all").item()
    parts = cube.loss_mean.sel(component=["margin_lost", "deficit"], venue="all", tier="all").sum().item()
    assert total == pytest.approx(parts, rel=1e-6)
    assert total > 0
    assert cube.attrs["seed"] == "20251010"
    assert (
        stress.open_run(finished.path, "config").resolved.item()
        == (finished.path / "resolved.yaml").read_text()
    )
    assert stress.open_run(finished.path, "config").resolved.attrs["definition"]
    assert stress.open_run(finished.path, "worst").path.sel(venue="all", tier="all", rank=1) >= 0


@pytest.mark.parametrize(("shard_paths", "threads"), [(1000, 1), (7, 2), (50, 2)])
def test_results_do_not_depend_on_shards_or_threads(
    config, finished, scenario, tmp_path, shard_paths, threads
):
    overrides = [f"run.shard_paths={shard_paths}"]
    other = stress.run(config, paths=PATHS, out=tmp_path, overrides=overrides, threads=threads)
    assert compare_tallies(tally_of(other.path, scenario), tally_of(finished.path, scenario)) == []
    assert other.cube.equals(finished.cube)
    if shard_paths == 50:
        assert results(other.path) == results(finished.path)


def test_batches_do_not_matter(config, finished, scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "BATCH", {"cpu": 13, "numpy": 13})
    other = stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    assert results(other.path) == results(finished.path)


def test_a_finished_run_is_not_computed_again(config, finished, monkeypatch):
    monkeypatch.setattr(shards, "compute", None)
    before = files(finished.path)
    again = stress.run(config, paths=PATHS, out=finished.path.parent, overrides=["run.shard_paths=50"])
    assert again.path == finished.path
    assert stress.resume(finished.path).path == finished.path
    assert files(finished.path) == before


def test_stopped_run_goes_on_to_the_same_bits(config, finished, tmp_path):
    calls = []

    def stop():
        calls.append(None)
        return len(calls) == 2

    with pytest.raises(
        Interrupted, match=r"50 of 120 paths are kept\. `stress resume .*` goes on"
    ) as stopped:
        stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"], stop=stop)
    assert stopped.value.exit_code == 75
    (folder,) = tmp_path.iterdir()
    assert RunFolder(folder).shards() == [(0, 49)]
    with pytest.raises(StoreError, match="there is no cube"):
        stress.open_run(folder)
    stress.resume(folder)
    assert results(folder) == results(finished.path)


STRUCK = """
import os, sys
from stress.terminal import progress
from stress.cli import main

number = int(sys.argv.pop())

def update(self, done, total):
    if done == 70:
        os.kill(os.getpid(), number)

progress.Bar.update = update
main()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_run_goes_on_to_the_same_bits(config, finished, tmp_path, monkeypatch, number):
    monkeypatch.setattr(shards, "BATCH", {"cpu": 10, "numpy": 10})
    code = f"from stress import shards\nshards.BATCH = {shards.BATCH}\n{STRUCK}"
    options = ["--paths", str(PATHS), "--set", "run.shard_paths=50", "--out", str(tmp_path)]
    command = [sys.executable, "-c", code, "run", str(config), *options, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True)
    (folder,) = tmp_path.iterdir()
    assert done.returncode == (-number if number == signal.SIGKILL else 75), done.stderr
    assert RunFolder(folder).shards() == [(0, 49)]
    if number != signal.SIGKILL:
        assert f"50 of 120 paths are kept. `stress resume {folder}` goes on" in done.stderr
    stress.resume(folder)
    assert results(folder) == results(finished.path)


BARRIER = """
import sys, time
from pathlib import Path
from stress.cli import main
from stress.store import RunFolder

here, other = (Path(sys.argv.pop()) for _ in range(2))
locked = RunFolder.locked

def wait(self):
    here.touch()
    while not other.exists():
        time.sleep(0.001)
    return locked(self)

RunFolder.locked = wait
main()
"""


def test_two_processes_that_start_one_run_do_it_no_harm(config, finished, tmp_path):
    for trial in range(3):
        signs = [str(tmp_path / f"{trial}-{name}") for name in "ab"]
        out = tmp_path / f"results-{trial}"
        options = ["--paths", str(PATHS), "--set", "run.shard_paths=50", "--out", str(out)]
        command = [sys.executable, "-c", BARRIER, "run", str(config), *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        both = [subprocess.Popen([*command, *order], **pipes) for order in (signs, signs[::-1])]
        said = [process.communicate()[1] for process in both]
        codes = [process.returncode for process in both]
        assert sorted(codes) in ([0, 0], [0, 4]), said
        assert all(code == 0 or "in use by" in text for code, text in zip(codes, said, strict=True))
        (folder,) = out.iterdir()
        assert results(folder) == results(finished.path)
        assert verify(RunFolder(folder)).problems == []


def test_threads_beyond_use_are_not_started(config, tmp_path):
    job = prepare(config, ["run.paths=20"])
    tallies = [shards.compute(job, (0, 19), threads) for threads in (1, 10**9)]
    assert compare_tallies(*tallies) == []
    with pytest.raises(ConfigError, match="threads cannot be -1"):
        stress.run(config, paths=20, out=tmp_path, threads=-1)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_paths(config, tmp_path):
    seen = []
    stress.run(
        config, paths=60, out=tmp_path, overrides=["run.shard_paths=25"], progress=lambda *at: seen.append(at)
    )
    assert seen == [(25, 60), (50, 60), (60, 60)]


def failing(monkeypatch, paths):
    genuine = engines.Engine.run_paths

    def run_paths(self, seed, first, count, n_thread=0):
        batch = genuine(self, seed, first, count, n_thread)
        status = batch.status.copy()
        status[np.isin(np.arange(first, first + count), paths)] |= IDENTITY_BROKEN
        return dataclasses.replace(batch, status=status)

    monkeypatch.setattr(engines.Engine, "run_paths", run_paths)


def test_failed_paths_stop_a_run(config, tmp_path, monkeypatch):
    failing(monkeypatch, [60, 77])
    with pytest.raises(
        PathError, match=r"2 of 50 paths failed: 2 identity_broken \(.*\)\. First of them: 60, 77"
    ):
        stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    (folder,) = tmp_path.iterdir()
    assert RunFolder(folder).shards() == [(0, 49)]
    cube = stress.resume(folder, allow_failed=0.05).cube
    counts = dict(zip(cube.path_status.values.tolist(), cube.status_count.values[0].tolist(), strict=True))
    assert counts["identity_broken"] == 2
    assert int(cube.n_path.item()) == PATHS
    assert stress.open_run(folder, "status").failed_path.values.tolist() == [60, 77]


def test_a_full_disk_keeps_finished_shards(config, finished, tmp_path, monkeypatch):
    publish, left = shards.publish, [1]

    def one_only(path, data):
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        publish(path, data)

    monkeypatch.setattr(shards, "publish", one_only)
    with pytest.raises(OSError, match="No space"):
        stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    monkeypatch.undo()
    (folder,) = tmp_path.iterdir()
    assert RunFolder(folder).shards() == [(0, 49)]
    stress.resume(folder)
    assert results(folder) == results(finished.path)


def test_another_engine_cannot_go_on_with_a_run(config, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        stress.run(config, paths=PATHS, out=tmp_path, stop=lambda: True)
    (folder,) = tmp_path.iterdir()
    monkeypatch.setattr(jobs, "kernels_sha256", lambda: "0" * 64)
    with pytest.raises(StoreError, match=r"begun by another version of the program \(its kernels differ"):
        stress.resume(folder)


def test_backends_and_bad_values(config, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "missing", {"cuda": "no GPU", "cpu": "no compiler"}.get)
    there = r'backend "cpu" is not there \(no compiler\)\. There are: (jax, )?numpy'
    with pytest.raises(BackendError, match=there):
        stress.run(config, backend="cpu", out=tmp_path)
    assert prepare(config).backend == "numpy"
    with pytest.raises(ConfigError, match=r"--set run\.paths=-5"):
        stress.run(config, paths=-5, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_machine_refuses_ends_with_three(config, tmp_path, monkeypatch):
    def refuse(name, scenario):
        raise engines.EngineError("the memory of the GPU does not suffice")

    monkeypatch.setattr(engines, "Engine", refuse)
    with pytest.raises(BackendError, match="the memory of the GPU does not suffice") as error:
        stress.run(config, out=tmp_path)
    assert error.value.exit_code == 3


def test_a_loaded_config_runs_like_its_file(config, finished, tmp_path):
    loaded = load(config)
    run = stress.run(loaded, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    assert run.path.name == finished.path.name
    assert run.cube.equals(finished.cube)


def test_everything_that_decides_results_is_in_the_name(config, tmp_path):
    names = {
        prepare(config, overrides).folder
        for overrides in ([], ["run.seed=1"], ["run.paths=10"], ["run.backend=numpy"], ["books.shape=0.5"])
    }
    assert len(names) == 5


def test_ranges_cover_every_path_once():
    for n_path, size in ((1, 1), (10, 3), (10, 10), (10, 11), (9, 3)):
        covered = [path for first, last in ranges(n_path, size, 5) for path in range(first, last + 1)]
        assert covered == list(range(5, 5 + n_path))


def test_numpy_and_cpu_share_everything_but_the_engine(config, tmp_path):
    cubes = [
        start(prepare(config, [f"run.backend={name}", "run.paths=40"]), tmp_path).cube
        for name in ("cpu", "numpy")
    ]
    losses = [cube.loss_mean.sel(component="total", venue="all", tier="all").item() for cube in cubes]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_verify_finds_nothing_wrong(finished):
    found = verify(RunFolder(finished.path), recompute=2)
    assert found.problems == []
    assert (found.files, len(found.recomputed), found.missing) == (7, 2, [])


def damaged(path, place=-1000):
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    os.chmod(path, 0o644)
    path.write_bytes(content)


def test_verify_finds_damage(config, tmp_path):
    run = stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    folder = RunFolder(run.path)
    damaged(folder.shard((50, 99)))
    damaged(folder.cube)
    damaged(run.path / "resolved.yaml", 100)
    problems = verify(folder).problems
    assert len(problems) == 3
    with pytest.raises(StoreError, match="is damaged"):
        stress.open_run(run.path)


def test_verify_finds_another_shard_in_place(config, finished, tmp_path):
    other = stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    folder = RunFolder(other.path)
    seeded = stress.run(config, paths=PATHS, seed=9, out=tmp_path, overrides=["run.shard_paths=50"])
    folder.shard((0, 49)).write_bytes(RunFolder(seeded.path).shard((0, 49)).read_bytes())
    assert "does not hold the sum of the shards" in verify(folder).problems[0]
    assert any("other contents" in problem for problem in verify(folder, recompute=3).problems)


def test_a_damaged_shard_stops_the_cube_and_can_be_made_again(config, finished, tmp_path):
    run = stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    folder = RunFolder(run.path)
    folder.cube.unlink()
    damaged(folder.shard((50, 99)))
    with pytest.raises(StoreError, match=r"is damaged .*Delete it and `stress resume"):
        stress.resume(run.path)
    folder.shard((50, 99)).unlink()
    stress.resume(run.path)
    assert results(run.path) == results(finished.path)


def test_shards_of_a_finished_run_can_be_made_again(config, finished, tmp_path):
    run = stress.run(config, paths=PATHS, out=tmp_path, overrides=["run.shard_paths=50"])
    folder, cube = RunFolder(run.path), (run.path / "cube.h5").stat().st_mtime_ns
    folder.shard((50, 99)).unlink()
    (problem,) = verify(folder).problems
    assert "1 shards of this finished run are missing" in problem
    stress.resume(run.path)
    assert results(run.path) == results(finished.path)
    assert (run.path / "cube.h5").stat().st_mtime_ns == cube
    assert verify(folder).problems == []

"""Runs: path ranges through an engine into shards, shards into a cube.

A shard is the tally of a range of paths. The cube is always made from the files of the shards, so a
run that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.config import dump
from stress.contents import cube_bytes
from stress.errors import Interrupted
from stress.jobs import Job, manifest, prepare, reopen
from stress.provenance import device
from stress.shards import Pace, Progress, Stop, add_shard
from stress.store import Range, RunFolder, publish

if TYPE_CHECKING:
    import xarray as xr

    from stress.config.run import RunConfig
    from stress.tally import Tally


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path

    @property
    def cube(self) -> xr.Dataset:
        """The cube: see docs/formats/cube.md."""
        from stress import open_run

        return open_run(self.path)

    @property
    def manifest(self) -> dict[str, Any]:
        """What was run, on what."""
        return RunFolder(self.path).manifest()


def run(
    config: str | os.PathLike[str] | RunConfig,
    *,
    paths: int | None = None,
    seed: int | None = None,
    backend: str | None = None,
    out: str | os.PathLike[str] = "results",
    overrides: Sequence[str] = (),
    threads: int = 0,
    allow_failed: float = 0.0,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Run a config and return the finished run; one that was begun is gone on with.

    paths, seed, backend: in place of the config's
    out         : folder in which the run's own folder is made
    overrides   : texts like "run.step=15s", as for --set
    threads     : 0 for all cores, at most 256 and four a core; results do not depend on it
    allow_failed: share of paths that may fail before the run is stopped
    progress    : called with (paths done, paths in all)
    stop        : asked before every batch, some seconds of work; true ends the run with `Interrupted`,
                  its finished shards kept

    raises: `ConfigError`, `CompileError`, `BackendError`, `PathError`, `StoreError`, `Interrupted`
    """
    named = {"run.paths": paths, "run.seed": seed, "run.backend": backend}
    overrides = [*overrides, *(f"{key}={value}" for key, value in named.items() if value is not None)]
    job = prepare(config, overrides)
    return start(job, out, threads=threads, allow_failed=allow_failed, progress=progress, stop=stop)


def start(
    job: Job,
    out: str | os.PathLike[str] = "results",
    *,
    threads: int = 0,
    allow_failed: float = 0.0,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Run a job in a folder below `out`; see `run`."""
    from stress.tally import bounded

    threads = bounded(threads)
    folder = RunFolder(Path(out) / job.folder)
    if folder.exists and complete(folder, job := reopen(folder)):
        return Run(folder.path)
    with folder.locked():
        if folder.exists:
            job = reopen(folder)
        else:
            begin(folder, job)
        return finish(folder, job, threads, allow_failed, progress, stop)


def resume(
    path: str | os.PathLike[str],
    *,
    threads: int = 0,
    allow_failed: float = 0.0,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Run:
    """Finish the run in a folder; arguments and errors as for `run`."""
    folder = RunFolder(path)
    job = reopen(folder)
    if complete(folder, job):
        return Run(folder.path)
    with folder.locked():
        return finish(folder, job, threads, allow_failed, progress, stop)


def begin(folder: RunFolder, job: Job, shared: bool = False) -> None:
    """Make the run's folder; shared: others may be making it at the same time."""
    given = job.config.sources[0].text if job.config.sources else dump(job.config)
    inputs = {found.sha256: found.content for found in job.config.inputs.values()}
    folder.create(manifest(job), given, dump(job.config), inputs, shared)
    folder.log("begun", **device())


def finish(
    folder: RunFolder,
    job: Job,
    threads: int,
    allow_failed: float,
    progress: Progress | None,
    stop: Stop | None,
) -> Run:
    """Compute what is missing of a run that this process holds: its shards, then its cube.

    A cube that is there already is left as it is; `stress verify` compares it with the shards.
    """
    fill(folder, job, job.shards, f"`stress resume {folder.path}`", threads, allow_failed, progress, stop)
    if not folder.cube.is_file():
        publish(folder.cube, cube_bytes(job, merged(folder, job)))
    folder.log("finished")
    return Run(folder.path)


def fill(
    folder: RunFolder,
    job: Job,
    shards: list[Range],
    again: str,
    threads: int,
    allow_failed: float,
    progress: Progress | None,
    stop: Stop | None,
) -> None:
    """Compute those of some shards that are not there; again: what goes on where it is stopped."""
    total, there = n_path(shards), set(folder.shards())
    missing = [paths for paths in shards if paths not in there]
    done, pace = total - n_path(missing), Pace(job.backend)
    for paths in missing:
        if folder.shard(paths).is_file():  # of a task that has the same share
            done += n_path([paths])
            continue
        try:
            add_shard(folder, job, paths, threads, allow_failed, shifted(progress, done, total), stop, pace)
        except Interrupted:
            folder.log("interrupted", paths=done)
            raise Interrupted(f"stopped; {done:,} of {total:,} paths are kept. {again} goes on.") from None
        done += n_path([paths])


def n_path(shards: list[Range]) -> int:
    """Paths in some shards."""
    return sum(last - first + 1 for first, last in shards)


def pending(folder: RunFolder, job: Job) -> list[Range]:
    """Shards that are still to be computed."""
    there = set(folder.shards())
    return [paths for paths in job.shards if paths not in there]


def complete(folder: RunFolder, job: Job) -> bool:
    """Whether nothing of a run is missing."""
    return folder.cube.is_file() and not pending(folder, job)


def merged(folder: RunFolder, job: Job) -> Tally:
    """The sum of all shards on disk; `StoreError` if one is missing or damaged."""
    from stress.io import add_tally, read_arrays
    from stress.tally import Tally

    total = Tally(job.scenario.shape)
    for paths in job.shards:
        add_tally(total, read_arrays(folder.read(folder.shard(paths))))
    return total


def shifted(progress: Progress | None, done: int, total: int) -> Progress | None:
    """Progress within a shard as progress of the run."""
    return (lambda n, _: progress(done + n, total)) if progress else None

"""Verbs that run a config, and look after its runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from stress.cli.options import (
    AllowFailed,
    AsJson,
    Backend,
    Config,
    Folder,
    Out,
    Paths,
    Seed,
    Set,
    ShareOf,
    Threads,
    overrides,
    say,
    show_json,
)
from stress.cli.rest import at_rest, warn_at_rest, warnings_at_rest
from stress.errors import Interrupted


def run(
    config: Config, settings: Set = None, paths: Paths = None, seed: Seed = None, backend: Backend = None,
    out: Out = Path("results"), threads: Threads = 0, allow_failed: AllowFailed = 0.0,
    shard: ShareOf = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run a config and print what it found."""
    from stress.jobs import prepare
    from stress.runs import start

    with stoppable() as stop:
        if shard:
            from stress.array import share

            part = share(shard)
        job = prepare(config, overrides(settings, paths, seed, backend))
        if shard:
            return run_task(job, part, out, threads, allow_failed, stop, as_json)
        begin = partial(start, job, out, threads=threads, allow_failed=allow_failed, stop=stop)
        work(begin, job, as_json, out / job.folder)


def run_task(job, part, out: Path, threads: int, allow_failed: float, stop, as_json: bool) -> None:
    """Compute a share of a run, and say what it was."""
    from stress.array import run_share
    from stress.merge import listed
    from stress.terminal.progress import Bar

    if not as_json:
        header(job)
    with Bar(job.scenario.shape.n_step) as bar:
        mine = run_share(
            job, part, out, threads=threads, allow_failed=allow_failed, progress=bar.update, stop=stop
        )
    folder = out / job.folder
    if as_json:
        return show_json({"path": str(folder), "task": part.task, "tasks": part.tasks, "paths": mine,
                          "seconds": bar.seconds})  # fmt: skip
    what = f"paths {listed(mine)} are done" if mine else (
        f"nothing to compute: the run has {len(job.shards)} shards, fewer than tasks (run.shard_paths)"
    )  # fmt: skip
    print(f"{folder}: task {part}: {what}. When all tasks are, `stress merge {folder}` makes the cube.")


def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of one run, by its tasks.", metavar="RUN...")
    ],
    as_json: AsJson = False,
) -> None:
    """Bring the shards of tasks together in the first folder, make the cube, and print what it says."""
    from stress.merge import merge as merged

    with stoppable():
        report(merged(folders).path, as_json)


def resume(
    folder: Folder, threads: Threads = 0, allow_failed: AllowFailed = 0.0, as_json: AsJson = False
) -> None:
    """Finish a run that was stopped."""
    from stress.jobs import reopen
    from stress.runs import resume as resumed
    from stress.store import RunFolder

    with stoppable() as stop:
        job = reopen(RunFolder(folder))
        begin = partial(resumed, folder, threads=threads, allow_failed=allow_failed, stop=stop)
        work(begin, job, as_json, folder)


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether a signal to stop has come; where the work does not end soon after, the verb does."""
    from stress.terminal.progress import show_cursor, stop_on_signals

    def late() -> None:
        show_cursor()
        say(Interrupted("stopped; what was in hand took too long to end. Finished shards are kept, and "
                        "`stress resume`, or the same command again, goes on."))  # fmt: skip

    with stop_on_signals(late) as stop:
        yield stop


def work(begin, job, as_json: bool, folder: Path) -> None:
    """Run with a header, progress and clean ends; then print the results."""
    from stress.runs import complete
    from stress.store import RunFolder
    from stress.terminal.progress import Bar

    rest = at_rest(job)
    if not as_json:
        header(job)
        warn_at_rest(rest)
    if complete(RunFolder(folder), job):
        print("Finished before: nothing is computed again.", file=sys.stderr)
    with Bar(job.scenario.shape.n_step) as bar:
        finished = begin(progress=bar.update)
    report(finished.path, as_json, bar.seconds, rest)


def header(job) -> None:
    """What is run, on what."""
    from stress.provenance import device

    about, run_, machine = job.config.about, job.config.run, device()
    print(f"{about.title}\n{about.question}\n", file=sys.stderr)
    n_step = job.scenario.shape.n_step
    print(f"{job.folder}: {run_.paths:,} paths of {n_step:,} steps, seed {run_.seed}, engine {job.backend}, "
          f"{machine['processor']}, {machine['cores']} cores", file=sys.stderr)  # fmt: skip


def report(
    path: Path, as_json: bool, seconds: float | None = None, rest: dict[str, Any] | None = None
) -> None:
    """Print what a run found, and where it is."""
    from stress.opening import open_run
    from stress.summary import summary
    from stress.terminal.results import status_line, write

    found = summary(open_run(path))
    if as_json:
        found["warnings"] += warnings_at_rest(rest) if rest else []
        return show_json({"path": str(path), "cube": str(path / "cube.h5"), "seconds": seconds, **found})
    print(f"\n{write(found)}\n")
    print(status_line(found))
    print(f"{path / 'cube.h5'}: all of it, for xarray, R, MATLAB or any reader of HDF5")
    print(f"`stress report {path}` makes a page of it, with charts, to read and to pass on")


def status(folder: Folder, as_json: AsJson = False) -> None:
    """Say how far a run is; of a finished one, print what it found."""
    from stress.jobs import ranges
    from stress.opening import for_reading
    from stress.store import RunFolder

    run_folder = RunFolder(folder)
    with for_reading():
        known = run_folder.manifest()
    planned = ranges(known["n_paths"], known["shard_paths"])
    there = set(run_folder.shards())
    done = sum(last - first + 1 for first, last in planned if (first, last) in there)
    finished = run_folder.cube.is_file()
    if as_json:
        counts = {"paths_done": done, "shards": len(planned), "shards_done": len(there & set(planned))}
        return show_json({"path": str(folder), "finished": finished, **counts, **known})
    state = "finished" if finished else f"not finished; `stress resume {folder}` goes on"
    shards = f"{len(there & set(planned)):,} of {len(planned):,} shards"
    print(f"{folder}: {done:,} of {known['n_paths']:,} paths, {shards}, engine {known['backend']}, "
          f"begun {known['created']}: {state}")  # fmt: skip
    if finished:
        report(folder, as_json=False)


def verify(
    folder: Folder,
    recompute: Annotated[int, typer.Option(min=0, help="Shards, chosen at random, to compute again.")] = 0,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Check the files of a run: any flipped bit is found. Exit code 4 if something is wrong."""
    from stress.store import RunFolder
    from stress.verify import verify as verified

    found = verified(RunFolder(folder), recompute, threads)
    if as_json:
        show_json({"path": str(folder), "files": found.files, "missing_shards": found.missing,
                   "recomputed_shards": found.recomputed, "problems": found.problems})  # fmt: skip
    else:
        for problem in found.problems:
            print(problem, file=sys.stderr)
        again = f", {len(found.recomputed)} shards computed again" if found.recomputed else ""
        lacking = f", {len(found.missing)} shards still to be computed" if found.missing else ""
        wrong = f"{len(found.problems)} problems" if found.problems else "nothing wrong"
        print(f"{folder}: {wrong}; {found.files} files looked at{again}{lacking}")
    if found.problems:
        raise typer.Exit(4)

"""Whether a run on disk is what was computed: checksums, completeness, and sums; if asked, bits."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stress.errors import StoreError, StressError
from stress.jobs import ranges, reopen
from stress.runs import merged, pending
from stress.shards import compute
from stress.store import Range, RunFolder

if TYPE_CHECKING:
    from stress.jobs import Job


@dataclass
class Findings:
    """What was looked at, and what is wrong with it."""

    files: int = 0
    recomputed: list[Range] = field(default_factory=list)
    missing: list[Range] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def verify(folder: RunFolder, recompute: int = 0, threads: int = 0) -> Findings:
    """Check every file of a run; log.jsonl apart, any flipped bit is found.

    recompute: how many shards, chosen at random, to compute again and compare bit for bit
    raises   : `ResultError` where the folder is no run at all, `StoreError` where its manifest is damaged
    """
    found = Findings()
    known = folder.manifest()
    found.files += 1
    for name in known["files"]:
        _look(found, lambda name=name: folder.content(name))
    planned = ranges(known["n_paths"], known["shard_paths"])
    there = folder.shards()
    found.missing = [paths for paths in planned if paths not in set(there)]
    if stray := [paths for paths in there if paths not in set(planned)]:
        found.problems.append(f"{len(stray)} shard files are not in the plan: {folder.shard(stray[0])} ...")
    for paths in there:
        _look(found, lambda paths=paths: folder.read(folder.shard(paths)))
    if folder.cube.is_file():
        _look(found, lambda: folder.read(folder.cube))
        if found.missing:
            found.problems.append(
                f"{len(found.missing)} shards of this finished run are missing: "
                f"{folder.shard(found.missing[0])} ... `stress resume {folder.path}` makes them again."
            )
    if not found.problems:
        _compare(folder, found, recompute, threads)
    return found


def _look(found: Findings, read) -> None:
    try:
        read()
    except StoreError as error:
        found.problems.append(str(error))
    found.files += 1


def _compare(folder: RunFolder, found: Findings, recompute: int, threads: int) -> None:
    """The cube against the sum of the shards; shards against shards computed now."""
    try:
        job = reopen(folder)
    except StressError as error:
        if recompute:
            found.problems.append(str(error))
        return
    if folder.cube.is_file() and not pending(folder, job):
        from stress.io import compare_tallies, read_tally

        try:
            total = read_tally(folder.read(folder.cube), job.scenario.shape)
        except KeyError:
            found.problems.append(
                f"{folder.cube} is no cube (it holds no tally). Delete it and `stress resume {folder.path}` "
                "makes it again."
            )
            return
        found.problems += [
            f"{folder.cube} does not hold the sum of the shards ({name} differ)"
            for name in compare_tallies(total, merged(folder, job))
        ]
    there = [paths for paths in folder.shards() if paths in set(job.shards)]
    for paths in sorted(random.sample(there, min(recompute, len(there)))):
        found.recomputed.append(paths)
        if not _same(folder, job, paths, threads):
            found.problems.append(f"{folder.shard(paths)} has other contents than the engine computes now")


def _same(folder: RunFolder, job: Job, paths: Range, threads: int) -> bool:
    from stress.io import compare_tallies, read_tally

    stored = read_tally(folder.read(folder.shard(paths)), job.scenario.shape)
    return not compare_tallies(stored, compute(job, paths, threads))

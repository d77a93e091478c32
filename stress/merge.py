"""Shards of several folders of one run, brought together, and the cube of the run that was never cut."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from stress.contents import cube_bytes, root_attributes
from stress.errors import ResultError, StoreError
from stress.jobs import Job, reopen
from stress.runs import Run, merged
from stress.store import Range, RunFolder, publish, unsealed

ABOUT = {
    "name": "name", "seed": "seed", "n_paths": "number of paths", "shard_paths": "number of paths in a shard",
    "backend": "engine", "kernels_sha256": "version of the engine",
}  # fmt: skip
"""What makes a run the one it is, in its manifest, and how it is called."""

IN_MANIFEST = ("run.seed", "run.paths", "run.shard_paths")

SHOWN = 5
OF_SHARD = ("config_sha256", "kernels_sha256", "scenario_sha256", "seed", "backend")
"""Attributes of a shard's file that are those of its run."""


def merge(folders: Sequence[str | os.PathLike[str]]) -> Run:
    """Bring the shards of all folders together in the first one, and make the cube.

    raises: `ResultError` where a folder is of another run, or paths are missing or there twice;
            `StoreError` where a file is damaged, or two folders say different things of the same paths
    """
    runs = [RunFolder(path) for path in {Path(path).resolve(): path for path in folders}.values()]
    target = runs[0]
    job = reopen(target, to_run=False)
    for other in runs[1:]:
        check_same_run(target, other)
    holders: dict[Range, list[RunFolder]] = {}
    for run in runs:
        for paths in run.shards():
            holders.setdefault(paths, []).append(run)
    check_ranges(job, holders)
    for paths, having in holders.items():
        bring(target, job, paths, having)
    if missing := [paths for paths in job.shards if paths not in holders]:
        raise ResultError(
            f"{len(missing):,} of {len(job.shards):,} shards are missing: paths {listed(missing)}. What is "
            f"there is in {target.path} now: run the tasks of these paths again and merge again, or let "
            f"`stress resume {target.path}` compute them."
        )
    target.clear()
    if not target.cube.is_file():
        publish(target.cube, cube_bytes(job, merged(target, job)))
        target.log("merged", folders=len(runs))
    return Run(target.path)


def check_same_run(run: RunFolder, other: RunFolder) -> None:
    """`ResultError` that says what differs, if it is not the same run."""
    ours, theirs = run.manifest(), other.manifest()
    differ = [
        f"its {word} is {shown(theirs.get(key))} and not {shown(ours.get(key))}"
        for key, word in ABOUT.items()
        if ours.get(key) != theirs.get(key)
    ]
    config, another = (dict(leaves("", yaml.safe_load(of.text("resolved.yaml")))) for of in (run, other))
    differ += [
        f"its {key} is {another.get(key, 'left out')} and not {config.get(key, 'left out')}"
        for key in config | another
        if key not in IN_MANIFEST and config.get(key) != another.get(key)
    ]
    if differ:
        more = f", and {len(differ) - SHOWN} things more" if len(differ) > SHOWN else ""
        raise ResultError(
            f"{other.path} is of another run than {run.path}: {'; '.join(differ[:SHOWN])}{more}. "
            "Merge folders of one config, with the same settings and engine."
        )


def shown(value: Any) -> str:
    """A value of a manifest; of a digest, its head."""
    text = str(value)
    return text[:8] if len(text) == 64 else text


def leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value of a config that holds no others, as text, by its key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from leaves(f"{path}.{key}" if path else str(key), inner)
    if not inside:
        yield path, str(value)


def check_ranges(job: Job, holders: dict[Range, list[RunFolder]]) -> None:
    """`ResultError` for shards that are none of the run's, which must overlap some that are."""
    for (first, last), having in holders.items():
        if (first, last) in set(job.shards):
            continue
        meets = [(a, b) for a, b in job.shards if a <= last and first <= b]
        overlaps = f"it overlaps those of paths {listed(meets)}" if meets else "the run has no such paths"
        raise ResultError(
            f"{having[0].shard((first, last))} is no shard of this run: {overlaps}. Take the file away."
        )


def bring(target: RunFolder, job: Job, paths: Range, having: list[RunFolder]) -> None:
    """One shard into the folder, whoever has it; `StoreError` if it is damaged or they disagree."""
    whole = [run.shard(paths).read_bytes() for run in having]
    for run in having:
        check_shard(run, job, paths)
    for run, content in zip(having[1:], whole[1:], strict=True):
        if content != whole[0] and differ(whole[0], content, job):
            raise StoreError(
                f"paths {listed([paths])} are in {having[0].path} and in {run.path}, and differ (one of them "
                "is not what the engine computes). `stress verify --recompute` says which."
            )
    if not target.shard(paths).is_file():
        publish(target.shard(paths), whole[0])


def check_shard(run: RunFolder, job: Job, paths: Range) -> None:
    """`StoreError` if a file is damaged, or is not the shard that its name says."""
    from stress.io import open_group

    file = run.shard(paths)
    said = open_group(run.read(file), shown=str(file)).attrs
    known: dict[str, str] = root_attributes(job)
    wanted = {key: known[key] for key in OF_SHARD}
    wanted |= {"first_path": str(paths[0]), "last_path": str(paths[1])}
    if wrong := [key for key, value in wanted.items() if str(said.get(key)) != value]:
        raise StoreError(
            f"{file} is not the shard that its name says: its {wrong[0]} is {shown(said.get(wrong[0]))} and "
            f"not {shown(wanted[wrong[0]])}. Delete it, and compute it again."
        )


def differ(one: bytes, other: bytes, job: Job) -> list[str]:
    """What of two shards is not the same in numbers."""
    from stress.io import compare_tallies, read_tally

    return compare_tallies(*(read_tally(unsealed(data), job.scenario.shape) for data in (one, other)))


def listed(shards: Sequence[Range]) -> str:
    """Ranges of paths in words, neighbours together."""
    joined: list[list[int]] = []
    for first, last in sorted(shards):
        if joined and joined[-1][1] + 1 == first:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    words = [f"{first:,} to {last:,}" if first < last else f"{first:,}" for first, last in joined]
    return ", ".join(words[:SHOWN]) + (
        f", and {len(words) - SHOWN} ranges more" if len(words) > SHOWN else ""
    )

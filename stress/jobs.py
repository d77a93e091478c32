"""What is to be run: a config, compiled, and the engine that takes it; new, or as a folder on disk has it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernels.scenario import Scenario
from stress.config import dump, identity
from stress.errors import BackendError, StoreError
from stress.provenance import device, kernels_sha256, package_version, scenario_sha256
from stress.store import MANIFEST, MANIFEST_VERSION, Range, RunFolder, timestamp

if TYPE_CHECKING:
    from stress.config.run import RunConfig


@dataclass(frozen=True)
class Job:
    """Everything that decides the results of a run."""

    name: str
    config: RunConfig
    scenario: Scenario
    backend: str

    @property
    def shards(self) -> list[Range]:
        """Path ranges of the shards, in order."""
        return ranges(self.config.run.paths, self.config.run.shard_size)

    @property
    def folder(self) -> str:
        """Name of the run's folder: the config's, and a digest of all that decides its contents."""
        decided = [identity(self.config), self.backend, kernels_sha256()]
        return f"{self.name}-{hashlib.sha256(chr(0).join(decided).encode()).hexdigest()[:8]}"


def prepare(config: str | os.PathLike[str] | RunConfig, overrides: Sequence[str] = ()) -> Job:
    """Load and compile a config, choose its engine; nothing is written."""
    from stress.compile import compile_config
    from stress.config import load, loads

    if isinstance(config, str | os.PathLike):
        name, loaded = Path(config).stem, load(config, overrides)
    else:
        name = Path(config.sources[0].file).stem if config.sources else "run"
        loaded = loads(dump(config), overrides, known=config.inputs) if overrides else config
    backend = choose_backend(loaded.run.backend)
    return Job(re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run", loaded, compile_config(loaded), backend)


def choose_backend(name: str) -> str:
    """The engine to use; "auto" takes the fastest that is there. `BackendError` if it is not."""
    from kernels import engines

    chosen = engines.choose(name)
    if missing := engines.missing(chosen):
        there = ", ".join(known for known in engines.NAMES if engines.missing(known) is None)
        raise BackendError(f'backend "{name}" is not there ({missing}). There are: {there}.')
    return chosen


def manifest(job: Job) -> dict[str, Any]:
    """What run.json holds, besides the checksums of the two configs."""
    return {
        "format": MANIFEST,
        "format_version": MANIFEST_VERSION,
        "name": job.name,
        "created": timestamp(),
        "version": package_version(),
        "backend": job.backend,
        "seed": str(job.config.run.seed),
        "n_paths": job.config.run.paths,
        "shard_paths": job.config.run.shard_size,
        "sources": {
            source.file: source.sha256 for source in (*job.config.sources, *job.config.inputs.values())
        },
        "kernels_sha256": kernels_sha256(),
        "scenario_sha256": scenario_sha256(job.scenario),
        "device": device(),
    }


def reopen(folder: RunFolder, to_run: bool = True) -> Job:
    """The job of a run on disk, which must be what it was when it began.

    to_run: its engine must be there
    raises: `StoreError` if the engine or what it makes of the config has changed since
    """
    from stress.compile import compile_config
    from stress.config import loads

    known = folder.manifest()
    config = loads(
        folder.text("resolved.yaml"), file=str(folder.path / "resolved.yaml"), known=folder.inputs()
    )
    job = Job(known["name"], config, compile_config(config), known["backend"])
    now = {"kernels_sha256": kernels_sha256(), "scenario_sha256": scenario_sha256(job.scenario)}
    changed = [key.removesuffix("_sha256") for key, value in now.items() if known[key] != value]
    if changed:
        raise StoreError(
            f"{folder.path} was begun by another version of the program (its {' and '.join(changed)} differ, "
            f"so shards would not fit together). Use version {known['version']} as it was, or run anew."
        )
    if to_run:
        choose_backend(job.backend)
    return job


def ranges(n_path: int, size: int, first: int = 0) -> list[Range]:
    """n_path paths from `first` in ranges of `size`; the last one may be shorter."""
    end = first + n_path
    return [(start, min(start + size, end) - 1) for start in range(first, end, size)]

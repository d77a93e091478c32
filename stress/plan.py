"""What a run will take, before it is run: shapes, memory, time, shards."""

from __future__ import annotations

import time
from typing import Any

from kernels import engines
from kernels.outcome import Layout
from kernels.parts.histogram import N_BIN
from stress.jobs import Job
from stress.shards import BATCH, machine_errors
from stress.tally import bounded

PROBE_SECONDS = 1.0
BASE_BYTES = 180 << 20
"""Python and its libraries, measured."""


def plan(job: Job, threads: int = 0) -> dict[str, Any]:
    """Shapes, memory in bytes and time in seconds of a job; the time from a short measured probe."""
    shape, run = job.scenario.shape, job.config.run
    n_cell = Layout(shape).n_cell
    tally = n_cell * N_BIN * 16
    rows = 2 * BATCH[job.backend] * n_cell * (8 if job.backend in ("numpy", "jax") else 4)
    seconds = probe(job, threads)
    return {
        "name": job.name,
        "folder": job.folder,
        "backend": job.backend,
        "assets": shape.n_asset,
        "venues": shape.n_venue,
        "tiers": shape.n_tier,
        "steps": shape.n_step,
        "step_seconds": shape.dt_seconds,
        "cells": n_cell,
        "paths": run.paths,
        "shards": len(job.shards),
        "shard_paths": run.shard_size,
        "memory_bytes": BASE_BYTES + tally + rows,
        "path_seconds": seconds,
        "seconds": seconds * run.paths,
    }


def probe(job: Job, threads: int) -> float:
    """Seconds a path, from a few batches of growing size after a first one that warms up."""
    threads, count, started = bounded(threads), 2, time.perf_counter()
    with machine_errors():
        engine = engines.Engine(job.backend, job.scenario)
    while True:
        begun = time.perf_counter()
        with machine_errors():
            engine.run_paths(job.config.run.seed, 0, count, threads)
        seconds = (time.perf_counter() - begun) / count
        if count >= BATCH[job.backend] or time.perf_counter() - started > PROBE_SECONDS / 2:
            return seconds
        count *= 2

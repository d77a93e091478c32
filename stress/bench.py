"""How fast the engines are: path-steps per second per core, beside the work that a path is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels import engines
from kernels.outcome import COUNTERS
from stress.jobs import Job
from stress.provenance import device, kernels_sha256, package_version
from stress.tally import Tally

PATHS = {"cpu": 2048, "numpy": 64}
"""Engines that run on one core; benchmarks/gpu.py measures the other one."""


def bench(
    job: Job, repeats: int = 5, paths: int | None = None, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Time every engine that is there on one core, in this process, on the same scenario.

    paths: of the fused engine; the reference runs a 32nd of them
    say  : told what is going on
    """
    result: dict[str, Any] = {
        "config": job.name,
        "version": package_version(),
        "kernels_sha256": kernels_sha256(),
        "device": device(),
        "steps": job.scenario.shape.n_step,
        "assets": job.scenario.shape.n_asset,
        "venues": job.scenario.shape.n_venue,
        "engines": {},
    }
    for name in PATHS:
        if missing := engines.missing(name):
            say(f"{name}: {missing}")
            continue
        say(f"{name}: {repeats} runs on one core")
        count = PATHS[name] if paths is None else max(paths // (1 if name == "cpu" else 32), 1)
        result["engines"][name] = bench_engine(job, name, count, repeats)
    found = result["engines"]
    if {"cpu", "numpy"} <= set(found):
        rates = [found[name]["path_steps_per_second_per_core"]["best"] for name in ("cpu", "numpy")]
        result["cpu_over_numpy"] = rates[0] / rates[1]
    return result


def bench_engine(job: Job, name: str, count: int, repeats: int) -> dict[str, Any]:
    """Rates of one engine: the first run warms up and is not counted."""
    engine = engines.Engine(name, job.scenario)
    seed, path_steps = job.config.run.seed, count * job.scenario.shape.n_step
    batch = engine.run_paths(seed, 0, max(count // 8, 1), 1)
    wall, cpu = [], []
    for _ in range(repeats):
        begun = time.perf_counter(), time.process_time()
        batch = engine.run_paths(seed, 0, count, 1)
        wall.append(time.perf_counter() - begun[0])
        cpu.append(time.process_time() - begun[1])
    return {
        "paths": count,
        "repeats": repeats,
        "path_steps_per_second_per_core": {
            "best": path_steps / min(cpu),
            "median": path_steps / statistics.median(cpu),
        },
        "wall_seconds": {"best": min(wall), "median": statistics.median(wall)},
        "cpu_seconds": {"best": min(cpu), "median": statistics.median(cpu)},
        "microseconds_per_path": 1e6 * min(cpu) / count,
        "tally_microseconds_per_path": 1e6 * time_tally(job, batch) / count,
        **work(batch.counters, path_steps),
    }


def time_tally(job: Job, batch) -> float:
    """Seconds of CPU to count a batch, warmed up."""
    tally, seconds = Tally(job.scenario.shape), []
    for _ in range(3):
        begun = time.process_time()
        tally.add_batch(0, batch.rows, batch.status, batch.counters, 1)
        seconds.append(time.process_time() - begun)
    return min(seconds)


def work(counters: np.ndarray, path_steps: int) -> dict[str, float]:
    """What there was to do: share of quiet asset-steps, rounds and flushes per path-step."""
    done = dict(zip(COUNTERS, counters.tolist(), strict=True))
    return {
        "quiet_fraction": 1 - (done["calm"] + done["active"]) / done["asset_steps"],
        "active_fraction": done["active"] / done["asset_steps"],
        "rounds_per_path_step": done["rounds"] / path_steps,
        "flushes_per_path_step": done["flushes"] / path_steps,
    }

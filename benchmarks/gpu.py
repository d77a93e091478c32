"""The engine on a GPU: first that its bits are the processor's, then how fast it is.

    python benchmarks/gpu.py [--seconds S] [--paths N] [--check-paths N] [CONFIG ...]

1. Kernels of every config in `configs/`, or of those named, are compiled from nothing, all cores at once.
2. Every config runs on both engines and must agree in every bit of every row, status and counter; the timed
   ones in both mappings of paths on threads (`kernels.cuda.source.MAPPINGS`). Twenty repeats of one run must
   have one digest, and a tally made on the GPU must be the host's.
3. Only then is anything timed: the first call, the kernel alone, with its rows brought to the host, and as a
   run counts it; in both mappings; and the engine in JAX on the same GPU.

It looks at the clock, leaves out what there is no time for and says so. Writes
benchmarks/results/gpu-<name>-<time>.json after every part, so that what was done is kept whatever comes.
Exit code 1 where bits differ, 3 where there is no GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Container
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from kernels import engine_cpu, engine_cuda, packed
from kernels.batch import Batch, EngineError
from kernels.cuda import cubins, gpu, nvrtc, source
from kernels.engine_cuda import FEW_CLOSINGS, Block, Prepared
from kernels.packing import pack
from kernels.scenario import Scenario
from stress.compile import compile_config
from stress.config import load
from stress.errors import ConfigError
from stress.io import compare_tallies
from stress.provenance import device, kernels_sha256, package_version
from stress.tally import Tally

ROOT = Path(__file__).parents[1]
TIMED = ("oct-2025", "quiet-day")
SEED, REPEATS, JAX_PATHS = 1, 20, 4096
LONGEST_S = 4.0
"""Of one timed call: fewer paths are taken where a card is slow."""

Make = Callable[[Scenario, str], Prepared]
Found = dict[str, Any]


@dataclasses.dataclass
class Clock:
    """What is left of the time that was given."""

    seconds: float
    begun: float = dataclasses.field(default_factory=time.perf_counter)

    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.begun)


def scenarios(files: list[Path]) -> dict[str, Scenario]:
    """The configs that are runs of their own; parts that others extend are not."""
    found = {}
    for file in files:
        try:
            found[file.stem] = compile_config(load(file))
        except ConfigError:
            print(f"{file.stem}: no run of its own, left out", file=sys.stderr)
    return found


def timed(runs: dict[str, Scenario]) -> dict[str, Scenario]:
    """Those of `TIMED` that are there, or all."""
    return {name: runs[name] for name in TIMED if name in runs} or runs


def compile_timed(header: str, architecture: str) -> float:
    """Seconds that it takes to compile a kernel and keep it."""
    begun = time.perf_counter()
    cubins.cubin(header, architecture)
    return time.perf_counter() - begun


def compile_all(runs: dict[str, Scenario], architecture: str) -> dict[str, float]:
    """Seconds by config and mapping, all cores at work; they are found compiled afterwards."""
    headers = {}
    for name, scenario in runs.items():
        arrays = pack(scenario, [array for _, array in packed.arrays()])
        n_closing = FEW_CLOSINGS if scenario.parts.adl is None else engine_cuda.CLOSINGS
        for mapping in source.MAPPINGS if name in timed(runs) else [source.MAPPING]:
            headers[f"{name}, {mapping}"] = source.header(scenario, arrays, n_closing, mapping)
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        jobs = {key: pool.submit(compile_timed, text, architecture) for key, text in headers.items()}
        return {key: round(job.result(), 1) for key, job in jobs.items()}


def digest(batch: Batch) -> str:
    """Of every row and status."""
    return hashlib.sha256(batch.rows.tobytes() + batch.status.tobytes()).hexdigest()


def compare(engine: Prepared, scenario: Scenario, n_path: int) -> Found:
    """The same paths on both engines: how many rows, statuses and counters differ in a bit."""
    one = engine.run_paths(SEED, 0, n_path)
    other = engine_cpu.Prepared(scenario).run_paths(SEED, 0, n_path)
    rows = (one.rows.view(np.uint32) != other.rows.view(np.uint32)).any(axis=1)
    return {
        "paths": n_path,
        "rows_that_differ": int(rows.sum()),
        "first": int(np.flatnonzero(rows)[0]) if rows.any() else None,
        "statuses_that_differ": int((one.status != other.status).sum()),
        "counters_that_differ": int((one.counters != other.counters).sum()),
    }


def agrees(found: Found) -> bool:
    """Whether a comparison found no difference."""
    return not (found["rows_that_differ"] or found["statuses_that_differ"] or found["counters_that_differ"])


def digests(engine: Prepared, n_path: int) -> set[str]:
    """Digests of the same run again and again."""
    return {digest(engine.run_paths(SEED, 0, n_path)) for _ in range(REPEATS)}


def tallies_differ(engine: Prepared, scenario: Scenario, n_path: int) -> list[str]:
    """What differs between a tally made on the GPU and the host's; nothing, that is to say."""
    found, wanted, counting = Tally(scenario.shape), Tally(scenario.shape), engine.counting()
    found.add_found(0, counting.run_paths(SEED, 0, n_path))
    for counted in counting.histograms():
        found.add_histograms(*counted)
    batch = engine_cpu.Prepared(scenario).run_paths(SEED, 0, n_path)
    wanted.add_batch(0, batch.rows, batch.status, batch.counters)
    return compare_tallies(found, wanted)


def correctness(runs: dict[str, Scenario], n_path: int, make: Make, clock: Clock) -> Found:
    """Bits, digests and tallies; `agree` says whether all of them are as they must be."""
    found: Found = {"bits": {}, "left_out": []}
    # Those that are timed come first, as nothing is timed that has not been compared.
    jobs = [(name, mapping) for name in timed(runs) for mapping in source.MAPPINGS]
    jobs += [(name, source.MAPPING) for name in runs if name not in timed(runs)]
    for name, mapping in jobs:
        key = f"{name}, {mapping}"
        if clock.left() < 0.6 * clock.seconds:  # the rest is for what comes after
            found["left_out"].append(key)
            continue
        try:
            found["bits"][key] = compare(make(runs[name], mapping), runs[name], n_path)
        except EngineError as error:
            if mapping == source.MAPPING:
                raise
            found["left_out"].append(f"{key}: {error}")
            continue
        print(f"{key}: {'same bits' if agrees(found['bits'][key]) else 'BITS DIFFER'}", file=sys.stderr)
    first, scenario = next(iter(timed(runs).items()))
    engine = make(scenario, source.MAPPING)
    found["digests"] = {first: sorted(digests(engine, n_path))}
    found["tallies"] = {first: tallies_differ(engine, scenario, n_path)}
    same = [
        *map(agrees, found["bits"].values()),
        len(found["digests"][first]) == 1,
        not found["tallies"][first],
    ]
    return found | {"agree": all(same)}


def seconds(call: Callable[[], Any], repeats: int) -> list[float]:
    """What each of some calls takes."""
    spent = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begun)
    return spent


def speed(engine: Prepared, n_step: int, n_path: int, repeats: int = 5) -> Found:
    """Path-steps per second: of the kernel alone, with the rows brought to the host, and as a run counts."""
    (first,) = seconds(lambda: engine.run_paths(SEED, 0, min(n_path, 1024)), 1)
    block = Block(engine, min(n_path, engine.most_paths), engine.n_closing)

    def kernel() -> None:
        block.launch(SEED, 0, None, 0, block.size)
        engine.gpu.wait()

    (warm,) = seconds(kernel, 1)
    alone = statistics.median(seconds(kernel, max(1, min(repeats, int(LONGEST_S * 2 / warm)))))
    n_path = min(n_path, max(block.size, int(LONGEST_S / alone * block.size)))
    rows = statistics.median(seconds(lambda: engine.run_paths(SEED, 0, n_path), min(repeats, 3)))
    counting = engine.counting()
    counted = statistics.median(seconds(lambda: counting.run_paths(SEED, 0, n_path), min(repeats, 3)))
    (fetch,) = seconds(counting.histograms, 1)
    return {
        "first_call_seconds": first,
        "paths": n_path,
        "paths_of_a_block": block.size,
        "kernel_path_steps_per_second": block.size * n_step / alone,
        "path_steps_per_second": n_path * n_step / rows,
        "counted_path_steps_per_second": n_path * n_step / counted,
        "tally_to_host_seconds": fetch,
    }


def speeds(
    runs: dict[str, Scenario], compared: Container[str], n_path: int, make: Make, clock: Clock
) -> Found:
    """Of the timed configs, in both mappings, where bits were compared."""
    found: Found = {}
    for name, scenario in timed(runs).items():
        for mapping in source.MAPPINGS:
            key = f"{name}, {mapping}"
            if clock.left() < 0.2 * clock.seconds:
                found[key] = {"left_out": "no time left"}
                continue
            if key not in compared:
                found[key] = {"left_out": "its bits have not been compared"}
                continue
            try:
                found[key] = speed(make(scenario, mapping), scenario.shape.n_step, n_path)
            except EngineError as error:
                found[key] = {"left_out": str(error)}
    return found


def jax_speed(file: Path, n_path: int) -> Found:
    """Of the engine in JAX, on what JAX takes by itself: the GPU, where it has been built for one."""
    import jax

    from kernels.engines import Engine

    scenario = compile_config(load(file))
    engine = Engine("jax", scenario)
    (first,) = seconds(lambda: engine.run_paths(SEED, 0, n_path), 1)
    steady = statistics.median(seconds(lambda: engine.run_paths(SEED, 0, n_path), 3))
    return {
        "device": str(jax.devices()[0]),
        "jax": jax.__version__,
        "paths": n_path,
        "compile_and_first_call_seconds": first,
        "path_steps_per_second": n_path * scenario.shape.n_step / steady,
    }


def jax_speeds(files: list[Path], clock: Clock) -> Found:
    """Each config in a process of its own, which has the memory of the GPU to itself and may be stopped."""
    found: Found = {}
    for file in [f for f in files if f.stem in TIMED] or files[:1]:
        command = [sys.executable, __file__, "--jax", str(file)]
        environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=max(1.0, clock.left() - 5)
            )
            lines = (done.stdout or done.stderr).strip().splitlines()
            found[file.stem] = json.loads(lines[-1]) if done.returncode == 0 else {"left_out": lines[-1:]}
        except subprocess.TimeoutExpired:
            found[file.stem] = {"left_out": "no time left"}
    return found


def machine() -> Found:
    """What it ran on, when, and which state of the sources."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "gpu": gpu.describe(),
        "driver": said_by("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        "nvrtc": ".".join(map(str, nvrtc.version())),
        "device": device(),
        "version": package_version(),
        "commit": said_by("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "kernels_sha256": kernels_sha256(),
    }


def said_by(*command: str) -> str | None:
    """What a program prints; None where it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def report(
    files: list[Path], n_check: int, n_path: int, clock: Clock, make: Make, save: Callable[[Found], None]
) -> Found:
    """All that is found, saved after every part; speeds only where everything agrees."""
    found: Found = machine()
    runs = scenarios(files)
    found |= correctness(runs, n_check, make, clock)
    save(found)
    if found["agree"]:
        found["speed"] = speeds(runs, found["bits"], n_path, make, clock)
        save(found)
        found["jax"] = jax_speeds(files, clock)
        save(found)
    return found


def measure(given: argparse.Namespace) -> int:
    """Everything, in order; the exit code."""
    clock, files = Clock(given.seconds), given.configs or sorted(ROOT.glob("configs/*.yaml"))
    cold = compile_all(scenarios(files), gpu.Gpu().architecture)
    name = "".join(c if c.isalnum() else "-" for c in str(gpu.describe()).split(",")[0].lower())
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"gpu-{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"

    def save(found: Found) -> None:
        path.write_text(json.dumps(found | {"compile_seconds": cold}, indent=2) + "\n")

    found = report(
        files, given.check_paths, given.paths, clock, lambda s, mapping: Prepared(s, mapping=mapping), save
    )
    print(json.dumps({key: found.get(key) for key in ("agree", "speed", "jax")}, indent=2))
    print(path)
    return 0 if found["agree"] else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", type=Path, metavar="CONFIG")
    parser.add_argument("--seconds", type=float, default=540, help="all of it takes no longer, by much")
    parser.add_argument("--paths", type=int, default=1_000_000, help="paths that are timed, at most")
    parser.add_argument("--check-paths", type=int, default=2_000, help="paths compared, of each config")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    parser.add_argument("--jax", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.jax:
        print(json.dumps(jax_speed(given.jax, JAX_PATHS)))
        return 0
    if missing := engine_cuda.missing():
        print(f"nothing to measure: {missing}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="stress-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # nothing is found compiled
        return measure(given)


if __name__ == "__main__":
    sys.exit(main())

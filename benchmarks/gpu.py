"""The engine on a GPU: first that its bits are the processor's, then how fast it is.

    python benchmarks/gpu.py [--paths N] [--check-paths N] [CONFIG ...]

Every config in `configs/`, or those named, runs on both engines and must agree in every bit of every
row; twenty repeats of one run must have one digest. Only then is anything timed. Writes
benchmarks/results/gpu-<name>-<time>.json.
Exit code 1 where bits differ, 3 where there is no GPU.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from kernels import engine_cpu, engine_cuda
from kernels.batch import Batch
from kernels.cuda import gpu
from kernels.engine_cuda import Block, Prepared
from kernels.scenario import Scenario
from stress.compile import compile_config
from stress.config import load
from stress.errors import ConfigError
from stress.provenance import device, kernels_sha256, package_version

ROOT = Path(__file__).parents[1]
TIMED = ("oct-2025", "quiet-day")
SEED, REPEATS = 1, 20


def scenarios(files: list[Path]) -> dict[str, Scenario]:
    """The configs that are runs of their own; parts that others extend are not."""
    found = {}
    for file in files:
        try:
            found[file.stem] = compile_config(load(file))
        except ConfigError:
            print(f"{file.stem}: no run of its own, left out", file=sys.stderr)
    return found


def digest(batch: Batch) -> str:
    """Of every row and status."""
    return hashlib.sha256(batch.rows.tobytes() + batch.status.tobytes()).hexdigest()


def compare(engine: Prepared, scenario: Scenario, n_path: int) -> dict[str, Any]:
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


def agrees(found: dict[str, Any]) -> bool:
    """Whether a comparison found no difference."""
    return not (found["rows_that_differ"] or found["statuses_that_differ"] or found["counters_that_differ"])


def digests(engine: Prepared, n_path: int) -> set[str]:
    """Digests of the same run again and again."""
    return {digest(engine.run_paths(SEED, 0, n_path)) for _ in range(REPEATS)}


def speed(engine: Prepared, n_step: int, n_path: int, repeats: int = 5) -> dict[str, float]:
    """Path-steps per second: of the kernel alone, and with the rows brought to the host."""
    block = Block(engine, min(n_path, engine.most_paths), engine.n_closing)
    kernel, wall = [], []
    for _ in range(repeats + 1):  # the first one warms up
        begun = time.perf_counter()
        block.launch(SEED, 0, None, 0, block.size)
        engine.gpu.wait()
        kernel.append(time.perf_counter() - begun)
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        engine.run_paths(SEED, 0, n_path)
        wall.append(time.perf_counter() - begun)
    return {
        "paths": n_path,
        "paths_of_a_block": block.size,
        "kernel_path_steps_per_second": block.size * n_step / statistics.median(kernel[1:]),
        "path_steps_per_second": n_path * n_step / statistics.median(wall[1:]),
    }


def report(files: list[Path], n_check: int, n_path: int) -> dict[str, Any]:
    """All that is measured; speeds only where everything agrees."""
    found: dict[str, Any] = {
        "gpu": gpu.describe(), "device": device(), "version": package_version(),
        "kernels_sha256": kernels_sha256(), "bits": {}, "speed": {},
    }  # fmt: skip
    runs = scenarios(files)
    for name, scenario in runs.items():
        found["bits"][name] = compare(engine_cuda.prepared(scenario), scenario, n_check)
        print(f"{name}: {'same bits' if agrees(found['bits'][name]) else 'BITS DIFFER'}", file=sys.stderr)
    timed = {name: runs[name] for name in TIMED if name in runs} or runs
    first = next(iter(timed))
    found["digests"] = {first: sorted(digests(engine_cuda.prepared(timed[first]), n_check))}
    found["agree"] = all(map(agrees, found["bits"].values())) and len(found["digests"][first]) == 1
    if found["agree"]:
        for name, scenario in timed.items():
            found["speed"][name] = speed(engine_cuda.prepared(scenario), scenario.shape.n_step, n_path)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", type=Path, metavar="CONFIG")
    parser.add_argument("--paths", type=int, default=1_000_000, help="paths that are timed")
    parser.add_argument(
        "--check-paths", type=int, default=2_000, help="paths that are compared, of each config"
    )
    given = parser.parse_args()
    if missing := engine_cuda.missing():
        print(f"nothing to measure: {missing}", file=sys.stderr)
        return 3
    found = report(given.configs or sorted(ROOT.glob("configs/*.yaml")), given.check_paths, given.paths)
    name = "".join(c if c.isalnum() else "-" for c in str(found["gpu"]).split(",")[0].lower())
    path = ROOT / "benchmarks/results" / f"gpu-{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found["speed"], indent=2))
    print(path)
    return 0 if found["agree"] else 1


if __name__ == "__main__":
    sys.exit(main())

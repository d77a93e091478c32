"""Compare the engines, and print what is wrong.

    PYTHONPATH=. python tools/compare_engines.py 0 500 --paths 20

runs mixtures 0 to 499 of tests/parity/mixtures.py over the small config, at about a second each. A path
counts where the engines differ and the reference, with other seventh digits, does not.

    PYTHONPATH=. python tools/compare_engines.py 0 100 --engine jax

runs the engine in JAX over the first hundred of tests/parity/variants.py, at some fifteen seconds each,
against the reference in double precision. It prints every variant's largest difference, as a share of gross
quantities, and those that are too far apart.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from kernels.outcome import COUNTERS
from tests.parity.compare import gaps
from tests.parity.mixtures import findings
from tests.parity.variants import REAL, VARIANTS, compiled
from tests.scenarios import Outcome, simulate

SEED = 20251010
EXPLICIT = 1e-11


def mixtures(first, end, n_path) -> int:
    """Number of mixtures with findings."""
    bad = 0
    for number in range(first, end):
        found = findings(number, n_path)
        bad += bool(found)
        for text in found or []:
            print(f"{number}: {text}", flush=True)
    print(f"{end - first} mixtures, {bad} with findings")
    return bad


def variants(first, end, n_path) -> int:
    """Number of variants in which the engine in JAX is not the reference to rounding."""
    from kernels.engine_jax import Engine, unsupported

    bad = ran = 0
    for name in [*VARIANTS, *REAL][first:end]:
        scenario = compiled(name)
        if reason := unsupported(scenario):
            print(f"  refused  {name}: {reason.split('. ')[0]}", flush=True)
            continue
        begun = time.perf_counter()
        twin = Outcome(scenario, Engine(scenario).run_paths(SEED, 0, n_path))
        took = time.perf_counter() - begun
        reference = simulate("numpy", scenario, SEED, count=n_path)
        found = {field: values.max() for field, values in gaps(scenario, reference, twin).items()}
        apart = {field: f"{gap:.1e}" for field, gap in found.items() if not gap <= EXPLICIT}
        status = (reference.status != twin.status).sum()
        counts = [
            f"{counter} {a} {b}"
            for counter, a, b in zip(COUNTERS, reference.batch.counters, twin.batch.counters, strict=True)
            if a != b
        ]
        wrong = bool(apart) or bool(status)
        ran, bad = ran + 1, bad + wrong
        paths = sum(np.max(list(gaps(scenario, reference, twin).values()), axis=0) > EXPLICIT)
        print(f"{max(found.values()):9.1e}  {took:4.0f} s  {name}", "DIFFERS" * wrong, flush=True)
        if wrong or counts:
            print(f"           {paths} paths {apart} status of {status}; {counts}", flush=True)
    print(f"{ran} variants, {bad} with findings")
    return bad


def main() -> int:
    """Number of comparisons with findings, at most 1."""
    parser = argparse.ArgumentParser(description="Compare the engines.")
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("--paths", type=int, default=20)
    parser.add_argument("--engine", choices=("cpu", "jax"), default="cpu", help="against the reference")
    given = parser.parse_args()
    compare = mixtures if given.engine == "cpu" else variants
    return min(compare(given.first, given.end, given.paths), 1)


if __name__ == "__main__":
    sys.exit(main())

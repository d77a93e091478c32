"""Digests of everything that the fused engine puts out, by compiler, level and instruction set.

    PYTHONPATH=. python tools/digests.py [--paths N] [--compilers g++,clang] [--levels=-O0,-O3]

builds the engine and the tally in every way and runs all variants of tests/parity: rows, statuses, traces,
counters, histograms and moments have one digest. Then it builds once with contraction, which is to show
that a digest would tell. Exit code 1 where there are more digests than one, or where contraction has it too.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path

from tests.builds import builds
from tests.builds.builds import Run
from tests.parity.variants import VARIANTS, compiled

SEED = 11


def main() -> int:
    parser = argparse.ArgumentParser(description="Digests of the fused engine, by compiler and options.")
    parser.add_argument("--paths", type=int, default=2, help="of each variant")
    parser.add_argument("--compilers", default="g++,clang")
    parser.add_argument("--levels", default="-O0,-O1,-O2,-O3")
    given = parser.parse_args()
    runs = [Run(compiled(name), SEED, 0, given.paths) for name in VARIANTS]
    isas = builds.instruction_sets()
    print(f"{len(runs)} variants, {given.paths} paths each; instruction sets {', '.join(isas)}")
    with tempfile.TemporaryDirectory() as folder:
        file = builds.write(Path(folder) / "runs", runs)
        found = {hashlib.sha256(builds.expected(runs)).hexdigest()}
        print(f"{found} installed engine")

        def digest(name: str, command: list[str], isa: str, *options: str) -> str:
            begun = time.perf_counter()
            program = builds.build(Path(folder), command, *options, isa=isa)
            found = hashlib.sha256(builds.output(program, file)).hexdigest()
            print(found, name, isa, *options, f"({time.perf_counter() - begun:.0f} s)", flush=True)
            return found

        for name in given.compilers.split(","):
            if (command := builds.compiler(name)) is None:
                print(f"{name} is not installed")
                return 1
            found |= {digest(name, command, i, level) for level in given.levels.split(",") for i in isas}
        contracted = digest(name, command, isas[-1], "-O2", "-ffp-contract=fast")
    print(f"{len(found)} digest(s)" + ("; contraction has the same" if contracted in found else ""))
    return int(len(found) > 1 or contracted in found)


if __name__ == "__main__":
    sys.exit(main())

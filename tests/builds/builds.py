"""The fused engine built by any compiler with any options, and what it makes of some runs."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernels import engine_cpu, packed
from kernels.outcome import COUNTERS, Layout
from kernels.packing import pack
from kernels.parts import trace
from kernels.scenario import Scenario
from stress.tally import Tally

FOLDER = Path(__file__).parent
FLAGS = (
    "-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
    "-Wall", "-Wextra", "-Werror", "-Wno-psabi",
)  # fmt: skip
"""Those of CMakeLists.txt that decide bits, and warnings as errors."""

LIMIT_S = 600


@dataclass(frozen=True)
class Run:
    """Some paths of a scenario."""

    scenario: Scenario
    seed: int
    first: int
    count: int
    gate: bool = True

    @property
    def n_trace(self) -> int:
        """Numbers of a path's trace."""
        return self.scenario.shape.n_step * trace.Layout(self.scenario.shape).n_cell


def compiler(name: str) -> list[str] | None:
    """The command of "g++" or "clang", None where it is not installed."""
    if name == "clang" and (spec := importlib.util.find_spec("ziglang")) and spec.origin:
        # A wheel with clang in it. Its own front end would turn every -O1 to -O3 into one level.
        resources = Path(spec.origin).parent / "lib"
        machine = f"--target={platform.machine()}-linux-gnu"
        driver = ["clang", "--driver-mode=g++", machine, "-resource-dir", str(resources)]
        return [sys.executable, "-m", "ziglang", *driver]
    found = shutil.which("clang++" if name == "clang" else name)
    return [found] if found else None


def march(isa: str) -> list[str]:
    """The option for an instruction set: "base", "v3" or "v4"."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    return ["-march=x86-64" if isa == "base" else f"-march=x86-64-{isa}"]


def build(
    folder: Path, command: list[str], *options: str, isa: str = "base", link: tuple[str, ...] = ()
) -> Path:
    """The program, its engine built by `command`, warnings as errors; g++ does the rest."""
    host, engine = compiler("g++"), folder / "engine.o"
    assert host is not None
    folder.mkdir(exist_ok=True)
    own = [*march(isa), f"-DISA={isa}", *options]
    run_tool(
        [*command, *FLAGS, *own, f"-I{packed.ROOT}", "-c", str(FOLDER / "engine.cpp"), "-o", str(engine)]
    )
    program = folder / "paths"
    run_tool(
        [*host, *FLAGS, *link, f"-I{packed.ROOT}", str(FOLDER / "paths.cpp"), str(engine), "-o", str(program)]
    )
    return program


def run_tool(command: list[str]) -> None:
    """Run a compiler; `RuntimeError` with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode:
        raise RuntimeError(done.stderr)


def instruction_sets() -> list[str]:
    """What `march` takes and this processor has, the humblest first."""
    from kernels import _fused

    return [name.removeprefix("x86-64-") for name in reversed(_fused.isas())]


def write(file: Path, runs: list[Run], shorter: str = "") -> Path:
    """The runs as the program reads them; an array `shorter` lacks its last number."""
    with file.open("wb") as out:
        for run in runs:
            arrays = pack(run.scenario, [name for _, name in packed.arrays()])
            struct = packed.struct(run.scenario, arrays, run.gate)
            header = np.array([run.seed, run.first, run.count, run.n_trace], np.uint64)
            out.write(header.tobytes() + bytes(struct))
            for _, name in packed.arrays():
                content = arrays[name].tobytes()[: -4 if name == shorter else None]
                out.write(np.int64(len(content)).tobytes() + content)
            out.write(Layout(run.scenario.shape).exponent.tobytes())
    return file


def output(program: Path, file: Path, **environment: str) -> bytes:
    """What a program makes of a file of runs."""
    done = subprocess.run(
        [str(program), str(file)], capture_output=True, timeout=LIMIT_S, env=os.environ | environment
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return done.stdout


def expected(runs: list[Run]) -> bytes:
    """The same from the installed engine and its tally."""
    parts = []
    for run in runs:
        engine = engine_cpu.Prepared(run.scenario, run.gate)
        batch, cells = engine.trace_paths(run.seed, run.first, run.count, 1)
        tally = Tally(run.scenario.shape)
        bad = tally._add_rows(batch.rows, 1)
        integers = (tally.counts, tally.remainders, tally.sums, tally.squares)
        parts += [batch.rows, batch.status, batch.counters, cells]
        parts.append(np.array([bad, *map(digest, integers)], np.uint64))
    return b"".join(part.tobytes() for part in parts)


def digest(values: np.ndarray) -> int:
    """The sum of all values modulo 2^64, each times an odd number of its own; as in paths.cpp."""
    words = values.view(np.uint64).ravel()
    place = np.flatnonzero(words)
    return int((words[place] * (2 * place.astype(np.uint64) + np.uint64(1))).sum(dtype=np.uint64))


def difference(found: bytes, wanted: bytes, runs: list[Run]) -> str | None:
    """Where two outputs differ first, in words; None if they do not."""
    if found == wanted:
        return None
    if len(found) != len(wanted):
        return f"{len(found)} bytes instead of {len(wanted)}"
    at = int(np.flatnonzero(np.frombuffer(found, np.uint8) != np.frombuffer(wanted, np.uint8))[0])
    for number, run in enumerate(runs):
        n_cell = Layout(run.scenario.shape).n_cell
        sizes = {"rows": run.count * n_cell * 4, "status": run.count * 4, "counters": len(COUNTERS) * 8}
        sizes["traces"] = run.count * run.n_trace * 4
        for name, size in (sizes | {"tally": 40}).items():
            if at < size:
                return f"run {number}: {name} differ at byte {at}"
            at -= size
    return "beyond the last run"

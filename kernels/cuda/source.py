"""What the compiler gets: the sizes of one run as a header, in front of kernels/cuda/paths.cu."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kernels import packed
from kernels.mechanisms.feed.step_numpy import longest
from kernels.scenario import Scenario

ENTRY = Path(__file__).with_name("paths.cu")
KERNEL, TALLY_KERNEL = "run_paths", "tally_paths"


@dataclass(frozen=True)
class Mapping:
    """How paths lie on threads: threads of a block, as in paths.cu, and how many of them carry a path."""

    threads: int
    per_path: int
    define: str = ""


MAPPINGS = {"lanes": Mapping(128, 16), "thread": Mapping(64, 1, "THREAD_A_PATH")}
"""`lanes`: sixteen threads in lock step carry a path, a venue each; `thread`: one has all its lanes."""

MAPPING = "lanes"
"""The one that runs. Which of them is faster has not been measured: benchmarks/gpu.py times both, and what it
finds decides this line. Until then it is the one that needs a sixteenth of the memory."""

TALLY_THREADS = 256
"""Of a group; as in kernels/cuda/groups.h."""

NO_ROOM = 1 << 31
"""Status of a path whose lists were too short; as in carry_fused.h."""

OPTIONS = (
    "--std=c++17",
    "--device-as-default-execution-space",
    # The bits of every other build rest on these: no contraction, nothing flushed to zero, no short cuts.
    "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true",
    # Functions stay functions: all in one, it takes minutes to compile and more registers than there are.
    "--Ofast-compile=min",
    "--ptxas-options=-v",
)  # fmt: skip


def sizes(scenario: Scenario, n_closing: int) -> dict[str, int]:
    """The room that the engine keeps, no more than the run needs.

    n_closing: winners' positions closed in one path that are kept for their later prices
    """
    shape, parts = scenario.shape, scenario.parts
    split = parts.waterfall is not None and bool(np.any(parts.waterfall.split))
    return {
        "MAX_ASSET": shape.n_asset,
        "MAX_SLOT": 1 if parts.account is None else len(parts.account.channel),
        "MAX_SOURCE": 1 if parts.flow is None else len(parts.flow.channel),
        "MAX_EVENT": 1 if parts.event is None else len(parts.event.share),
        "MAX_PAST": max(1, longest(parts.feed) * shape.n_asset),
        "MAX_POT": shape.n_asset if split else 1,
        "MAX_STEP": shape.n_step,
        "MAX_CLOSING": n_closing,
    }


def header(scenario: Scenario, arrays: dict[str, np.ndarray], n_closing: int, mapping: str = MAPPING) -> str:
    """The header "run.h": counts are constants, and arrays of parts that are not there are null for good.

    arrays: as packed for the fused engine
    """
    minutes = float(np.float32(scenario.shape.dt_seconds / 60)).hex()
    define = MAPPINGS[mapping].define
    lines = [
        "#pragma once",
        *([f"#define {define}"] if define else []),
        '#include "kernels/integers.h"',
        "#define RUN_SIZES",
        "#define RUN_SCENARIO",
        *(f"constexpr int {name} = {value};" for name, value in sizes(scenario, n_closing).items()),
        "struct PackedScenario {",
        *(f"    static constexpr int {name} = {value};" for name, value in packed.counts(scenario).items()),
        f"    static constexpr float step_minutes = {minutes}f;",
        "    static constexpr bool gate = true;",
    ]
    for kind, name in packed.arrays():
        pointer = f"const {kind}* {name}"
        null = arrays[name].size == 0
        lines += [
            f"    static constexpr {pointer} = nullptr;" if null else f"    {pointer};",
            f"    static constexpr int {name}_rows = {arrays[name].shape[0]};",
        ]
    return "\n".join([*lines, "};", ""])


def present(arrays: dict[str, np.ndarray]) -> list[str]:
    """The arrays that a run has, in the order of the pointers in the header."""
    return [name for _, name in packed.arrays() if arrays[name].size]


@cache
def sources_digest() -> str:
    """Digest of all C++ that the entry may include."""
    digest = hashlib.sha256()
    for path in sorted([*packed.ROOT.glob("kernels/**/*.h"), ENTRY]):
        digest.update(f"{path.relative_to(packed.ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()

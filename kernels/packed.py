"""The packed scenario as C++ declares it: its arrays, by type and name, and the struct that holds them."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from pathlib import Path

import numpy as np

from kernels.outcome import Layout
from kernels.scenario import Scenario

ROOT = Path(__file__).parents[1]
"""What includes of the C++ sources start from."""

COUNTS = (
    "n_step", "n_asset", "n_venue", "n_tier", "n_group", "process", "window_steps", "n_mixing", "n_cell",
)  # fmt: skip

_ENTRY = re.compile(r"\bX\((\w+), (\w+)\)")
_LIST = re.compile(r"#define (\w+_ARRAYS)\(X\)((?:.*\\\n)*.*\n)")


@cache
def arrays() -> tuple[tuple[str, str], ...]:
    """Type and name of every array, in the order of `PACKED_ARRAYS` in kernels/fused.h."""
    files = [ROOT / "kernels/fused.h", *sorted(ROOT.glob("kernels/mechanisms/*/arrays_fused.h"))]
    lists = dict(_LIST.findall("".join(path.read_text() for path in files)))
    order = re.findall(r"\b(\w+_ARRAYS)\(X\)", lists["PACKED_ARRAYS"])
    return tuple(entry for name in order for entry in _ENTRY.findall(lists[name]))


def counts(scenario: Scenario) -> dict[str, int]:
    """The counts of the packed scenario, by the names of `COUNTS`."""
    shape = scenario.shape
    values = {name: getattr(shape, name) for name in COUNTS if hasattr(shape, name)}
    return values | {"n_mixing": scenario.arrays.mixing.shape[-1], "n_cell": Layout(shape).n_cell}


class Struct(ctypes.Structure):
    """`PackedScenario` of kernels/fused.h, for sources that are not built for the sizes of one run."""

    _fields_ = [
        *[(name, ctypes.c_int) for name in COUNTS],
        ("step_minutes", ctypes.c_float),
        ("gate", ctypes.c_bool),
        *[
            entry
            for _, name in arrays()
            for entry in ((name, ctypes.c_void_p), (name + "_rows", ctypes.c_int))
        ],
    ]


def struct(scenario: Scenario, packed: dict[str, np.ndarray], gate: bool = True) -> Struct:
    """The struct, pointing at the packed arrays: these must outlive it."""
    filled = Struct(step_minutes=scenario.shape.dt_seconds / 60, gate=gate, **counts(scenario))
    for _, name in arrays():
        array = packed[name]
        setattr(filled, name, array.ctypes.data if array.size else None)
        setattr(filled, name + "_rows", array.shape[0])
    return filled

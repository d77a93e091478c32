"""The fused engine on the processor: pack the scenario, hand path ranges to threads, collect rows."""

from __future__ import annotations

import os

import numpy as np

from kernels.batch import Batch
from kernels.outcome import COUNTERS, Layout
from kernels.packing import pack
from kernels.scenario import Scenario


def missing() -> str | None:
    """Why the fused engine is not there, in a sentence; None if it is."""
    try:
        from kernels import _fused  # noqa: F401
    except ImportError as error:
        return f"the compiled module kernels._fused cannot be imported ({error})"
    return None


def _module():
    from kernels import _fused

    return _fused


def prepared(scenario: Scenario) -> Prepared:
    """The engine for a scenario."""
    return Prepared(scenario)


class Prepared:
    """A packed scenario with the compiled engine bound to it."""

    def __init__(self, scenario: Scenario, gate: bool = True, isa: str = ""):
        shape = scenario.shape
        self.n_cell = Layout(shape).n_cell
        counts = {
            "n_step": shape.n_step, "n_asset": shape.n_asset, "n_venue": shape.n_venue,
            "n_tier": shape.n_tier, "n_group": shape.n_group, "process": shape.process,
            "window_steps": shape.window_steps, "n_mixing": scenario.arrays.mixing.shape[-1],
            "n_cell": self.n_cell,
        }  # fmt: skip
        packed = pack(scenario, _module().array_names())
        self.engine = _module().Engine(packed, counts, shape.dt_seconds / 60, gate, isa)

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Rows float32 [count, cell]; see `kernels.engines.run_paths`."""
        rows = np.empty((count, self.n_cell), np.float32)
        status = np.empty(count, np.uint32)
        counters = np.zeros(len(COUNTERS), np.int64)
        threads = n_thread or len(os.sched_getaffinity(0))
        self.engine.run(seed, first, rows, status, counters, threads)
        return Batch(rows, status, counters)

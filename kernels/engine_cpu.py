"""The fused engine on the processor: pack the scenario, hand path ranges to threads, collect rows."""

from __future__ import annotations

import os

import numpy as np

from kernels.batch import Batch
from kernels.outcome import COUNTERS, Layout
from kernels.packing import pack
from kernels.parts import trace
from kernels.scenario import Scenario

NO_TRACE = np.empty((0, 0, 0), np.float32)
"""Nothing is traced."""


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
        self.n_cell, self.n_step = Layout(shape).n_cell, shape.n_step
        self.n_trace = trace.Layout(shape).n_cell
        self.n_detail = trace.Layout(shape, (*trace.FIELDS, *trace.DETAIL)).n_cell
        self.shape = shape
        counts = {
            "n_step": shape.n_step, "n_asset": shape.n_asset, "n_venue": shape.n_venue,
            "n_tier": shape.n_tier, "n_group": shape.n_group, "process": shape.process,
            "window_steps": shape.window_steps, "n_mixing": scenario.arrays.mixing.shape[-1],
            "n_cell": self.n_cell, "n_trace": self.n_trace, "n_detail": self.n_detail,
        }  # fmt: skip
        packed = pack(scenario, _module().array_names())
        self.engine = _module().Engine(packed, counts, shape.dt_seconds / 60, gate, isa)

    def run_paths(
        self, seed: int, first: int, count: int, n_thread: int = 0, traced: np.ndarray = NO_TRACE
    ) -> Batch:
        """Rows float32 [count, cell]; see `kernels.engines.run_paths`."""
        rows = np.empty((count, self.n_cell), np.float32)
        status = np.empty(count, np.uint32)
        counters = np.zeros(len(COUNTERS), np.int64)
        threads = n_thread or len(os.sched_getaffinity(0))
        self.engine.run(seed, first, rows, status, counters, traced, threads)
        return Batch(rows, status, counters)

    def trace_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> tuple[Batch, np.ndarray]:
        """The same, and cells float32 [path, step, cell]; see `kernels.engines.Engine.trace_paths`."""
        cells = np.empty((count, self.n_step, self.n_trace), np.float32)
        return self.run_paths(seed, first, count, n_thread, cells), cells

    def replay(self, seed: int, path: int) -> tuple[Batch, np.ndarray, trace.Rounds]:
        """One path, cells float32 [step, cell] and rounds; see `kernels.engines.Engine.replay`.

        Counters are left out: no step is skipped, so they are others than the run's.
        """
        rows, status = np.empty((1, self.n_cell), np.float32), np.zeros(1, np.uint32)
        cells = np.empty((self.n_step, self.n_detail), np.float32)
        place, values = self.engine.replay(seed, path, rows[0], status, cells)
        places = np.frombuffer(place, np.int32).reshape(-1, 4)
        numbers = np.frombuffer(values, np.float32).reshape(len(places), 1 + 5 * self.shape.n_venue)
        batch = Batch(rows, status, np.zeros(len(COUNTERS), np.int64))
        return batch, cells, trace.rounds(places, numbers, self.shape)

"""The engines by name, and which of them this machine has."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from kernels import engine_cpu, engine_cuda
from kernels.batch import Batch
from kernels.batch import EngineError as EngineError
from kernels.parts import trace
from kernels.scenario import Scenario

NAMES = ("cuda", "cpu", "jax", "numpy")
"""Fastest first."""

ON_REQUEST = ("jax",)
"""Engines that `auto` passes by: JAX is there for its gradients, takes half a minute to compile a large
market, and is slower than the reference on one, where there is no accelerator (docs/differentiable.md)."""

_MODULES = {"cuda": engine_cuda, "cpu": engine_cpu}


def missing(name: str) -> str | None:
    """Why an engine is not there, in a sentence; None if it is."""
    if name == "jax":
        return None if find_spec("jax") else "JAX is not installed; it comes with the extra [jax]"
    return _MODULES[name].missing() if name in _MODULES else None


def choose(name: str) -> str:
    """The engine that `name` stands for: itself, or for `auto` the first one that is there."""
    if name != "auto":
        return name
    return next(c for c in NAMES if c not in ON_REQUEST and missing(c) is None)


class Engine:
    """One engine bound to one scenario.

    Path i's row depends on (scenario, seed, i) alone: never on the range it is asked for in,
    on threads or on what ran before.
    """

    def __init__(self, name: str, scenario: Scenario):
        self.name, self.scenario = choose(name), scenario
        if self.name == "jax":
            from kernels import engine_jax

            self._prepared = engine_jax.prepared(scenario)
        else:
            self._prepared = _MODULES[self.name].prepared(scenario) if self.name in _MODULES else None

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Simulate paths `first` to `first + count - 1`; `n_thread` 0 takes all cores."""
        if self._prepared is not None:
            return self._prepared.run_paths(seed, first, count, n_thread)
        from kernels import engine_numpy

        return engine_numpy.run_paths(self.scenario, seed, first, count)

    def trace_paths(
        self, seed: int, first: int, count: int, n_thread: int = 0
    ) -> tuple[Batch, dict[str, np.ndarray]]:
        """The same, and what the markets were after every step: fields of `kernels.parts.trace`, by name.

        returns: batch; {name: [path, step, *dims]}, float32 or float64 as the engine computes

        Engines on other devices have no traces; `cpu` retraces the paths of `cuda`, bit for bit.
        """
        layout = trace.Layout(self.scenario.shape)
        if self.name == "numpy":
            from kernels import engine_numpy

            batch, cells = engine_numpy.trace_paths(self.scenario, seed, first, count)
        elif isinstance(self._prepared, engine_cpu.Prepared):
            batch, cells = self._prepared.trace_paths(seed, first, count, n_thread)
        else:
            raise EngineError(f"the engine {self.name} keeps no traces of paths. Take cpu or numpy")
        return batch, layout.fields(cells)

    def replay(self, seed: int, path: int) -> trace.Replay:
        """One path told in full; its row is the one that it has in a run, bit for bit."""
        if self.name == "numpy":
            from kernels import engine_numpy

            batch, cells, rounds = engine_numpy.replay(self.scenario, seed, path)
        elif isinstance(self._prepared, engine_cpu.Prepared):
            batch, cells, rounds = self._prepared.replay(seed, path)
        else:
            raise EngineError(f"the engine {self.name} keeps no traces of paths. Take cpu or numpy")
        layout = trace.Layout(self.scenario.shape, (*trace.FIELDS, *trace.DETAIL))
        return trace.Replay(batch, layout.fields(cells), rounds)

    def counting(self):
        """Paths that the engine counts itself, beginning with none: `kernels.engine_cuda.Counting`. None
        where rows are counted on the host."""
        begin = getattr(self._prepared, "counting", None)
        return begin() if begin else None


def run_paths(name: str, scenario: Scenario, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
    """Rows, status and counters of a range of paths by the engine `name`; see `Engine`."""
    return Engine(name, scenario).run_paths(seed, first, count, n_thread)

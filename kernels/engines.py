"""The engines by name, and which of them this machine has."""

from __future__ import annotations

from kernels import engine_cpu, engine_cuda
from kernels.batch import Batch
from kernels.batch import EngineError as EngineError
from kernels.scenario import Scenario

NAMES = ("cuda", "cpu", "numpy")
"""Fastest first: what `auto` goes through."""

_MODULES = {"cuda": engine_cuda, "cpu": engine_cpu}


def missing(name: str) -> str | None:
    """Why an engine is not there, in a sentence; None if it is."""
    return _MODULES[name].missing() if name in _MODULES else None


def choose(name: str) -> str:
    """The engine that `name` stands for: itself, or for `auto` the first one that is there."""
    if name != "auto":
        return name
    return next(candidate for candidate in NAMES if missing(candidate) is None)


class Engine:
    """One engine bound to one scenario.

    Path i's row depends on (scenario, seed, i) alone: never on the range it is asked for in,
    on threads or on what ran before.
    """

    def __init__(self, name: str, scenario: Scenario):
        self.name, self.scenario = choose(name), scenario
        self._prepared = _MODULES[self.name].prepared(scenario) if self.name in _MODULES else None

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Simulate paths `first` to `first + count - 1`; `n_thread` 0 takes all cores."""
        if self._prepared is not None:
            return self._prepared.run_paths(seed, first, count, n_thread)
        from kernels import engine_numpy

        return engine_numpy.run_paths(self.scenario, seed, first, count)


def run_paths(name: str, scenario: Scenario, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
    """Rows, status and counters of a range of paths by the engine `name`; see `Engine`."""
    return Engine(name, scenario).run_paths(seed, first, count, n_thread)

"""Halts: markets that close by schedule, and circuit breakers on their prices. docs/methods/halt.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class Halt:
    """Scheduled closures as rows by step, and the levels of every market's breaker, nearest first."""

    row: np.ndarray = leaf("step", "1", "row of `closed` in force", np.int32)
    closed: np.ndarray = leaf("row asset venue", "1", "whether a market is closed", np.int32)
    fall: np.ndarray = leaf("level asset venue", "1", "log fall from the reference that halts; inf: none")
    rise: np.ndarray = leaf("level asset venue", "1", "log rise from the reference that halts; inf: none")
    steps: np.ndarray = leaf("level asset venue", "1", "steps that the halt lasts", np.int32)
    decay: np.ndarray = leaf("asset venue", "1", "factor on the reference per step; 1: it stays at the start")

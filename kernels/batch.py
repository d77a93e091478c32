"""What an engine hands back for a range of paths."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """Outcome rows [path, cell] (see `kernels.outcome`), status bits [path], work counters."""

    rows: np.ndarray
    status: np.ndarray
    counters: np.ndarray


class EngineError(RuntimeError):
    """The machine refused what an engine needs: memory, a device, a compiler."""

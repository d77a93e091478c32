"""Feeds: marks and indices that are wrong or late for a while. docs/methods/feed.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

MAX_PAST = 1024
"""Steps by which feeds may be behind, times assets."""


@dataclass(frozen=True)
class Feed:
    """What feeds say besides the truth, as few distinct rows with a row number by step."""

    row: np.ndarray = leaf("step", "1", "row in force", np.int32)
    wrong: np.ndarray = leaf("row", "1", "whether a row holds any error", np.int32)
    error: np.ndarray = leaf("row candidate asset venue", "1", "log error of the first, own and second price")
    stale: np.ndarray = leaf("row asset venue", "1", "whether a mark stands still", np.int32)
    lag: np.ndarray = leaf("row asset venue", "1", "steps by which a mark is behind", np.int32)

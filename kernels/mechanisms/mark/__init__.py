"""Mark prices: what a venue triggers on. docs/methods/mark.md.

A mark is a weighted mean of the log prices of all venues (own last price, index or a blend), or the
median of three: the index plus an average of the own basis, the own last price, and a second index.
Sources that are far from the others, halted or down can be left out of an index for a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class Marking:
    """Rules of marks beyond a weighted mean."""

    own: np.ndarray = leaf("asset venue", "1", "weight of the own last price in the first candidate")
    index: np.ndarray = leaf("asset source venue", "1", "sources' weights in a venue's index; sum to one")
    second: np.ndarray = leaf("asset source venue", "1", "the same in its second index")
    median: np.ndarray = leaf("asset venue", "1", "whether the mark is the median of three", np.int32)
    decay: np.ndarray = leaf("asset venue", "1", "factor on the average basis per step")
    tolerance: np.ndarray = leaf("asset venue", "1", "distance from the sources' median that is too far")
    drops: np.ndarray = leaf("asset venue", "1", "whether halted and down sources are left out", np.int32)

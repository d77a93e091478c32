"""What a tally says: numbers, each with its interval.

One module per kind of number, all of them pure functions of a `Distribution`, the histogram of one
cell of the outcome row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A number, or an array of them, and the ends of its interval at the confidence asked for."""

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def scaled(self, factor) -> Estimate:
        """The estimate times a positive number."""
        return Estimate(self.value * factor, self.lower * factor, self.upper * factor)


@lru_cache
def standard_score(confidence: float) -> float:
    """Half-width in standard errors of a two-sided normal interval."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def normal(value, error, confidence: float) -> Estimate:
    """Normal interval around a quantity that cannot be negative."""
    width = standard_score(confidence) * np.asarray(error)
    return Estimate(np.asarray(value), np.maximum(value - width, 0.0), value + width)


UNDEFINED = Estimate(np.asarray(np.nan), np.asarray(np.nan), np.asarray(np.nan))

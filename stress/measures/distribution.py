"""One cell of the outcome row over all paths: what its histogram still knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kernels.parts import histogram
from stress.tally import Tally, words_to_int


@dataclass(frozen=True)
class Distribution:
    """The bins of a cell that hold anything, smallest first; all arrays [bin].

    n               : paths
    count, total    : paths in the bin, and the exact sum of their values
    lower, upper    : ends of the bin
    below           : paths in bins before it
    integer_sum     : sum of values in units of `unit`, and of their squares in units of its square
    """

    n: int
    count: np.ndarray
    total: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    below: np.ndarray
    integer_sum: int
    integer_squares: int
    unit: float

    @property
    def mean_in_bin(self) -> np.ndarray:
        """Mean value in each bin [bin]."""
        return self.total / self.count

    def above(self, value: float) -> tuple[int, float, int]:
        """Paths above `value`, not negative: how many at least, about how many, and how many at most.

        The paths of a bin that holds it are out, in by the share of the bin that lies above it, and in;
        of the bin without an upper end half count as in.
        """
        positive = (self.lower == 0) & (self.upper > 0)
        sure = (self.lower > value) | (positive & (value == 0))
        straddling = (self.upper > value) & ~sure
        width = np.where(straddling, self.upper - self.lower, 1.0)
        share = np.where(np.isinf(width), 0.5, (np.where(straddling, self.upper, value) - value) / width)
        least = int(self.count[sure].sum())
        inside = self.count[straddling]
        return least, least + float((inside * share[straddling]).sum()), least + int(inside.sum())


_NONE = np.zeros(0)
NOTHING = Distribution(0, _NONE, _NONE, _NONE, _NONE, _NONE, 0, 0, 1.0)
"""The distribution over no paths, of which nothing can be said."""


def distribution(tally: Tally, cell: int, n: int | None = None) -> Distribution:
    """The distribution of a cell over all paths that did not fail, or over n of them; see `filled`."""
    places = np.nonzero(tally.counts[cell])[0]
    (total,), (squares,) = (words_to_int(words[[cell]]) for words in (tally.sums, tally.squares))
    return filled(
        int(tally.layout.exponent[cell]),
        places,
        tally.counts[cell, places],
        tally.remainders[cell, places],
        total,
        squares,
        n,
    )


def filled(
    exponent: int, places, count, remainder, integer_sum: int, squares: int, n: int | None = None
) -> Distribution:
    """The distribution of a cell with given filled bins.

    places, count, remainder: numbers of the bins, rising, their paths and remainders [bin]
    integer_sum, squares    : sum of the values and of their squares, in the cell's units
    n: paths to count, where others are known to be zero and not of interest: only zeros are left out
    """
    lower, upper, offset, unit = bin_edges(exponent)
    if n is not None:
        inside = places != histogram.ZERO
        places, count, remainder = places[inside], count[inside], remainder[inside]
        zeros = n - int(count.sum())
        if zeros > 0:
            places, count, remainder = (
                np.append(first, rest)
                for first, rest in ((histogram.ZERO, places), (zeros, count), (0, remainder))
            )
    return Distribution(
        int(count.sum()),
        count,
        count * offset[places] + remainder * unit[places],
        lower[places],
        upper[places],
        np.cumsum(count) - count,
        integer_sum,
        squares,
        float(np.ldexp(1.0, exponent - histogram.MOMENT_BITS)),
    )


@lru_cache
def bin_edges(exponent: int):
    """Lower and upper edges, offsets and units of the bins of a cell; see `kernels.parts.histogram`."""
    lower = histogram.lower_edges(exponent)
    return lower, histogram.upper_edges(exponent), histogram.offset(lower), histogram.unit(exponent)

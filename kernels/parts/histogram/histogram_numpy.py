"""Histograms and moments in NumPy: the specification."""

import numpy as np

from kernels.parts.histogram import (
    CAP_BITS,
    FIRST,
    MOMENT_BITS,
    N_OCTAVE,
    OVERFLOW,
    PER_OCTAVE,
    REMAINDER_BITS,
    UNDERFLOW,
    ZERO,
    overflow_unit,
)

HALF = 23  # moments are at most 2^46: squares are taken of two halves


def add(rows, exponent, counts, remainders, sums, squares) -> int:
    """Count rows float32 [path, cell] into counts, remainders int64 [cell, bin] and sums, squares
    uint64 [cell, word], in place.

    returns: how many values were negative or not finite; if there was one, the tally is spoiled.
    """
    n_bad = 0
    for cell in range(rows.shape[1]):
        values = np.abs(rows[:, cell][rows[:, cell] >= 0])
        values = values[np.isfinite(values)]
        n_bad += len(rows) - len(values)
        place, remainder = bins(values, int(exponent[cell]))
        np.add.at(counts[cell], place, 1)
        np.add.at(remainders[cell], place, remainder)
        add_moments(values, int(exponent[cell]), sums[cell], squares[cell])
    return n_bad


def bins(values, exponent: int):
    """Bin and remainder of each value: both int64 [path]. Values are float32, positive or zero."""
    bits = values.view(np.uint32).astype(np.int64)
    place = (bits >> REMAINDER_BITS) - (exponent + 127) * PER_OCTAVE + FIRST
    remainder = bits & (2**REMAINDER_BITS - 1)
    wide = values.astype(np.float64)
    low, high = place < FIRST, place >= OVERFLOW
    place[low], place[high], place[bits == 0] = UNDERFLOW, OVERFLOW, ZERO
    remainder[low] = np.ldexp(wide[low], REMAINDER_BITS - exponent).astype(np.int64)
    remainder[high] = np.minimum(wide[high] / overflow_unit(exponent), 2.0**CAP_BITS).astype(np.int64)
    return place, remainder


def add_moments(values, exponent: int, total, square) -> None:
    """Add values float32 [path] to the two-word integers `total` and `square`, in place."""
    scaled = np.ldexp(values.astype(np.float64), MOMENT_BITS - exponent)
    whole = np.rint(np.minimum(scaled, 2.0 ** (N_OCTAVE + MOMENT_BITS))).astype(np.int64)
    high, low = whole >> HALF, whole & (2**HALF - 1)
    for start in range(0, len(values), 4096):  # sums of 4,096 products of 46 bits fit a word
        part = slice(start, start + 4096)
        h, l = high[part], low[part]
        add_integer(total, int(whole[part].sum()))
        products = int((h * h).sum()), int((h * l).sum()), int((l * l).sum())
        add_integer(square, (products[0] << 2 * HALF) + (products[1] << HALF + 1) + products[2])


def add_integer(words, value: int) -> None:
    """Add to an integer of two words, low and high: uint64 [word], in place."""
    result = int(words[0]) + (int(words[1]) << 64) + value
    words[0], words[1] = result & (2**64 - 1), result >> 64

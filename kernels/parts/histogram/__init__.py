"""Log-spaced histograms of float32 values that add up exactly, in any order.

One histogram per cell of the outcome row. A bin is the top 16 bits of the float: the exponent and seven
bits of mantissa, so 128 equal steps to the octave and half a bin is at most 0.39% of the value.

    bits of a value   0 eeeeeeee mmmmmmm rrrrrrrrrrrrrrrr
                        `----- bin ----' `-- remainder -'

    bin 0             exactly zero
    bin 1             above zero, below 2^exponent
    bin 2 ...         128 to the octave, for 30 octaves from 2^exponent
    last bin          2^(exponent + 30) and above

Kept per bin: how many values, and the sum of their remainders. A value is its bin's lower edge plus its
remainder in units of the bin's last place, so count and remainder give the sum of the values in a bin with
no rounding at all. In bin 1 and the last one the remainder is the whole value, truncated to the units of
`unit` (and capped at 2^32 of them in the last, which is 7e16 for amounts in dollars).

Kept per cell: sum and sum of squares of the values in units of 2^(exponent - 16), rounded to the nearest,
as 128-bit integers in two words, low and high. Good for more than 10^8 paths.
"""

import numpy as np

N_OCTAVE = 30
PER_OCTAVE = 128
REMAINDER_BITS = 16
MOMENT_BITS = 16
"""Moments count in units of 2^(exponent - MOMENT_BITS)."""
CAP_BITS = 32
ZERO, UNDERFLOW, FIRST = 0, 1, 2
OVERFLOW = FIRST + N_OCTAVE * PER_OCTAVE
N_BIN = OVERFLOW + 1
RELATIVE_ERROR = 0.5 / PER_OCTAVE
"""Half a bin over its lower edge, at worst."""


def lower_edges(exponent: int) -> np.ndarray:
    """Smallest value of each bin of a cell, float64 [bin]; zero for the first two."""
    step = np.arange(N_OCTAVE * PER_OCTAVE + 1)
    edges = np.ldexp(1 + (step % PER_OCTAVE) / PER_OCTAVE, step // PER_OCTAVE + exponent)
    return np.concatenate([[0.0, 0.0], edges])


def upper_edges(exponent: int) -> np.ndarray:
    """Upper end of each bin of a cell, float64 [bin]; infinite for the last."""
    edges = lower_edges(exponent)
    return np.concatenate([[0.0], edges[FIRST:], [np.inf]])


def unit(exponent: int) -> np.ndarray:
    """What one unit of remainder is worth in each bin of a cell, float64 [bin]."""
    octave = np.arange(N_OCTAVE * PER_OCTAVE) // PER_OCTAVE + exponent
    place = np.ldexp(1.0, octave - 23)
    return np.concatenate([[0.0, np.ldexp(1.0, exponent - REMAINDER_BITS)], place, [overflow_unit(exponent)]])


def overflow_unit(exponent: int) -> float:
    return float(np.ldexp(1.0, exponent + N_OCTAVE - REMAINDER_BITS))


def offset(bins: np.ndarray) -> np.ndarray:
    """What a bin's count is multiplied by in its sum of values, in the place of the lower edge: [bin].

    The lower edge itself, but zero in the first and last bins, where remainders are whole values.
    """
    result = bins.copy()
    result[OVERFLOW] = 0.0
    return result

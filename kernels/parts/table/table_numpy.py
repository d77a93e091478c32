"""Looking up the distance table in NumPy: the specification."""

import numpy as np

from kernels.parts.table import HIGHEST, LOWEST, N_EDGE, PER_OCTAVE_BITS, edges

EDGES = edges()
SHIFT = 23 - PER_OCTAVE_BITS
OFFSET = ((127 + LOWEST) << PER_OCTAVE_BITS) - 1


def locate(distance):
    """Bin of a distance and the fraction of the bin that lies below it.

    distance: float64 [...], any value; it is cut to the table's range
    returns : int64 [...] in [0, N_EDGE - 2], float64 [...] in [0, 1]
    """
    # Not a number lies nowhere: the path that has one is told by its status.
    distance = np.nan_to_num(np.clip(distance, 0.0, 2.0**HIGHEST))
    bits = distance.astype(np.float32).view(np.int32)
    index = np.where(distance.astype(np.float32) < 2.0**LOWEST, 0, (bits >> SHIFT) - OFFSET)
    index = np.minimum(index, N_EDGE - 2)
    lower = EDGES[index]
    return index, (distance - lower) / (EDGES[index + 1] - lower)


def amount(lower, upper, fraction):
    """Cumulative amount inside a bin, from its values at the bin's edges."""
    return lower + fraction * (upper - lower)

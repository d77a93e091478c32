"""The distance axis: where a holder's trigger lies, as a distance in log price.

Edges are 0, then `PER_OCTAVE` equal steps in every octave from 2**LOWEST to 2**HIGHEST. A bin is
read off the bits of the float32 distance, so that every engine finds the same one without a
logarithm; within a bin holders are spread evenly over the distance.
"""

import numpy as np

LOWEST, HIGHEST = -9, 2
PER_OCTAVE_BITS = 2
PER_OCTAVE = 1 << PER_OCTAVE_BITS
N_EDGE = 2 + (HIGHEST - LOWEST) * PER_OCTAVE


def edges():
    """The edges of the distance table: float64 [edge], exact in float32."""
    octave = 2.0 ** np.repeat(np.arange(LOWEST, HIGHEST), PER_OCTAVE)
    fraction = np.tile(1 + np.arange(PER_OCTAVE) / PER_OCTAVE, HIGHEST - LOWEST)
    return np.concatenate([[0.0], octave * fraction, [2.0**HIGHEST]])

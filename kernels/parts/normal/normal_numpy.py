"""Words to tails and normals in NumPy: the specification."""

import numpy as np
from scipy.special import ndtri

HALF = np.uint32(0x80000000)


def tail(word):
    """Tail probability in (0, 1/2] of a word, and whether it is the upper tail."""
    word = np.asarray(word, np.uint32)
    upper = word >= HALF
    return (np.where(upper, ~word, word) + 0.5) * 2.0**-32, upper


def normal(word):
    """Standard normal of a word: float64, the shape of `word`."""
    probability, upper = tail(word)
    return np.where(upper, -1.0, 1.0) * ndtri(probability)

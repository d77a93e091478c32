"""Mark prices: the specification."""

import numpy as np

from kernels.mechanisms.book import PERCENT


def mark(fundamental, displacement, weight):
    """Log mark price of every venue, Eq. (1).

    fundamental : [...], log price that all books of the asset stand around
    displacement: [..., venue], percent
    weight      : [..., venue, venue], rows sum to one
    """
    return fundamental[..., None] + PERCENT * np.einsum("...vu,...u->...v", weight, displacement)

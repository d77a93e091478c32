"""Factors on what can be forced, once a path: the specification. Equations of docs/methods/leverage.md."""

import numpy as np

from kernels import sites
from kernels.parts.normal.normal_numpy import normal
from kernels.parts.philox.philox_numpy import words


def factor(part, seed, path):
    """Factor on the notional that can be forced, Eq. (1): [path, asset, side, venue]."""
    n_venue = len(part.own)
    own = normal(words(seed, path, 0, sites.LEVERAGE, n_venue))
    common = normal(words(seed, path, 0, sites.LEVERAGE_COMMON, 1))
    drawn = np.exp(part.own * own + part.common * common)
    return np.minimum(drawn[:, None, None], part.most)

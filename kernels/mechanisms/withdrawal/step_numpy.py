"""Depth in force and the volatility memory behind it: the specification."""

import numpy as np


def depth(arrays, memory, multiplier):
    """Depth of every book, Eq. (1): USD for 1%, float64 [path, asset, venue].

    memory    : [path, asset, venue], squared returns remembered, S**2
    multiplier: [asset, venue], overlay in force
    """
    calm = 1 + arrays.withdrawal * arrays.calm_memory
    share = np.minimum(calm / (1 + arrays.withdrawal * memory), 1.0)
    return arrays.depth * multiplier * np.maximum(share, arrays.depth_floor)


def remember(arrays, memory, returns):
    """Memory after a step's realised returns, Eq. (2)."""
    return memory * arrays.withdrawal_decay + returns**2

"""Arbitrage of one step: the specification. Equations of docs/methods/arbitrage.md."""

import numpy as np


def step(q, depth, alpha, share):
    """Consumption after arbitrage closed `share` of every gap between venues.

    q, depth, alpha: [..., venue]; a venue without a book has depth zero
    share          : [..., 1] in [0, 1]
    """
    volume = depth * q
    net = volume.sum(axis=-1, keepdims=True)
    size = np.abs(net)
    linear = (depth * alpha).sum(axis=-1, keepdims=True)
    square = (depth * (1 - alpha)).sum(axis=-1, keepdims=True)
    # Books with alpha > 1 make `square` negative: past their common vertex the root would not exist.
    root = np.sqrt(np.maximum(linear**2 + 4 * square * size, 0.0))
    common = 2 * size / np.maximum(linear + root, np.finfo(float).tiny)
    target = np.abs(depth * (alpha * common + (1 - alpha) * common**2))
    # Scaling keeps the sum exactly conserved there too; elsewhere it is one but for rounding.
    total = target.sum(axis=-1, keepdims=True)
    target = np.copysign(target * size / np.where(total > 0, total, 1.0), net)
    moved = volume + share * (target - volume)
    return np.where(depth > 0, moved / np.where(depth > 0, depth, 1.0), 0.0)

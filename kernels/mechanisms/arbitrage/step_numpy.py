"""Arbitrage of one step: the specification. Equations of docs/methods/arbitrage.md."""

import numpy as np

from kernels.mechanisms.book.step_numpy import consumption, displacement

N_BISECTION = 60


def step(q, depth, alpha, band, share):
    """Consumption after arbitrage closed `share` of every gap between venues.

    q, depth, alpha, band: [..., venue]; a venue without a book has depth zero
    share                : [..., 1] in [0, 1]
    """
    volume = depth * q
    net = volume.sum(axis=-1, keepdims=True)
    size = np.abs(net)
    common = common_root(depth, alpha, size)
    thinning = (alpha > 1).any(axis=-1, keepdims=True)
    if thinning.any():
        common = np.where(thinning, common_displacement(q, depth, alpha, band, size), common)
    target = depth * consumption(common, alpha, band)
    # What rounding has left open is shared out, so that volume is conserved.
    total = target.sum(axis=-1, keepdims=True)
    target = np.copysign(target * size / np.where(total > 0, total, 1.0), net)
    moved = volume + share * (target - volume)
    return np.where(depth > 0, moved / np.where(depth > 0, depth, 1.0), 0.0)


def common_root(depth, alpha, size):
    """Displacement at which all books together hold `size` dollars, Eq. (2); for shapes up to 1."""
    linear = (depth * alpha).sum(axis=-1, keepdims=True)
    square = (depth * (1 - alpha)).sum(axis=-1, keepdims=True)
    # Rows with shapes above 1, which take the other way, may have no root.
    root = np.sqrt(np.maximum(linear**2 + 4 * square * size, 0.0))
    return 2 * size / np.maximum(linear + root, np.finfo(float).tiny)


def common_displacement(q, depth, alpha, band, size):
    """The same for all shapes, by bisection between zero and the largest displacement."""
    largest = np.where(depth > 0, np.abs(displacement(q, alpha, band)), 0.0)
    high = largest.max(axis=-1, keepdims=True)
    low = np.zeros_like(high)
    for _ in range(N_BISECTION):
        middle = (low + high) / 2
        below = (depth * consumption(middle, alpha, band)).sum(axis=-1, keepdims=True) < size
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2

"""The layers of central clearing: the specification. Equations of docs/methods/clearing.md."""

import numpy as np

from kernels.mechanisms.clearing import LAYERS, PREFUNDED


def begin(part, n_path, n_venue):
    """What every layer holds at the start: USD [path, layer, venue]."""
    layer = np.zeros((0, n_venue)) if part is None else part.layer
    return np.broadcast_to(layer, (n_path, *layer.shape)).copy()


def pay(left, owed):
    """What one layer pays, and what is then left in it and owed, Eq. (2).

    left   : USD [path, venue]; owed: [path, pot, venue, tier]
    returns: paid, owed [path, pot, venue, tier]; left [path, venue]
    """
    total = owed.sum(axis=(1, 3))
    drawn = np.minimum(left, total)
    share = drawn / np.where(total > 0, total, 1.0)
    paid = share[:, None, :, None] * owed
    return paid, owed - paid, left - drawn


def clear(layers, owed):
    """Pay what the insurance fund did not, layer after layer; `layers` are drawn down.

    layers : USD [path, layer, venue]; owed: [path, pot, venue, tier]
    returns: what was paid, by component [path, venue, tier]; what is still owed [path, pot, venue, tier]
    """
    paid = {}
    for i in range(layers.shape[1]):
        amount, owed, layers[:, i] = pay(layers[:, i], owed)
        paid[LAYERS[i]] = paid.get(LAYERS[i], 0.0) + amount.sum(axis=1)
    return paid, owed


def prefunded(layers):
    """What is left of the layers that need not be called for: USD [path, venue]."""
    return layers[:, :PREFUNDED].sum(axis=1)

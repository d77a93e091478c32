"""The layers of central clearing in JAX: statements of step_numpy.py, for one path."""

import jax.numpy as jnp

from kernels.mechanisms.clearing import LAYERS, PREFUNDED


def pay(left, owed):
    """What one layer pays, and what is then left in it and owed, Eq. (2).

    left: USD [venue]; owed: [pot, venue, tier]
    """
    total = owed.sum(axis=(0, 2))
    drawn = jnp.minimum(left, total)
    share = drawn / jnp.where(total > 0, total, 1.0)
    paid = share[:, None] * owed
    return paid, owed - paid, left - drawn


def clear(layers, owed):
    """Pay what the insurance fund did not, layer after layer.

    layers : USD [layer, venue]; owed: [pot, venue, tier]
    returns: what was paid, by component [venue, tier]; what is still owed [pot, venue, tier]; layers
    """
    paid, left = {}, []
    for name, layer in zip(LAYERS, layers, strict=True):
        amount, owed, rest = pay(layer, owed)
        paid[name] = paid.get(name, 0.0) + amount.sum(axis=0)
        left.append(rest)
    return paid, owed, jnp.stack(left)


def prefunded(layers):
    """What is left of the layers that need not be called for: USD [venue]."""
    return layers[:PREFUNDED].sum(axis=0)

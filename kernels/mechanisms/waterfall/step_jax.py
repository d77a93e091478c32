"""Fees of a slice in JAX: statements of step_numpy.py."""

import jax.numpy as jnp


def fees(arrays, notional, left, price):
    """Fee and surplus out of the margin left in a slice, Eq. (1); all [asset, side, group, venue, bin]."""
    available = jnp.maximum(left, 0.0)
    rate = arrays.fee_rate[:, None] * price[:, None, None, :, None]
    fee = jnp.minimum(rate * notional, available)
    kept = jnp.where(arrays.group_partial, 0.0, arrays.surplus_share)
    return fee, kept[..., None] * (available - fee)

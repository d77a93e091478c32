"""Depth in force and the volatility memory behind it, in JAX: statements of step_numpy.py."""

import jax.numpy as jnp


def depth(arrays, memory, multiplier):
    """Depth of every book, Eq. (1): USD for 1% [asset, venue]."""
    calm = 1 + arrays.withdrawal * arrays.calm_memory
    share = jnp.minimum(calm / (1 + arrays.withdrawal * memory), 1.0)
    return arrays.depth * multiplier * jnp.maximum(share, arrays.depth_floor)


def remember(arrays, memory, returns):
    """Memory after a step's realised returns, Eq. (2)."""
    return memory * arrays.withdrawal_decay + returns**2

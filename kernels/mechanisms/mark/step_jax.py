"""Mark prices that are weighted means, in JAX: Eq. (1) of step_numpy.py."""

import jax.numpy as jnp

from kernels.mechanisms.book import PERCENT


def mark(fundamental, displacement, weight):
    """Log mark price of every venue, Eq. (1): [..., venue]."""
    return fundamental[..., None] + PERCENT * jnp.einsum("...vu,...u->...v", weight, displacement)

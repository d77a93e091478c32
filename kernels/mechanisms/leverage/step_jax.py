"""Factors on what can be forced in JAX: statements of step_numpy.py, for one path."""

import jax.numpy as jnp

from kernels import sites
from kernels.parts.normal.normal_jax import normal
from kernels.parts.philox.philox_jax import words


def factor(part, seed, path, dtype):
    """Factor on the notional that can be forced, Eq. (1): [asset, side, venue]."""
    own = normal(words(seed, path, 0, sites.LEVERAGE, len(part.own)), dtype)
    common = normal(words(seed, path, 0, sites.LEVERAGE_COMMON, 1), dtype)
    drawn = jnp.exp(part.own * own + part.common * common)
    return jnp.minimum(drawn[None, None], part.most)

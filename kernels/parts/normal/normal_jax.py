"""Words to tails and normals in JAX."""

import jax.numpy as jnp
from jax.scipy.special import ndtri

from kernels.parts.normal.normal_numpy import HALF


def tail(word, dtype):
    """Tail probability in (0, 1/2] of a word, and whether it is the upper tail."""
    upper = word >= jnp.uint32(HALF)
    return (jnp.where(upper, ~word, word).astype(dtype) + 0.5) * 2.0**-32, upper


def normal(word, dtype):
    """Standard normal of a word: the shape of `word`."""
    probability, upper = tail(word, dtype)
    return jnp.where(upper, -1.0, 1.0) * ndtri(probability)

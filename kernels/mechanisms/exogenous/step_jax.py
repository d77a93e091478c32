"""Exogenous returns of one step of one path, in JAX: statements of step_numpy.py.

Processes without a memory of their own: `gbm`, `student_t` and `jump_diffusion`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from kernels import sites
from kernels.mechanisms.exogenous.step_numpy import MIXING_BITS, MIXING_LOWEST, mixing_edges
from kernels.parts.normal.normal_jax import normal, tail
from kernels.parts.philox.philox_jax import words
from kernels.scenario import GBM, JUMP_DIFFUSION, STUDENT_T_PATH, STUDENT_T_STEP

PROCESSES = (GBM, STUDENT_T_PATH, STUDENT_T_STEP, JUMP_DIFFUSION)


def scale(shape, arrays, seed, path, step):
    """Scale of all returns of the step, Eq. (2); one unless `student_t`."""
    dtype = arrays.volatility.dtype
    if shape.process not in (STUDENT_T_PATH, STUDENT_T_STEP):
        return jnp.ones((), dtype)
    step = jnp.uint32(0) if shape.process == STUDENT_T_PATH else step
    probability, upper = tail(words(seed, path, step, sites.MIXING, 1)[0], dtype)
    edges = jnp.asarray(mixing_edges(), dtype)
    bits = jax.lax.bitcast_convert_type(probability.astype(jnp.float32), jnp.int32)
    index = (bits >> (23 - MIXING_BITS)) - ((127 + MIXING_LOWEST) << MIXING_BITS)
    index = jnp.minimum(index, len(edges) - 2)
    fraction = (probability - edges[index]) / (edges[index + 1] - edges[index])
    half = upper.astype(jnp.int32)
    lower = arrays.mixing[half, index]
    return lower + fraction * (arrays.mixing[half, index + 1] - lower)


def reached(word, thresholds):
    """How many thresholds a word reaches: [...] of word [...] and uint64 thresholds [..., jump]."""
    short = np.minimum(thresholds, 0xFFFFFFFF).astype(np.uint32)
    return ((word[..., None] >= short) & (thresholds <= 0xFFFFFFFF)).sum(axis=-1)


def jumps(shape, arrays, seed, path, step):
    """Log size of the jumps of one step, Eq. (3): [asset]."""
    n_asset, dtype = shape.n_asset, arrays.volatility.dtype

    def size(count, z, mean, deviation):
        count = count.astype(dtype)
        return count * mean + jnp.sqrt(count) * deviation * z

    common = words(seed, path, step, sites.COMMON_JUMP, 2)
    count = reached(common[:1], arrays.common_jump_count)
    total = size(count, normal(common[1:], dtype), arrays.common_jump_mean, arrays.common_jump_sd)
    count = reached(words(seed, path, step, sites.OWN_JUMP_COUNT, n_asset), arrays.own_jump_count)
    z = normal(words(seed, path, step, sites.OWN_JUMP_SIZE, n_asset), dtype)
    return total + size(count, z, arrays.own_jump_mean, arrays.own_jump_sd)


def step(shape, arrays, seed, path, step, volatility):
    """Log returns of one step, Eq. (1), and their standard deviation: [asset] both.

    seed, path: low and high word; volatility: multiplier in force [asset]
    """
    z = normal(words(seed, path, step, sites.NORMAL, shape.n_asset), arrays.volatility.dtype)
    deviation = scale(shape, arrays, seed, path, step) * (arrays.volatility * volatility)
    returns = arrays.drift + deviation * (arrays.cholesky @ z)
    if shape.process == JUMP_DIFFUSION:
        returns = returns + jumps(shape, arrays, seed, path, step)
    return returns, deviation

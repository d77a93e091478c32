"""Exogenous returns of one step of one path, in JAX: statements of step_numpy.py."""

import jax
import jax.numpy as jnp
import numpy as np

from kernels import sites
from kernels.mechanisms.exogenous.memory_jax import regime, resampled, volatility_factor
from kernels.mechanisms.exogenous.step_numpy import MIXING_BITS, MIXING_LOWEST, mixing_edges
from kernels.parts.normal.normal_jax import normal, tail
from kernels.parts.philox.philox_jax import words
from kernels.scenario import BOOTSTRAP, JUMP_DIFFUSION, STUDENT_T_PATH, STUDENT_T_STEP


def scale(shape, arrays, seed, path, step):
    """Scale of all returns of the step, Eq. (2); one unless `student_t`."""
    dtype = arrays.volatility.dtype
    if shape.process not in (STUDENT_T_PATH, STUDENT_T_STEP):
        return jnp.ones((), dtype)
    step = jnp.uint32(0) if shape.process == STUDENT_T_PATH else step
    return by_tail(arrays.mixing, words(seed, path, step, sites.MIXING, 1)[0])


def by_tail(table, word):
    """What a table over tail probabilities [half, mixing_edge] says to a word."""
    dtype = table.dtype
    probability, upper = tail(word, dtype)
    edges = jnp.asarray(mixing_edges(), dtype)
    bits = jax.lax.bitcast_convert_type(probability.astype(jnp.float32), jnp.int32)
    index = (bits >> (23 - MIXING_BITS)) - ((127 + MIXING_LOWEST) << MIXING_BITS)
    index = jnp.minimum(index, len(edges) - 2)
    fraction = (probability - edges[index]) / (edges[index + 1] - edges[index])
    half = upper.astype(jnp.int32)
    lower = table[half, index]
    return lower + fraction * (table[half, index + 1] - lower)


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


def correlations(part) -> dict:
    """Of every step: Cholesky factors by regime [regime, asset, asset]."""
    return {"cholesky": part.cholesky[part.row]}


def step(shape, arrays, parts, seed, path, now, volatility, memory):
    """Log returns of one step, Eq. (1), their standard deviation: [asset] both; the memory afterwards.

    seed, path: low and high word; now: of the step; volatility: multiplier in force [asset]
    """
    dtype, step = arrays.volatility.dtype, now["number"]
    if shape.process == BOOTSTRAP:
        factor, standard, memory = resampled(parts.bootstrap, memory, seed, path, step)
        deviation = factor * (arrays.volatility * volatility)
        return arrays.drift + deviation * standard, deviation, memory
    z = normal(words(seed, path, step, sites.NORMAL, shape.n_asset), dtype)
    factor, state, drift = scale(shape, arrays, seed, path, step), 0, arrays.drift
    if parts.stochastic_volatility is not None:
        factor, memory = volatility_factor(parts.stochastic_volatility, memory, seed, path, step, z)
    elif parts.regimes is not None:
        state, memory = regime(parts.regimes, memory, seed, path, step)
        factor, drift = parts.regimes.volatility[state], drift + parts.regimes.drift[state]
    deviation = factor * (arrays.volatility * volatility)
    cholesky = arrays.cholesky
    if parts.correlation is not None:
        levels = now["cholesky"]
        cholesky = levels[state if len(levels) > 1 else 0]
    returns = drift + deviation * (cholesky @ z)
    if shape.process == JUMP_DIFFUSION:
        returns = returns + jumps(shape, arrays, seed, path, step)
    return returns, deviation, memory

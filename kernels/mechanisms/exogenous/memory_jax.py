"""Processes that carry something from step to step, in JAX: statements of memory_numpy.py, for one path."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels import sites
from kernels.parts.normal.normal_jax import normal
from kernels.parts.philox.philox_jax import product, words


class Memory(NamedTuple):
    """What the process of a path remembers; None what its process does not."""

    log_volatility: jax.Array | None = None  # x of Eq. (5)
    regime: jax.Array | None = None  # of the last step
    row: jax.Array | None = None  # of history, of the last step
    variance: jax.Array | None = None  # a path's own over the stated one [asset]


def begin(parts, seed, path, dtype) -> Memory | None:
    """The memory before the first step; None of a process that has none."""
    none = jnp.zeros((), jnp.int32)
    if parts.stochastic_volatility is not None:
        part = parts.stochastic_volatility
        start = normal(words(seed, path, 0, sites.VOLATILITY_START, 1), dtype)
        return Memory(log_volatility=(part.start + part.start_sd * start)[0])
    if parts.regimes is not None:
        return Memory(regime=none)
    if parts.bootstrap is not None:
        return Memory(row=none, variance=parts.bootstrap.start**2)
    return None


def volatility_factor(part, memory, seed, path, step, z):
    """Multiplier of all volatilities in the step, Eq. (6); the memory afterwards, Eq. (5).

    z: the step's normals before they are correlated [asset]
    """
    x = memory.log_volatility
    own = normal(words(seed, path, step, sites.VOLATILITY, 1), z.dtype)
    innovation = part.leverage * (z * part.loading).sum() + part.remainder * own
    after = (part.decay * x + part.innovation * innovation)[0]
    return jnp.exp(x - part.centre), memory._replace(log_volatility=after)


def regime(part, memory, seed, path, step):
    """Regime of the step, Eq. (7), and the memory afterwards."""
    thresholds = np.concatenate([part.transition, part.start[None]])
    row = jnp.where(step == 0, len(part.transition), memory.regime)
    short = jnp.asarray(np.minimum(thresholds, 0xFFFFFFFF).astype(np.uint32))[row]
    within = jnp.asarray(thresholds <= 0xFFFFFFFF)[row]
    state = ((words(seed, path, step, sites.REGIME, 1) >= short) & within).sum(dtype=jnp.int32)
    return state, memory._replace(regime=state)


def resampled(part, memory, seed, path, step):
    """Scale of the volatility and standardised return, Eqs. (8) and (9): [asset]; the memory afterwards."""
    word = words(seed, path, step, sites.BLOCK, 2)
    n_row, block = len(part.returns), int(part.block[0])
    row = product(n_row, word[1])[0].astype(jnp.int32)
    begins = (step == 0) | (word[0] < jnp.uint32(min(block, 0xFFFFFFFF))) | (block > 0xFFFFFFFF)
    row = jnp.where(begins, row, (memory.row + 1) % n_row)
    scale, standard = jnp.sqrt(memory.variance), part.returns[row]
    variance = part.decay * memory.variance + (1 - part.decay) * (scale * standard) ** 2
    return scale, standard, memory._replace(row=row, variance=variance)

"""Looking up the distance table in JAX: straight, and so differentiable, within a bin."""

import jax
import jax.numpy as jnp

from kernels.parts.table import HIGHEST, LOWEST, N_EDGE
from kernels.parts.table.table_numpy import EDGES, OFFSET, SHIFT


def edge(index, dtype):
    """Edge of a bin."""
    return jnp.asarray(EDGES, dtype)[index]


def locate(distance):
    """Bin of a distance and the fraction of the bin that lies below it; see `table_numpy.locate`."""
    distance = jnp.clip(distance, 0.0, 2.0**HIGHEST)
    # float64 has other bits: bins are read off a float32 in every engine.
    short = jax.lax.stop_gradient(distance).astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(short, jnp.int32)
    index = jnp.where(short < 2.0**LOWEST, 0, (bits >> SHIFT) - OFFSET)
    index = jnp.clip(index, 0, N_EDGE - 2)
    lower, upper = edge(index, distance.dtype), edge(index + 1, distance.dtype)
    return index, (distance - lower) / (upper - lower)


def amount(table, index, fraction):
    """Cumulative amount at a place in a bin. table: [..., edge]; index, fraction: [...]"""
    lower, upper = (jnp.take_along_axis(table, i[..., None], axis=-1)[..., 0] for i in (index, index + 1))
    return lower + fraction * (upper - lower)


def fill(reached, dtype):
    """Share of every bin that lies below a distance: [..., bin]."""
    low, high = jnp.asarray(EDGES[:-1], dtype), jnp.asarray(EDGES[1:], dtype)
    return jnp.clip((reached[..., None] - low) / (high - low), 0.0, 1.0)

"""Arbitrage of one step in JAX: statements of step_numpy.py."""

import jax
import jax.numpy as jnp

from kernels.mechanisms.arbitrage.step_numpy import N_BISECTION
from kernels.mechanisms.book.step_jax import consumption, displacement, root, sign


def step(q, depth, alpha, band, share, thinning):
    """Consumption after arbitrage closed `share` of every gap between venues.

    q, depth, alpha, band: [asset, venue]; share: [asset, 1]
    thinning             : assets with a shape above 1, bool [asset, 1], known before anything is traced
    """
    volume = depth * q
    net = volume.sum(axis=-1, keepdims=True)
    size = sign(net) * net
    common = common_root(depth, alpha, size)
    if thinning.any():
        common = jnp.where(thinning, common_displacement(q, depth, alpha, band, size), common)
    target = depth * consumption(common, alpha, band)
    total = target.sum(axis=-1, keepdims=True)
    target = sign(net) * target * size / jnp.where(total > 0, total, 1.0)
    moved = volume + share * (target - volume)
    return jnp.where(depth > 0, moved / jnp.where(depth > 0, depth, 1.0), 0.0)


def common_root(depth, alpha, size):
    """Displacement at which all books together hold `size` dollars, Eq. (2); for shapes up to 1."""
    linear = (depth * alpha).sum(axis=-1, keepdims=True)
    square = (depth * (1 - alpha)).sum(axis=-1, keepdims=True)
    both = linear + root(linear**2 + 4 * square * size)
    return jnp.where(both > 0, 2 * size / jnp.where(both > 0, both, 1.0), 0.0)


def common_displacement(q, depth, alpha, band, size):
    """The same for all shapes, by bisection; its slope is that of the root that was found."""
    held = jax.lax.stop_gradient((q, depth, alpha, band, size))
    q_held, depth_held, alpha_held, band_held, size_held = held
    largest = jnp.where(depth_held > 0, jnp.abs(displacement(q_held, alpha_held, band_held)), 0.0)
    high = largest.max(axis=-1, keepdims=True)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        amount = (depth_held * consumption(middle, alpha_held, band_held)).sum(axis=-1, keepdims=True)
        below = amount < size_held
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = jax.lax.fori_loop(0, N_BISECTION, halve, (jnp.zeros_like(high), high))
    common = (low + high) / 2
    miss = size - (depth * consumption(common, alpha, band)).sum(axis=-1, keepdims=True)
    edge = jnp.where(jnp.isfinite(band_held), band_held, 0.0)
    inside = jnp.where(jnp.isfinite(band_held), jnp.minimum(common, edge), common)
    slope = (depth_held * (alpha_held + 2 * (1 - alpha_held) * inside)).sum(axis=-1, keepdims=True)
    # Nothing is added but a slope: the theorem of implicit functions.
    return common + jnp.where(
        slope > 0, (miss - jax.lax.stop_gradient(miss)) / jnp.where(slope > 0, slope, 1.0), 0.0
    )

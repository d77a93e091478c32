"""Displacement, refill and fills of an order book in JAX: statements of step_numpy.py.

A sign times a size, where the reference copies a sign: a book at rest has a slope as well. Infinities
are replaced before anything is multiplied with them, as gradients would be no numbers.
"""

import jax.numpy as jnp

from kernels.mechanisms.book import SNAP


def sign(x):
    """1, and -1 below zero."""
    return jnp.where(x < 0, -1.0, 1.0).astype(x.dtype)


def root(x):
    """Square root, flat where there is none."""
    some = x > 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, x, 1.0)), 0.0)


def band_or_zero(band):
    """The band where there is one; books without one never reach their tangent."""
    return jnp.where(jnp.isfinite(band), band, 0.0)


def consumption(displacement, alpha, band):
    """Normalised consumption that displaces a price by `displacement` percent, Eq. (1)."""
    size = sign(displacement) * displacement
    inside = jnp.minimum(size, band)
    beyond = size - inside
    amount = alpha * inside + (1 - alpha) * inside**2
    amount = amount + beyond * (alpha + 2 * (1 - alpha) * band_or_zero(band))
    return sign(displacement) * amount


def displacement(q, alpha, band):
    """Displacement in percent at normalised consumption `q`, Eq. (2)."""
    size = sign(q) * q
    edge = band_or_zero(band)
    at_band = jnp.where(jnp.isfinite(band), alpha * edge + (1 - alpha) * edge**2, jnp.inf)
    inside = jnp.minimum(size, at_band)
    beyond = (size - inside) / (alpha + 2 * (1 - alpha) * edge)
    return sign(q) * (2 * inside / (alpha + root(alpha**2 + 4 * (1 - alpha) * inside)) + beyond)


def refill(q, factor, alpha):
    """Consumption after a step of refill; at rest once it displaces less than `SNAP` percent."""
    q = q * factor
    return jnp.where(jnp.abs(q) < alpha * SNAP, 0.0, q)


def room(q, depth, alpha, band, hard_end):
    """Dollars of sales and of purchases that a book can absorb, inf without an end: [asset, side, venue]."""
    limited = jnp.isfinite(hard_end)
    end = consumption(jnp.where(limited, hard_end, 0.0), alpha, band)
    left = (jnp.maximum(end + q, 0.0), jnp.maximum(end - q, 0.0))
    return jnp.stack([jnp.where(limited, x * depth, jnp.inf) for x in left], axis=-2)


def by_side(purchases):
    """Net purchases [asset, venue] as sales and purchases, neither negative: [asset, side, venue]."""
    return jnp.stack([jnp.maximum(-purchases, 0.0), jnp.maximum(purchases, 0.0)], axis=1)


def one_sided_mean(start, end, alpha, band):
    """Volume and volume-weighted displacement between two displacements of one sign, Eq. (4)."""
    low, high = jnp.minimum(start, end), jnp.maximum(start, end)
    a, b = jnp.minimum(low, band), jnp.minimum(high, band)
    inside = (b - a) * (alpha + (1 - alpha) * (a + b))
    mean = (alpha * (a + b) / 2 + (2 / 3) * (1 - alpha) * (a * a + a * b + b * b)) / (
        alpha + (1 - alpha) * (a + b)
    )
    edge = band_or_zero(band)
    c, d = jnp.maximum(low, edge), jnp.maximum(high, edge)
    beyond = jnp.where(high > band, (d - c) * (alpha + 2 * (1 - alpha) * edge), 0.0)
    total = inside + beyond
    weighted = (mean * inside + (c + d) / 2 * beyond) / jnp.where(total > 0, total, 1.0)
    return total, jnp.where(low > band, (c + d) / 2, jnp.where(beyond > 0, weighted, mean))


def mean_displacement(start, end, alpha, band):
    """Volume-weighted displacement of the stretch between two displacements, split at zero."""
    a, b = sign(start) * start, sign(end) * end
    _, same = one_sided_mean(a, b, alpha, band)
    none = jnp.zeros_like(a)
    first, before = one_sided_mean(a, none, alpha, band)
    second, after = one_sided_mean(b, none, alpha, band)
    crossing = sign(start) * before * first + sign(end) * after * second
    return jnp.where(
        start * end < 0,
        crossing / jnp.where(first + second > 0, first + second, 1.0),
        sign(start + end) * same,
    )

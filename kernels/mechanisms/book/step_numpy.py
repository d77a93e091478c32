"""Displacement, refill and fills of an order book: the specification.

Shapes broadcast; `alpha` and `band` carry the book's shape. Displacements are in percent.
"""

import numpy as np

from kernels.mechanisms.book import SNAP


def consumption(displacement, alpha, band):
    """Normalised consumption that displaces a price by `displacement` percent, Eq. (1)."""
    inside = np.minimum(np.abs(displacement), band)
    beyond = np.abs(displacement) - inside
    amount = alpha * inside + (1 - alpha) * inside**2
    amount = amount + beyond * (alpha + 2 * (1 - alpha) * band_or_zero(band))
    return np.copysign(amount, displacement)


def band_or_zero(band):
    """The band where there is one; books without one never reach their tangent."""
    return np.where(np.isfinite(band), band, 0.0)


def displacement(q, alpha, band):
    """Displacement in percent at normalised consumption `q`, Eq. (2).

    The root is taken as 2|q| over a sum: the textbook form cancels near alpha = 1.
    """
    size = np.abs(q)
    edge = band_or_zero(band)
    at_band = np.where(np.isfinite(band), alpha * edge + (1 - alpha) * edge**2, np.inf)
    inside = np.minimum(size, at_band)
    # Rounding can push the discriminant of a book with alpha > 1 to -1e-17 at its band.
    root = np.sqrt(np.maximum(alpha**2 + 4 * (1 - alpha) * inside, 0.0))
    beyond = (size - inside) / (alpha + 2 * (1 - alpha) * edge)
    return np.copysign(2 * inside / (alpha + root) + beyond, q)


def refill(q, factor, alpha):
    """Consumption after a step of refill; at rest once it displaces less than `SNAP` percent."""
    q = q * factor
    return np.where(np.abs(q) < alpha * SNAP, 0.0, q)


def room(q, alpha, band, hard_end):
    """Normalised amounts that a book can still absorb: (sells, buys), inf without a hard end."""
    limited = np.isfinite(hard_end)
    end = consumption(np.where(limited, hard_end, 0.0), alpha, band)
    end = np.where(limited, end, np.inf)
    return np.maximum(end + q, 0.0), np.maximum(end - q, 0.0)


def one_sided_mean(start, end, alpha, band):
    """Volume and volume-weighted displacement between two displacements of one sign, Eq. (4)."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    a, b = np.minimum(low, band), np.minimum(high, band)
    inside = (b - a) * (alpha + (1 - alpha) * (a + b))
    mean = (alpha * (a + b) / 2 + (2 / 3) * (1 - alpha) * (a * a + a * b + b * b)) / (
        alpha + (1 - alpha) * (a + b)
    )
    edge = band_or_zero(band)
    c, d = np.maximum(low, edge), np.maximum(high, edge)
    beyond = np.where(high > band, (d - c) * (alpha + 2 * (1 - alpha) * edge), 0.0)
    total = inside + beyond
    weighted = (mean * inside + (c + d) / 2 * beyond) / np.where(total > 0, total, 1.0)
    # All of it past the band, also where it is no more than a point.
    return total, np.where(low > band, (c + d) / 2, np.where(beyond > 0, weighted, mean))


def mean_displacement(start, end, alpha, band):
    """Volume-weighted displacement of the stretch between two displacements, split at zero."""
    a, b = np.abs(start), np.abs(end)
    _, same = one_sided_mean(a, b, alpha, band)
    first, before = one_sided_mean(a, 0.0, alpha, band)
    second, after = one_sided_mean(b, 0.0, alpha, band)
    crossing = np.copysign(before * first, start) + np.copysign(after * second, end)
    return np.where(
        start * end < 0,
        crossing / np.where(first + second > 0, first + second, 1.0),
        np.copysign(same, start + end),
    )


def by_side(purchases, axis):
    """Net purchases as sales and purchases, neither negative, along a new axis."""
    return np.stack([np.maximum(-purchases, 0.0), np.maximum(purchases, 0.0)], axis=axis)

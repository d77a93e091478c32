"""Mark prices in JAX: statements of step_numpy.py, for one path [asset, ...] or one asset of it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels.mechanisms.book import PERCENT, SNAP
from kernels.mechanisms.mark import Marking


def mark(fundamental, displacement, weight):
    """Log mark price of every venue, Eq. (1): [..., venue]."""
    return fundamental[..., None] + PERCENT * jnp.einsum("...vu,...u->...v", weight, displacement)


class Blend(NamedTuple):
    """A weighted mean of log prices, of which some stand still: scale f + 1% weight . x + still."""

    weight: jax.Array  # of prices that move [..., venue, source]
    scale: jax.Array  # sum of these [..., venue]
    still: jax.Array  # the part of prices that do not move [..., venue]
    error: jax.Array  # what is added to it [..., venue]

    def price(self, fundamental, displacement):
        moving = jnp.einsum("...vu,...u->...v", self.weight, displacement)
        return self.scale * fundamental[..., None] + PERCENT * moving + self.still + self.error

    def less(self, other: Blend) -> Blend:
        """The difference of two."""
        return Blend(*(one - two for one, two in zip(self, other, strict=True)))


class Medians(NamedTuple):
    """Candidates of medians beside the first, and where the mark is one."""

    own: Blend
    second: Blend
    where: jax.Array  # bool [..., venue]

    def candidates(self, first, fundamental, displacement):
        return tuple(b.price(fundamental, displacement) for b in (first, self.own, self.second))


class Stands(NamedTuple):
    """Marks that are not those of the moment [..., venue]."""

    where: jax.Array  # bool
    price: jax.Array  # log


class Marks(NamedTuple):
    """Rules of marks, frozen for a step; None what no mark of the run needs."""

    weight: jax.Array  # of plain means [..., venue, source]
    first: Blend | None = None  # in the place of plain means
    medians: Medians | None = None
    frozen: Stands | None = None
    late: Stands | None = None  # marks of earlier steps

    def price(self, fundamental, displacement):
        """Log mark price of every venue, Eqs. (1) and (3)."""
        if self.first is None:
            return mark(fundamental, displacement, self.weight)
        if self.medians is None:
            price = self.first.price(fundamental, displacement)
        else:
            first, own, second = self.medians.candidates(self.first, fundamental, displacement)
            price = jnp.where(self.medians.where, middle(first, own, second), first)
        for stands in (self.late, self.frozen):
            price = price if stands is None else jnp.where(stands.where, stands.price, price)
        return price

    def reached(self, distance):
        """Distances [..., side, venue] to which marks trigger: a mark that stands still triggers nobody."""
        return distance if self.frozen is None else jnp.where(self.frozen.where[..., None, :], 0.0, distance)

    def order(self, fundamental, displacement):
        """In which order the candidates of every median stand, as a number [..., venue]; None: no medians."""
        if self.medians is None:
            return None
        first, own, second = self.first, self.medians.own, self.medians.second

        def above(one, other):
            # Of the difference: what is equal is so however a sum is rounded.
            return one.less(other).price(fundamental, displacement) > 0

        order = above(first, own) + 2 * above(first, second) + 4 * above(own, second)
        return jnp.where(self.medians.where, order, 0)


def middle(a, b, c):
    """The median of three.

    Chosen, not by minimum and maximum: their slopes ask which of the two is the result, and where candidates
    are equal but for rounding that can be neither.
    """
    rises = a < b
    low, high = jnp.where(rises, a, b), jnp.where(rises, b, a)
    inner = jnp.where(high < c, high, c)
    return jnp.where(low > inner, low, inner)


def freeze(arrays, part, basis, price, halted=None, out=None, error=None) -> Marks:
    """The rules of marks for one step, where they are more than plain means.

    part  : Marking, or None; basis: average basis, percent [asset, venue], or None
    price : log prices at round 0 [asset, venue], a halted market's last one
    halted: bool [asset, venue], markets whose price stands still, or None
    out   : bool [asset, venue], markets that an index may leave out, or None
    error : log errors of the feeds [candidate, asset, venue], or None
    """
    part = means(arrays) if part is None else part
    error = np.zeros((3, *price.shape)) if error is None else error
    one = np.eye(price.shape[-1])
    index = kept(part, part.index, price, out)
    first = part.own[:, None, :] * one + (1 - part.own)[:, None, :] * index
    if not (part.median > 0).any():
        return Marks(arrays.mark_weight, blend(first, price, halted, error[0]))
    where = part.median > 0
    medians = Medians(
        blend(jnp.broadcast_to(one, first.shape).astype(price.dtype), price, halted, error[1]),
        blend(kept(part, part.second, price, out), price, halted, error[2]),
        jnp.asarray(where),
    )
    around = error[0] + PERCENT * jnp.where(where, basis, 0.0)
    return Marks(arrays.mark_weight, blend(first, price, halted, around), medians)


def means(arrays) -> Marking:
    """The rules of weighted means that leave nothing out."""
    weight = arrays.mark_weight.swapaxes(1, 2)
    zero, none = np.zeros(arrays.listed.shape), np.zeros(arrays.listed.shape, np.int32)
    return Marking(
        own=zero, index=weight, second=weight, median=none, decay=zero, tolerance=zero + np.inf, drops=none
    )


def kept(part, weight, price, out):
    """Index weights once sources that are out or far from the others are left out, Eq. (5).

    weight: [asset, source, venue]; returns the same, which sum to one
    """
    used = weight > 0
    if out is not None:
        used = used & ~(out[..., None] & (part.drops[:, None, :] > 0))
    seen = jax.lax.stop_gradient(price)[..., None]
    count = used.sum(axis=1, keepdims=True)
    ordered = jnp.sort(jnp.where(used, seen, jnp.inf), axis=1)
    both = ((jnp.maximum(count, 1) - 1) // 2, count // 2)
    # Where nothing is left there is no median either.
    low, high = (jnp.take_along_axis(ordered, jnp.minimum(k, len(price[0]) - 1), axis=1) for k in both)
    centre = (jnp.where(count > 0, low, 0.0) + jnp.where(count > 0, high, 0.0)) / 2
    used = used & (jnp.abs(seen - centre) <= part.tolerance[:, None, :])
    left = jnp.where(used, weight, 0.0)
    total = left.sum(axis=1, keepdims=True)
    # Where all would be left out, none is.
    return jnp.where(total > 0, left / jnp.where(total > 0, total, 1.0), weight)


def blend(weight, price, halted, error) -> Blend:
    """A weighted mean in which halted markets keep their price. weight: [asset, source, venue]"""
    if halted is None:
        moving, still = weight, jnp.zeros_like(price)
    else:
        moving = jnp.where(halted[..., None], 0.0, weight)
        still = (jnp.where(halted[..., None], weight, 0.0) * price[..., None]).sum(axis=1)
    error = jnp.broadcast_to(error, price.shape).astype(price.dtype)
    return Blend(jnp.swapaxes(moving, 1, 2), moving.sum(axis=1), still, error)


def remember(part, basis, marks, fundamental, price):
    """Average basis after a step, Eq. (4): percent [asset, venue]. price: log, at its end"""
    displacement = (price - fundamental[..., None]) / PERCENT
    index = marks.first.price(fundamental, displacement) - marks.first.error
    now = part.decay * basis + (1 - part.decay) * (price - index) / PERCENT
    now = jnp.where(jnp.abs(now) < SNAP, 0.0, now)
    moves = part.median > 0
    moves = moves if marks.frozen is None else moves & ~marks.frozen.where
    return jnp.where(moves, now, basis)

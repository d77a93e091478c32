"""Mark prices: the specification. Equations of docs/methods/mark.md."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from kernels.mechanisms.book import PERCENT, SNAP
from kernels.mechanisms.mark import Marking


def mark(fundamental, displacement, weight):
    """Log mark price of every venue, Eq. (1).

    fundamental : [...], log price that all books of the asset stand around
    displacement: [..., venue], percent
    weight      : [..., venue, venue], rows sum to one
    """
    return fundamental[..., None] + PERCENT * np.einsum("...vu,...u->...v", weight, displacement)


@dataclass
class Blend:
    """A weighted mean of log prices, of which some stand still: scale f + 1% weight . x + still."""

    weight: np.ndarray  # of prices that move [..., venue, source]
    scale: np.ndarray  # sum of these [..., venue]
    still: np.ndarray  # the part of prices that do not move [..., venue]
    error: np.ndarray  # what is added to it [..., venue]

    def price(self, fundamental, displacement):
        moving = np.einsum("...vu,...u->...v", self.weight, displacement)
        return self.scale * fundamental[..., None] + PERCENT * moving + self.still + self.error


@dataclass
class Special:
    """What marks need beyond one weighted mean; every array [..., venue] and longer."""

    first: Blend
    own: Blend
    second: Blend
    median: np.ndarray  # bool: the median of the three, else the first
    frozen: np.ndarray  # bool: the mark stands at `held`
    held: np.ndarray
    late: np.ndarray  # bool: the mark is that of an earlier step, `shown`
    shown: np.ndarray

    def candidates(self, fundamental, displacement):
        return tuple(b.price(fundamental, displacement) for b in (self.first, self.own, self.second))


@dataclass
class Marks:
    """Rules of marks, frozen for a step: of all markets [path, asset, ...], or rows of them."""

    weight: np.ndarray  # [..., venue, source]
    special: Special | None = None

    def at(self, index) -> Marks:
        """The rows that `index` picks."""
        special = None if self.special is None else _rows(self.special, index)
        return Marks(self.weight[index], special)

    def price(self, fundamental, displacement):
        """Log mark price of every venue, Eqs. (1) and (3)."""
        if self.special is None:
            return mark(fundamental, displacement, self.weight)
        first, own, second = self.special.candidates(fundamental, displacement)
        price = np.where(self.special.median, middle(first, own, second), first)
        price = np.where(self.special.late, self.special.shown, price)
        return np.where(self.special.frozen, self.special.held, price)

    def on_time(self) -> Marks:
        """The same, no mark of an earlier step."""
        if self.special is None:
            return self
        return Marks(self.weight, replace(self.special, late=np.zeros_like(self.special.late)))

    def reached(self, distance):
        """Distances [..., side, venue] to which marks trigger: a mark that stands still triggers nobody."""
        if self.special is None:
            return distance
        return np.where(self.special.frozen[..., None, :], 0.0, distance)

    def order(self, fundamental, displacement):
        """In which order the candidates of every median stand, as a number [..., venue]."""
        if self.special is None:
            return np.zeros(np.shape(displacement), int)
        first, own, second = self.special.candidates(fundamental, displacement)
        order = (first > own) + 2 * (first > second) + 4 * (own > second)
        return np.where(self.special.median, order, 0)


def _rows(held, index):
    """A dataclass of arrays, with the rows that `index` picks."""
    values = (getattr(held, f.name) for f in fields(held))
    picked = (_rows(x, index) if isinstance(x, Blend) else x[index] for x in values)
    return type(held)(*picked)


def middle(a, b, c):
    """The median of three."""
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def freeze(arrays, part, basis, price, halted=None, out=None, error=None) -> Marks:
    """The rules of marks for one step.

    part  : Marking, or None
    basis : average basis, percent [path, asset, venue]
    price : log prices at round 0 [path, asset, venue], a halted market's last one
    halted: bool [path, asset, venue], markets whose price stands still
    out   : bool [path, asset, venue], markets that an index may leave out: halted, or venue down
    error : log errors of the feeds [candidate, asset, venue]
    """
    shape = price.shape
    if part is None:
        if halted is None and error is None:
            return Marks(np.broadcast_to(arrays.mark_weight, (*shape, shape[-1])))
        part = means(arrays)
    halted = np.zeros(shape, bool) if halted is None else halted
    error = np.zeros((3, *shape[1:])) if error is None else error
    own = part.own[:, None, :] * np.eye(shape[-1])
    first = own + (1 - part.own)[:, None, :] * kept(part, part.index, price, out)
    second = kept(part, part.second, price, out)
    median = np.broadcast_to(part.median > 0, shape)
    special = Special(
        first=blend(first, price, halted, error[0] + PERCENT * np.where(median, basis, 0.0)),
        own=blend(np.broadcast_to(np.eye(shape[-1]), first.shape), price, halted, error[1]),
        second=blend(second, price, halted, error[2]),
        median=median, frozen=np.zeros(shape, bool), held=np.zeros(shape),
        late=np.zeros(shape, bool), shown=np.zeros(shape),
    )  # fmt: skip
    return Marks(special.first.weight, special)


def means(arrays) -> Marking:
    """The rules of weighted means that leave nothing out."""
    weight = np.swapaxes(arrays.mark_weight, 1, 2)
    zero, none = np.zeros(arrays.listed.shape), np.zeros(arrays.listed.shape, np.int32)
    return Marking(
        own=zero, index=weight, second=weight, median=none, decay=zero, tolerance=zero + np.inf, drops=none
    )


def kept(part, weight, price, out):
    """Index weights once sources that are out or far from the others are left out, Eq. (5).

    weight: [asset, source, venue]; returns [path, asset, source, venue], which sum to one
    """
    used = np.broadcast_to(weight > 0, (len(price), *weight.shape))
    if out is not None:
        used = used & ~(out[..., None] & (part.drops[:, None, :] > 0))
    if np.isfinite(part.tolerance).any():
        count = used.sum(axis=2, keepdims=True)
        ordered = np.sort(np.where(used, price[..., None], np.inf), axis=2)
        both = ((np.maximum(count, 1) - 1) // 2, count // 2)
        low, high = (np.take_along_axis(ordered, k, axis=2) for k in both)
        centre = (np.where(count > 0, low, 0.0) + np.where(count > 0, high, 0.0)) / 2
        used = used & (np.abs(price[..., None] - centre) <= part.tolerance[:, None, :])
    left = np.where(used, weight, 0.0)
    total = left.sum(axis=2, keepdims=True)
    # Where all would be left out, none is.
    return np.where(total > 0, left / np.where(total > 0, total, 1.0), weight)


def blend(weight, price, halted, error) -> Blend:
    """A weighted mean in which halted markets keep their price. weight: [path, asset, source, venue]"""
    moving = np.where(halted[..., None], 0.0, weight)
    still = (np.where(halted[..., None], weight, 0.0) * price[..., None]).sum(axis=2)
    return Blend(np.swapaxes(moving, 2, 3), moving.sum(axis=2), still, np.broadcast_to(error, still.shape))


def remember(part, basis, marks, fundamental, price):
    """Average basis after a step, Eq. (4): percent [path, asset, venue]. price: log, at its end"""
    special = marks.special
    displacement = (price - fundamental[..., None]) / PERCENT
    index = special.first.price(fundamental, displacement) - special.first.error
    now = part.decay * basis + (1 - part.decay) * (price - index) / PERCENT
    now = np.where(np.abs(now) < SNAP, 0.0, now)
    return np.where(special.median & ~special.frozen, now, basis)

"""Frontiers and slices of forced positions in JAX: statements of step_numpy.py, for one path.

Everything about holders comes from the table `forced`: totals and margins are what the equations make
of it, so that a gradient by `forced` is the whole of it. A slice is settled in all bins at once, of which
all but a few are empty, where the reference goes from bin to bin.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.liquidation.step_numpy import BISECTIONS
from kernels.parts.table.table_jax import amount, fill, locate
from kernels.parts.table.table_numpy import EDGES

SIDE = np.array([LONG, 1 - LONG])[:, None, None]  # [side, group, venue]


class Tables(NamedTuple):
    """What no path changes."""

    held: jax.Array  # by bin and tier, USD [asset, side, group, venue, bin, tier]
    low: jax.Array  # margin per dollar of the holder at a bin's lower edge [asset, side, group, venue, bin]
    rise: jax.Array  # and what it rises to the upper one


def tables(arrays) -> Tables:
    """The tables that slices are cut from."""
    edges = jnp.asarray(EDGES, arrays.forced.dtype)
    rate, deduction = arrays.group_rate[..., None], arrays.group_deduction[..., None]
    margin = threshold_margin(edges, SIDE[..., None], rate, deduction)
    return Tables(jnp.diff(arrays.forced, axis=-2), margin[..., :-1], jnp.diff(margin, axis=-1))


def distance(mark, offset):
    """Distances reached by log marks [..., venue] and an offset [..., side, venue], Eq. (1)."""
    return jnp.stack([-mark, mark], axis=-2) + offset


def threshold_margin(distance, side, rate, deduction):
    """Start margin per dollar of the holder who triggers at `distance`, Eq. (2)."""
    long = 1 - deduction - (1 - rate) * jnp.exp(-distance)
    short = (1 + rate) * jnp.exp(distance) - 1 - deduction
    return jnp.where(side == LONG, long, short)


def bankrupt_distance(price, side, rate, deduction):
    """Distance up to which holders are bankrupt at a price, Eq. (3); price is relative to the start."""
    above = price > deduction
    long = jnp.log((1 - rate) / jnp.where(above, price - deduction, 1.0))
    short = jnp.log((price + deduction) / (1 + rate))
    return jnp.where(side == LONG, jnp.where(above, long, jnp.inf), short)


def consumed(price, side):
    """Loss per start dollar at a price, z_B of Eq. (4)."""
    return jnp.where(side == LONG, 1 - price, price - 1)


def forced_total(rows, reached):
    """Notional of whole markets with thresholds up to `reached`: USD [..., side, venue].

    rows   : cumulative notional [..., side, group, venue, edge]
    reached: [..., side, group, venue], or with one group where all have reached the same
    """
    index, fraction = locate(jnp.broadcast_to(reached, rows.shape[:-1]))
    return amount(rows, index, fraction).sum(axis=-2)


def executed_total(rows, whole, executed):
    """The same of executed frontiers that may differ by group; whole: sums of `rows` over groups."""
    same = (executed == executed[..., :1, :]).all(axis=-2)
    together = amount(whole, *locate(executed[..., 0, :]))
    return jnp.where(same, together, forced_total(rows, executed))


def along_bin(whole, reached, far):
    """The same up to `far` [..., side, venue], if it went on as within the bin of `reached`."""
    index, _ = locate(reached)
    edges = jnp.asarray(EDGES, reached.dtype)
    fraction = (far - edges[index]) / (edges[index + 1] - edges[index])
    return jnp.where(reached < EDGES[-1], amount(whole, index, fraction), whole[..., -1])


def bin_end(reached):
    """Where the bin of a distance ends; beyond the table nothing does."""
    edges = jnp.asarray(EDGES, reached.dtype)
    return jnp.where(reached < EDGES[-1], edges[locate(reached)[0] + 1], jnp.inf)


def advance(rows, executed, ends, target, late, whale=None):
    """Executed frontiers after `target` dollars of the backlog, first in first out, and how far it has come.

    rows          : cumulative notional [asset, side, group, venue, edge]
    executed, ends: [asset, side, group, venue], where the backlog begins and ends
    target        : USD at most the backlog [asset, side, venue]; late: where anybody has to wait, bool
    whale         : Whale and how far it has been executed, in the same line; None: there is none
    """
    ends = jnp.maximum(executed, ends)
    held, owed = jax.lax.stop_gradient(((rows, executed, ends, whale), target))

    def done(rows, executed, ends, whale, line):
        reached = jnp.clip(line[:, :, None], executed, ends)
        total = forced_total(rows, reached) - forced_total(rows, executed)
        if whale is None:
            return total
        single, gone = whale
        return total + single.lump(jnp.maximum(line, gone)) - single.lump(gone)

    def halve(state):
        number, low, high = state
        middle = (low + high) / 2
        below = done(*held, middle) <= owed
        return number + 1, jnp.where(below, middle, low), jnp.where(below, high, middle)

    def goes_on(state):
        return late.any() & (state[0] < BISECTIONS)

    start = jnp.zeros((), jnp.int32), jnp.zeros_like(target), held[2].max(axis=2)
    _, line, _ = jax.lax.while_loop(goes_on, halve, start)
    # Only a slope is added: the line moves so that what is done stays the target.
    _, slope = jax.jvp(partial(done, *held), (line,), (jnp.ones_like(line),))
    miss = target - done(rows, executed, ends, whale, line)
    moves = late & (slope > 0)
    line = line + jnp.where(moves, (miss - jax.lax.stop_gradient(miss)) / jnp.where(moves, slope, 1.0), 0.0)
    return jnp.where(late[:, :, None], jnp.clip(line[:, :, None], executed, ends), ends), line


def between(tables, start, end):
    """Start margin of the holders between two fills of the bins, per dollar that a bin holds."""
    return (end - start) * (tables.low + (start + end) / 2 * tables.rise)


def slice_losses(tables, arrays, start, end, price):
    """What the holders between two frontiers lose when they are closed at one price, Eq. (4).

    start, end: executed frontiers before and after [asset, side, group, venue]; price: [asset, venue]
    returns   : notional, margin lost, deficit, margin left, per dollar that a bin holds
                [asset, side, group, venue, bin]
    """
    market = price[:, None, None, :]
    bankrupt = bankrupt_distance(market, SIDE, arrays.group_rate, arrays.group_deduction)
    bankrupt = jnp.where(arrays.group_partial, start, jnp.clip(bankrupt, start, end))
    first, middle, last = (fill(x, price.dtype) for x in (start, bankrupt, end))
    loss = consumed(market, SIDE)[..., None]
    notional = last - first
    deficit = jnp.maximum(loss * (middle - first) - between(tables, first, middle), 0.0)
    lost = loss * notional - deficit
    return notional, lost, deficit, between(tables, first, last) - lost


def by_tier(tables, share):
    """Dollars by tier of shares of bins [asset, side, group, venue, bin]: [asset, side, venue, tier]."""
    return jnp.einsum("asgvk,asgvkt->asvt", share, tables.held)

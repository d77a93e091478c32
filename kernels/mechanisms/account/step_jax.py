"""Accounts of one step of one path in JAX: statements of step_numpy.py.

The table of holders is read as totals where no tiers are asked for, and in all its bins at once where it
is cut into slices.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.account import Account
from kernels.mechanisms.account.step_numpy import BISECTIONS, LARGEST, SMALLEST_WORTH
from kernels.parts.table.table_jax import amount, locate
from kernels.parts.table.table_numpy import EDGES


class Holders(NamedTuple):
    """Accounts, and what no path changes of them."""

    part: Account
    rows: jax.Array  # cumulative notional, USD [slot, venue, edge]
    held: jax.Array  # by bin and tier, USD [slot, venue, bin, tier]


def holders(part) -> Holders:
    """The tables that accounts are read from."""
    return Holders(part, part.forced.sum(axis=-1), jnp.diff(part.forced, axis=-2))


def in_force(holders, price, paid=None, raised=None) -> Holders:
    """Accounts with what they are held to in a step: what they owe by now, Eqs. (12) and (13).

    price : log, last traded; paid: funding, by a start dollar of longs [asset, venue]; None without
    raised: points on maintenance rates in force [asset, venue]; None without
    """
    part = holders.part
    if paid is not None:
        own = (part.legs * paid).sum(axis=1)
        inverse = (part.legs * (paid / jnp.exp(price))).sum(axis=1)
        owed = jnp.where(part.inverse > 0, inverse, own)
        part = replace(part, need_fixed=part.need_fixed + owed, loss_fixed=part.loss_fixed + owed)
    if raised is not None:
        asked = jnp.abs(part.legs) * raised
        face = jnp.where(part.inverse[:, None] > 0, asked, 0.0)
        part = replace(part, need=part.need + asked - face, need_fixed=part.need_fixed + face.sum(axis=1))
    return holders._replace(part=part)


def prices(part, marks, offset):
    """Prices that accounts are held to, the worse way for each, Eq. (1): [slot, asset, venue].

    marks: log [asset, venue]; offset: distance added on either side [asset, side, venue]
    """
    fall, rise = jnp.exp(marks - offset[:, 0]), jnp.exp(marks + offset[:, 1])
    return jnp.where(part.lean < 0, fall, rise)


def level(price, slope, fixed):
    """fixed + sum over assets of slope x price: [slot, venue]."""
    return fixed + (slope * price).sum(axis=1)


def ratio(above, below):
    """above / below where something is left below; else as far as tables go."""
    return jnp.where(below > SMALLEST_WORTH, above / jnp.maximum(below, SMALLEST_WORTH), LARGEST)


def reached(part, price):
    """Distance that margin stress has come since the start, Eq. (2): [slot, venue]."""
    stress = ratio(level(price, part.need, part.need_fixed), level(price, part.value, part.value_fixed))
    return jnp.clip(stress - part.start, 0.0, LARGEST)


def forced(rows, distance):
    """Notional of holders up to a distance [slot, venue]: USD [slot, venue]."""
    return amount(rows, *locate(distance))


def advance(rows, executed, frontier, target, late):
    """Executed distances once `target` dollars beyond `executed` have gone, first in first out.

    late: where that is asked for, bool [slot, venue]
    """
    start, end, held, owed = jax.lax.stop_gradient((executed, frontier, rows, target))

    def done(rows, executed, line):
        return forced(rows, line) - forced(rows, executed)

    def halve(state):
        number, low, high = state
        middle = (low + high) / 2
        below = done(held, start, middle) <= owed
        return number + 1, jnp.where(below, middle, low), jnp.where(below, high, middle)

    def goes_on(state):
        return late.any() & (state[0] < BISECTIONS)

    _, line, _ = jax.lax.while_loop(goes_on, halve, (jnp.zeros((), jnp.int32), start, end))
    # Only a slope is added: the line moves so that what is done stays the target.
    _, slope = jax.jvp(partial(done, held, start), (line,), (jnp.ones_like(line),))
    miss = target - done(rows, executed, line)
    moves = late & (slope > 0)
    return line + jnp.where(moves, (miss - jax.lax.stop_gradient(miss)) / jnp.where(moves, slope, 1.0), 0.0)


class Standing(NamedTuple):
    """How far accounts have come [slot, venue]."""

    frontier: jax.Array  # worst distance so far
    executed: jax.Array  # executed distance


def at_rest(part) -> Standing:
    """Accounts at the start."""
    return Standing(jnp.zeros_like(part.start), jnp.zeros_like(part.start))


class Sales(NamedTuple):
    """What accounts do in one step; see `step_numpy.Sales`."""

    frontier: jax.Array  # [slot, venue]
    base: jax.Array
    flow: jax.Array
    due: jax.Array
    acts: jax.Array
    exhausted: jax.Array  # bool []


def begin(holders, standing, price, acts) -> Sales:
    """The step's sales before any has been made. standing: after earlier steps; price: see `prices`"""
    base = forced(holders.rows, standing.executed)
    zero = jnp.zeros_like(base)
    frontier = jnp.maximum(standing.frontier, reached(holders.part, price))
    return Sales(frontier, base, zero, zero, acts, jnp.zeros((), bool))


def acts(part, marks, price):
    """Who sells in a step, Eq. (8): bool [slot, venue]. marks, price: logs [asset, venue]"""
    whole = jnp.abs(part.sold).sum(axis=(2, 3))
    own = jnp.einsum("svat,av->sv", part.sold, marks)
    discount = (own - jnp.einsum("svat,at->sv", part.sold, price)) / jnp.where(whole > 0, whole, 1.0)
    return discount < part.bonus


def wanted(holders, sales):
    """What accounts would sell in this step, and of it what they have not sold yet, Eq. (3)."""
    part = holders.part
    due = jnp.maximum(forced(holders.rows, sales.frontier) - sales.base, 0.0)
    most = jnp.where(sales.acts, jnp.minimum(part.response * due, part.throughput), 0.0)
    return due, jnp.maximum(most - sales.flow, 0.0)


def orders(part, notional):
    """Orders on every book when accounts sell `notional` [slot, venue]: [asset, side, venue]."""
    sides = (jnp.maximum(sign * part.sold, 0.0) for sign in (1, -1))
    return jnp.stack([jnp.einsum("sv,svat->at", notional, side) for side in sides], axis=1)


def sell(part, sales, fresh, limit, room, least):
    """Make new sales, Eq. (4); returns them, and the purchases that they are [asset, venue].

    fresh: notional [slot, venue]; limit, room: what books and engines, and what books still take,
    USD [asset, side, venue]; least: orders on no book above this are left [asset, venue]
    """
    sent = orders(part, fresh)
    exhausted, over = sales.exhausted | (sent > room).any(), sent > limit
    # Nobody sells more than every book on the way takes: the scarcest decides.
    share = jnp.where(over, jnp.where(over, limit, 0.0) / jnp.where(over, sent, 1.0), 1.0)
    share = share.transpose(1, 0, 2)[:, None, None]  # [side, 1, 1, asset, target]
    uses = jnp.stack([part.sold > 0, part.sold < 0])  # [side, slot, venue, asset, target]
    fresh = fresh * jnp.where(uses, share, 1.0).min(axis=(0, 3, 4))
    sent = orders(part, fresh)
    some = (sent.sum(axis=1) > least).any()
    fresh, sent = jnp.where(some, fresh, 0.0), jnp.where(some, sent, 0.0)
    return sales._replace(flow=sales.flow + fresh, exhausted=exhausted), sent[:, 1] - sent[:, 0]


def executed_after(holders, sales, executed):
    """Executed distances after the step: the frontier, or as far as the flow went."""
    late = sales.flow < sales.due
    line = advance(holders.rows, executed, sales.frontier, sales.flow, late)
    return jnp.where(late, line, sales.frontier)


def fills(part, fill, marks):
    """Price at which each account's legs were sold, marks where none was: [slot, asset, venue].

    fill: of every book, relative to the start [asset, venue]; marks: log [asset, venue]
    """
    size = jnp.abs(part.sold).transpose(0, 2, 1, 3)  # [slot, asset, venue, target]
    whole = size.sum(axis=-1)
    mean = jnp.einsum("savt,at->sav", size, fill) / jnp.where(whole > 0, whole, 1.0)
    return jnp.where(whole > 0, mean, jnp.exp(marks))


def legs(part, fill):
    """Dollars at the fill per dollar forced, by side: [slot, asset, side, venue]. fill: see `fills`"""
    sold, bought = (jnp.maximum(sign * part.sold, 0.0).sum(axis=-1).transpose(0, 2, 1) for sign in (1, -1))
    return jnp.stack([sold * fill, bought * fill], axis=2)


def slice_losses(holders, start, end, price):
    """What holders between two distances lose when their legs fill at prices, Eqs. (5) and (6).

    start, end: [slot, venue]; price: [slot, asset, venue]
    returns   : notional, lost, deficit, left: USD [slot, venue, tier]
    """
    part, edges = holders.part, jnp.asarray(EDGES, start.dtype)
    loss = level(price, part.loss, part.loss_fixed)
    worth = jnp.maximum(level(price, part.worth, part.worth_fixed), 0.0)
    broke = jnp.where(worth > 0, loss / jnp.where(worth > 0, worth, 1.0), jnp.inf) - part.start
    low, high = edges[:-1], edges[1:]
    a, z = jnp.clip(start[..., None], low, high), jnp.clip(end[..., None], low, high)
    x = jnp.clip(broke[..., None], a, z)
    loss, worth, begin = loss[..., None], worth[..., None], part.start[..., None]
    mean, whole = begin + (a + x) / 2, begin + (a + z) / 2
    size = part.size_fixed[..., None] + part.size[..., None] * whole
    size = jnp.where(z > a, size, 1.0)
    width, broken = (z - a) / (high - low), (x - a) / (high - low)
    face = width / size
    deficit = broken / size * jnp.maximum(loss - worth * mean, 0.0)
    by_bin = jnp.stack([width, face, deficit, face * worth * whole, face * (1 - worth) * whole])
    notional, face, deficit, margin, fall = jnp.einsum("nsvk,svkt->nsvt", by_bin, holders.held)
    spent = loss * face - deficit
    # Who repays a debt with collateral has lost what it fell by, Eq. (6b).
    lost = jnp.where(part.borrowed[..., None] > 0, fall - deficit, spent)
    return notional, lost, deficit, margin - spent

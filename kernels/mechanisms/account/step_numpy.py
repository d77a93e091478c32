"""Accounts of one step: the specification. Equations of docs/methods/account.md."""

from dataclasses import dataclass, replace

import numpy as np

from kernels.parts.table.table_numpy import EDGES, amount, locate

BISECTIONS = 60
LARGEST = EDGES[-1]
SMALLEST_WORTH = 1e-6
"""Worth, per starting dollar, below which collateral counts as gone."""


def in_force(scenario, state, step):
    """The scenario with what accounts are held to in a step: what they owe by now, Eqs. (12) and (13).

    Constants of need and loss are by path then, [path, slot, venue].
    """
    part, parts = scenario.parts.account, scenario.parts
    if part is None or (parts.funding is None and parts.margin_raise is None):
        return scenario
    if parts.funding is not None:
        own = np.einsum("sav,pav->psv", part.legs, state.paid)
        inverse = np.einsum("sav,pav->psv", part.legs, state.paid / np.exp(state.price))
        owed = np.where(part.inverse > 0, inverse, own)
        part = replace(part, need_fixed=part.need_fixed + owed, loss_fixed=part.loss_fixed + owed)
    if parts.margin_raise is not None:
        asked = np.abs(part.legs) * parts.margin_raise.rate[parts.margin_raise.row[step]]
        face = np.where(part.inverse[:, None] > 0, asked, 0.0)
        part = replace(part, need=part.need + asked - face, need_fixed=part.need_fixed + face.sum(axis=1))
    return replace(scenario, parts=parts.replace(account=part))


def prices(part, marks, offset):
    """Prices that accounts are held to, the worse way for each, Eq. (1): [path, slot, asset, venue].

    marks : log marks [path, asset, venue]
    offset: distance added on either side [path, asset, side, venue]
    """
    fall, rise = np.exp(marks - offset[:, :, 0]), np.exp(marks + offset[:, :, 1])
    return np.where(part.lean < 0, fall[:, None], rise[:, None])


def level(price, slope, fixed):
    """fixed + sum over assets of slope x price: [path, slot, venue]."""
    return fixed + (slope * price).sum(axis=2)


def ratio(above, below):
    """above / below where something is left below; else as far as tables go."""
    return np.where(below > SMALLEST_WORTH, above / np.maximum(below, SMALLEST_WORTH), LARGEST)


def reached(part, price):
    """Distance that margin stress has come since the start, Eq. (2): [path, slot, venue]."""
    stress = ratio(level(price, part.need, part.need_fixed), level(price, part.value, part.value_fixed))
    return np.clip(stress - part.start, 0.0, LARGEST)


def forced(part, distance):
    """Notional of holders up to a distance [..., slot, venue]: USD [..., slot, venue, tier]."""
    index, fraction = locate(distance)
    slot, venue = np.ogrid[: distance.shape[-2], : distance.shape[-1]]
    low, high = part.forced[slot, venue, index], part.forced[slot, venue, index + 1]
    return amount(low, high, fraction[..., None])


def advance(part, executed, frontier, target):
    """Executed distances once `target` dollars beyond `executed` have gone, first in first out."""
    base = forced(part, executed).sum(axis=-1)
    low, high = executed, frontier
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = forced(part, middle).sum(axis=-1) - base <= target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


@dataclass
class Sales:
    """What accounts do in one step of all paths."""

    frontier: np.ndarray  # worst distance so far [path, slot, venue]
    base: np.ndarray  # notional executed in earlier steps, USD [path, slot, venue]
    flow: np.ndarray  # executed in this step, USD [path, slot, venue]
    due: np.ndarray  # triggered and not executed before this step, USD [path, slot, venue]
    acts: np.ndarray  # whether it sells in this step at all, bool [path, slot, venue]
    extra: np.ndarray  # net purchases on every book, start dollars [path, asset, venue]
    exhausted: np.ndarray  # wanted to sell past the end of a book, bool [path]


def begin(part, state, price, acts):
    """The step's sales before any has been made."""
    frontier = np.maximum(state.account_frontier, reached(part, price))
    base = forced(part, state.account_executed).sum(axis=-1)
    zero, extra = np.zeros_like(base), np.zeros(state.price.shape)
    return Sales(frontier, base, zero, zero.copy(), acts, extra, np.zeros(len(base), bool))


def acts(part, marks, price):
    """Who sells in a step, Eq. (8): those whose bonus is more than their books are below their marks.

    marks, price: logs before the step's selling [path, asset, venue]; returns: bool [path, slot, venue]
    """
    whole = np.abs(part.sold).sum(axis=(2, 3))
    own = np.einsum("svat,pav->psv", part.sold, marks)
    discount = (own - np.einsum("svat,pat->psv", part.sold, price)) / np.where(whole > 0, whole, 1.0)
    return discount < part.bonus


def wanted(part, sales):
    """What accounts would sell in this step, and of it what they have not sold yet: USD [path, slot, venue].

    Equation (3): a share of what is due, no more than a step's throughput.
    """
    due = np.maximum(forced(part, sales.frontier).sum(axis=-1) - sales.base, 0.0)
    most = np.minimum(part.response * due, part.throughput) * sales.acts
    return due, np.maximum(most - sales.flow, 0.0)


def orders(part, notional):
    """Orders on every book when accounts sell `notional` [path, slot, venue]: [path, asset, side, venue]."""
    sides = (np.maximum(sign * part.sold, 0.0) for sign in (1, -1))
    return np.stack([np.einsum("psv,svat->pat", notional, side) for side in sides], axis=2)


def sell(part, sales, fresh, limit, room, least):
    """Make new sales, Eq. (4); returns the purchases that they are [path, asset, venue].

    fresh: notional [path, slot, venue]
    limit: what books and engines still take, USD [path, asset, side, venue]; room: what books do
    least: orders on no book above this are left, USD [path, asset, venue]
    """
    sent = orders(part, fresh)
    sales.exhausted |= (sent > room).any(axis=(1, 2, 3))
    if (sent > limit).any():
        # Nobody sells more than every book on the way takes: the scarcest decides.
        share = np.where(sent > limit, limit / np.where(sent > 0, sent, 1.0), 1.0)
        share = share.transpose(0, 2, 1, 3)[:, :, None, None]  # [path, side, 1, 1, asset, target]
        uses = np.stack([part.sold > 0, part.sold < 0])  # [side, slot, venue, asset, target]
        fresh = fresh * np.where(uses, share, 1.0).min(axis=(1, 4, 5))
        sent = orders(part, fresh)
    some = (sent.sum(axis=2) > least).any(axis=(1, 2))
    fresh, sent = fresh * some[:, None, None], sent * some[:, None, None, None]
    sales.flow = sales.flow + fresh
    purchases = sent[:, :, 1] - sent[:, :, 0]
    sales.extra = sales.extra + purchases
    return purchases


def executed_after(part, sales, executed):
    """Executed distances after the step: the frontier, or as far as the flow went."""
    late = sales.flow < sales.due
    if not late.any():
        return sales.frontier.copy()
    return np.where(late, advance(part, executed, sales.frontier, sales.flow), sales.frontier)


def fills(part, fill, marks):
    """Price at which each account's legs were sold: [path, slot, asset, venue]; marks where none was.

    fill : of every book, relative to the start [path, asset, venue]; marks: log [path, asset, venue]
    """
    size = np.abs(part.sold).transpose(0, 2, 1, 3)  # [slot, asset, venue, target]
    whole = size.sum(axis=-1)
    mean = np.einsum("savt,pat->psav", size, fill) / np.where(whole > 0, whole, 1.0)
    return np.where(whole > 0, mean, np.exp(marks)[:, None])


def legs(part, fill):
    """Dollars at the fill per dollar forced, by side: [path, slot, asset, side, venue].

    fill: [path, slot, asset, venue], see `fills`
    """
    sold, bought = (np.maximum(sign * part.sold, 0.0).sum(axis=-1).transpose(0, 2, 1) for sign in (1, -1))
    return np.stack([sold * fill, bought * fill], axis=3)


def slice_losses(part, start, end, price):
    """What holders between two distances lose when their legs fill at prices, Eqs. (5) and (6).

    start, end: [path, slot, venue]; price: [path, slot, asset, venue]
    returns   : notional, lost, deficit, left: USD [path, slot, venue, tier]
    """
    loss = level(price, part.loss, part.loss_fixed)[..., None]
    worth = np.maximum(level(price, part.worth, part.worth_fixed), 0.0)[..., None]
    held = np.diff(part.forced, axis=2)  # [slot, venue, bin, tier]
    sums = np.zeros((5, *start.shape, held.shape[-1]))
    for b in range(held.shape[2]):
        low, high = EDGES[b], EDGES[b + 1]
        a, z = np.clip(start, low, high)[..., None], np.clip(end, low, high)[..., None]
        if not (z > a).any():
            continue
        density = held[:, :, b] / (high - low)
        broke = np.where(worth > 0, loss / np.where(worth > 0, worth, 1.0), np.inf) - part.start[..., None]
        x = np.clip(broke, a, z)
        mean = part.start[..., None] + (a + x) / 2
        whole = part.start[..., None] + (a + z) / 2
        face = density / (part.size_fixed[..., None] + part.size[..., None] * whole)
        sums[0] += density * (z - a)
        sums[1] += face * (z - a)
        sums[2] += face * (x - a) * np.maximum(loss - worth * mean, 0.0)
        sums[3] += face * (z - a) * worth * whole
        sums[4] += face * (z - a) * (1 - worth) * whole
    notional, face, deficit, margin, fall = sums
    spent = loss * face - deficit
    # Who repays a debt with collateral has lost what it fell by, Eq. (6b).
    lost = np.where(part.borrowed[..., None] > 0, fall - deficit, spent)
    return notional, lost, deficit, margin - spent

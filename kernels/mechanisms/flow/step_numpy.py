"""Frozen flows of one step: the specification. Equations of docs/methods/flow.md."""

import numpy as np

from kernels.mechanisms.cascade import DUST


def orders(part, waiting, step):
    """Orders of a step, decided before it, Eq. (1): net purchases, USD [path, source, asset, venue].

    waiting: what earlier steps have not executed, of the same shape
    """
    return waiting + part.level[part.row[step]]


def responses(part, remembered):
    """Orders in answer to remembered returns [path, source, asset], Eq. (4): [path, source, asset, venue]."""
    return part.rate * np.clip(remembered, part.lowest, part.highest)[..., None]


def remember(part, remembered, move):
    """Returns remembered after a step with log returns `move` [path, asset], Eq. (3)."""
    return part.decay[:, None] * remembered + move[:, None]


def execute(orders, limit, room):
    """What books and engines take of the orders, Eq. (2).

    limit  : what books and engines take, USD [path, asset, side, venue]; room: what books take
    returns: executed, USD [path, source, asset, venue]; whether some ran past a book's end, bool [path]
    """
    sent = np.stack([np.maximum(sign * orders, 0.0).sum(axis=1) for sign in (-1, 1)], axis=2)
    share = np.where(sent > limit, limit / np.where(sent > 0, sent, 1.0), 1.0)[:, None]
    executed = orders * np.where(orders < 0, share[:, :, :, 0], share[:, :, :, 1])
    return executed, (sent > room).any(axis=(1, 2, 3))


def by_premium(part, orders, left, index):
    """Add what companies order by their premium, Eqs. (5) and (6); returns orders and what is left to sell.

    orders: net purchases, USD [path, source, asset, venue]; left: USD [path, company]
    index : log index prices when the step begins [path, asset]
    """
    value = (part.share * np.exp(index)[:, None]).sum(axis=2)
    whole = part.sells.sum(axis=(1, 2))
    sold = np.where((value < part.below) & (left > DUST), np.minimum(left, whole), 0.0)
    share = sold / np.where(whole > 0, whole, 1.0)
    bought = (value > part.above)[..., None, None] * part.buys - share[..., None, None] * part.sells
    orders = orders.copy()
    for company, source in enumerate(part.source):
        orders[:, source] += bought[:, company]
    return orders, left - sold

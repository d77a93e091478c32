"""Frozen flows of one step: the specification. Equations of docs/methods/flow.md."""

import numpy as np


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

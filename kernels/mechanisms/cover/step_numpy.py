"""Cover by listed accounts, at the end of a path: the specification. Equations of docs/methods/cover.md."""

import numpy as np

from kernels.mechanisms.liquidation import LONG

N_DEFAULT = 2


def exposures(part, lowest, highest):
    """What each account would lose beyond its margins, Eqs. (1) and (2): USD [account, venue].

    lowest, highest: log traded prices of one path [asset, venue]
    """
    market = part.asset, part.venue
    loss = np.where(part.side == LONG, 1 - np.exp(lowest[market]), np.exp(highest[market]) - 1)
    beyond = np.maximum(part.notional * loss - part.equity, 0.0)
    found = np.zeros((max(part.account.max(initial=-1) + 1, N_DEFAULT), len(part.prefunded)))
    np.add.at(found, (part.account, part.venue), beyond)
    return found


def largest_accounts(part, lowest, highest):
    """Cover, and how far it is beyond what is prefunded, Eqs. (3) and (4): USD [path, venue+, defaults] each.

    lowest, highest: log traded prices [path, asset, venue]; all zero without a list
    """
    n_path, _, n_venue = lowest.shape
    cover, shortfall = np.zeros((2, n_path, n_venue + 1, N_DEFAULT))
    if part is None:
        return cover, shortfall
    for i in range(n_path):
        each = exposures(part, lowest[i], highest[i])
        cover[i, :-1] = np.sort(each, axis=0)[::-1][:N_DEFAULT].cumsum(axis=0).T
        shortfall[i, :-1] = np.maximum(cover[i, :-1] - part.prefunded[:, None], 0.0)
        worst = np.argsort(-each.sum(axis=1), kind="stable")[:N_DEFAULT]
        together = each[worst].cumsum(axis=0)
        cover[i, -1] = together.sum(axis=1)
        shortfall[i, -1] = np.maximum(together - part.prefunded, 0.0).sum(axis=1)
    return cover, shortfall

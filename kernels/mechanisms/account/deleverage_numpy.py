"""Auto-deleveraging of bankrupt accounts: the specification. Equations of docs/methods/account.md."""

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.account.step_numpy import advance, forced, level, slice_losses
from kernels.mechanisms.adl import step_numpy as adl
from kernels.mechanisms.adl.take_numpy import room
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.liquidation import LONG, SHORT


@dataclass
class Leg:
    """Positions in one asset of the accounts closed in n (path, venue) of one slot."""

    asset: int
    side: np.ndarray  # of the accounts [n]
    size: np.ndarray  # per dollar of notional [n]
    taken: np.ndarray  # winners' notional closed, USD [n, tier]
    hedged: np.ndarray  # what of it hedged something else, USD [n]
    survival: np.ndarray  # of the winners afterwards [n, tier]


@dataclass
class Closed:
    """What auto-deleveraging closed of the accounts of one slot."""

    path: np.ndarray  # [n]
    venue: np.ndarray  # [n]
    executed: np.ndarray  # executed distances of the slot afterwards [path, venue]
    price: np.ndarray  # marks, relative to the start [n, asset]
    notional: np.ndarray  # USD [n, tier]
    lost: np.ndarray  # margin lost, USD [n, tier]
    deficit: np.ndarray  # loss at the marks beyond it, USD [n, tier]
    legs: list


def bankrupt(part, price, executed, frontier):
    """Distances up to which accounts are bankrupt at the marks, Eq. (10): [path, slot, venue].

    price: marks [path, asset, venue]
    """
    loss, worth = (
        level(price[:, None], *x) for x in ((part.loss, part.loss_fixed), (part.worth, part.worth_fixed))
    )
    broke = np.where(worth > 0, loss / np.where(worth > 0, worth, 1.0), np.inf) - part.start
    end = np.clip(broke, executed, np.maximum(executed, frontier))
    return np.where((part.legs != 0).any(axis=1), end, executed)


def close(scenario, slot, path, venue, price, start, end, positions, survival, first, crowd=None):
    """Close the bankrupt accounts of a slot, as many as the scarcest leg finds winners for, Eq. (11).

    path, venue: [n]; price: marks [path, asset, venue]; start, end: distances [path, slot, venue]
    positions  : executed frontiers of isolated ones [path, asset, side, group, venue]
    survival   : [path, asset, side, venue, tier]; first: see adl.close [path, asset], or None
    crowd      : Crowd [path, asset, side, venue], or None
    """
    arrays, part, winning = scenario.arrays, scenario.parts.account, scenario.parts.adl
    found, share = {}, np.ones(len(path))
    need = (forced(part, end) - forced(part, start)).sum(axis=-1)[path, slot, venue]
    policy = arrays.adl_policy[venue]
    for a in range(scenario.shape.n_asset):
        weight = part.legs[slot, a, venue]
        if not weight.any():
            continue
        asset, side = np.full(len(path), a), np.where(weight > 0, LONG, SHORT)
        thinned = survival[path, a, 1 - side, venue]
        winners, held = adl.winners_of(
            arrays, winning, asset, 1 - side, venue, price[path, a, venue],
            positions[path, a, 1 - side, :, venue], thinned,
            None if crowd is None else crowd.at((path, asset, 1 - side, venue)),
        )  # fmt: skip
        most, wanted = (room(policy, winners) * winners.notional).sum(axis=1), np.abs(weight) * need
        share = np.where(wanted > most, np.minimum(share, most / np.where(wanted > 0, wanted, 1.0)), share)
        found[a] = asset, side, np.abs(weight), winners, held, thinned
    if (share < 1).any():
        some = np.zeros(end.shape)
        some[path, slot, venue] = np.where(share < 1, share * need, 0.0)
        end = np.where(some > 0, advance(part, start, end, some), end)
        end[path, slot, venue] = np.where(share > 0, end[path, slot, venue], start[path, slot, venue])
    marks = np.broadcast_to(price[:, None], (len(price), len(part.channel), *price.shape[1:]))
    notional, lost, deficit, _ = (x[path, slot, venue] for x in slice_losses(part, start, end, marks))
    closed = Closed(path, venue, end[:, slot], price[path, :, venue], notional, lost, deficit, [])
    for a, (asset, side, size, winners, held, thinned) in found.items():
        given = adl.give(
            arrays, winning, asset, 1 - side, venue, winners, held, thinned,
            size * closed.notional.sum(axis=1), np.zeros(len(path)) if first is None else first[path, a],
        )  # fmt: skip
        closed.legs.append(Leg(a, side, size, *given))
    return closed


def due(part, start, end):
    """Slots with accounts to close: their number, paths and venues of each."""
    need = (forced(part, end) - forced(part, start)).sum(axis=-1) > DUST
    for slot in np.nonzero(need.any(axis=(0, 2)))[0]:
        yield slot, *np.nonzero(need[:, slot])

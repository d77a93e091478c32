"""Auto-deleveraging of one step: the specification."""

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.adl import ADL_NONE, ADL_RANDOM_START
from kernels.mechanisms.adl.take_numpy import room, standing, start_of_list, take
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.liquidation.step_numpy import (
    advance,
    bankrupt_distance,
    consumed,
    forced_below,
    margin_below,
)


def is_on(arrays, funds):
    """Where auto-deleveraging is on at the start of a step, Eq. (1): bool [path, pot, venue].

    A fund that the step before took whole turns it on whatever fees have come in since, and so does a claim.
    """
    low = funds.worth <= np.maximum(funds.below, (1 - arrays.adl_drawdown) * funds.peak) + DUST
    return (low | funds.spent | (funds.claims() > DUST)) & (arrays.adl_policy != ADL_NONE)


def starts(scenario, seed, path, step):
    """Where a random start begins in the list of winners [path, asset]; None where no venue has one."""
    if not (scenario.arrays.adl_policy == ADL_RANDOM_START).any():
        return None
    return start_of_list(seed, path, step, scenario.shape.n_asset)


@dataclass
class Closed:
    """What auto-deleveraging closed in n markets."""

    executed: np.ndarray  # executed frontiers of the bankrupt side afterwards [n, group]
    notional: np.ndarray  # of the bankrupt, USD [n, tier]
    margin: np.ndarray  # their start margin, all lost, USD [n, tier]
    deficit: np.ndarray  # their loss at the mark beyond it, USD [n, tier of the bankrupt]
    taken: np.ndarray  # winners' notional closed, USD [n, tier of the winners]
    hedged: np.ndarray  # of this, what hedged something else, USD [n]
    profit: np.ndarray  # that is left to them, closed where they are closed, USD [n]
    survival: np.ndarray  # of the winners afterwards [n, tier]


def close(arrays, part, asset, venue, mark, executed, frontier, survival, first, paid=0.0, crowd=None):
    """Close what is bankrupt at the marks against winners of the other side, Eqs. (2)-(9).

    asset, venue: [n]; mark: log mark price [n]
    executed    : [n, side, group]; frontier: [n, side]; survival: [n, side, tier]
    first       : where in the list of winners a `random_start` begins, as a share of it [n]
    paid        : funding paid by a start dollar of longs [n]
    crowd       : Crowd of these markets [n, side]; None: all are as in the tables. Whales are left alone
    returns     : the losing side [n], Closed
    """
    row = np.arange(len(asset))
    side = np.where(mark < 0, LONG, 1 - LONG)
    price = np.exp(mark)
    net = price - paid
    group = np.arange(executed.shape[-1])
    pick = (asset[:, None], side[:, None], group, venue[:, None])
    start, reached = executed[row, side], frontier[row, side]
    bankrupt = bankrupt_distance(
        net[:, None], side[:, None], arrays.group_rate[pick], arrays.group_deduction[pick]
    )
    end = np.clip(bankrupt, start, np.maximum(start, reached[:, None]))
    end = np.where(arrays.group_partial[pick], start, end)

    thinned = survival[row, 1 - side]
    others = None if crowd is None else crowd.at((row, 1 - side))
    winners, held = winners_of(
        arrays, part, asset, 1 - side, venue, price, executed[row, 1 - side], thinned, others
    )
    policy = arrays.adl_policy[venue]
    most = (room(policy, winners) * winners.notional).sum(axis=1)
    alive = survival[row, side]
    if crowd is not None:
        alive = alive * crowd.scale[row, side][:, None]

    def bankrupt_notional(end):
        below = forced_below(arrays, asset, side, venue, end) - forced_below(
            arrays, asset, side, venue, start
        )
        return below * alive[:, None, :]

    need = bankrupt_notional(end).sum(axis=(1, 2))
    short_of_winners = need > most
    if short_of_winners.any():
        at = np.nonzero(short_of_winners)[0]
        cut, _ = advance(
            arrays, asset[at], side[at], venue[at], start[at], end[at],
            alive[at], most[at],
        )  # fmt: skip
        end[at] = cut
    notional = bankrupt_notional(end).sum(axis=1)
    margin = margin_below(arrays, asset, side, venue, end) - margin_below(arrays, asset, side, venue, start)
    margin = (margin * alive[:, None, :]).sum(axis=1)
    deficit = np.maximum(consumed(net, side)[:, None] * notional - margin, 0.0)
    need = np.minimum(notional.sum(axis=1), most)
    taken, hedged, left = give(arrays, part, asset, 1 - side, venue, winners, held, thinned, need, first)
    sold = notional.sum(axis=1)
    lost = np.where(part.at_mark[venue] != 0, consumed(price, side) * sold, margin.sum(axis=1))
    profit = profit_left(part, asset, side, venue, taken, lost / np.where(sold > 0, sold, 1.0))
    return side, Closed(end, notional, margin, deficit, taken, hedged, profit, left)


def profit_left(part, asset, side, venue, taken, loss):
    """What the winners taken from have made since their entry, USD [n].

    loss: of a start dollar of the losers on `side`, where they are closed [n]
    """
    sign = np.where(side == LONG, 1.0, -1.0)[:, None]
    gain = sign * (part.entry[asset, 1 - side, venue] - 1) + loss[:, None]
    return (taken * np.maximum(gain, 0.0)).sum(axis=1)


def winners_of(arrays, part, asset, side, venue, price, executed, survival, crowd=None):
    """Winners of one side at a mark, and what all of that side still hold, Eq. (3).

    asset, side, venue, price: [n]; executed: [n, group]; survival: [n, tier]; crowd: Crowd [n], or None
    returns: Winners, USD before thinning [n, tier]
    """
    held = still_held(arrays, asset, side, venue, executed, crowd)
    return standing(part, asset, side, venue, price, survival * held, survival), held


def still_held(arrays, asset, side, venue, executed, crowd):
    """What all of a side but whales still hold, before thinning: USD [n, tier]; all as above."""
    held = arrays.tier_notional[asset, side, venue]
    gone = forced_below(arrays, asset, side, venue, executed).sum(axis=1)
    if crowd is not None:
        held, gone = crowd.whole[:, None] * held, crowd.scale[:, None] * gone
    return np.maximum(held - gone, 0.0)


def give(arrays, part, asset, side, venue, winners, held, survival, need, first):
    """What winners of `side` give up; all as above, need: USD [n].

    returns: USD [n, tier], what of it hedged something else [n], survival afterwards [n, tier]
    """
    taken = take(arrays.adl_policy[venue], winners, need, first)
    remaining = 1 - taken / np.where(winners.notional > 0, winners.notional, 1.0)
    hedges = part.hedged[asset, side, venue] / np.where(held > 0, held, 1.0)
    hedged = (taken * np.minimum(hedges, 1.0)).sum(axis=1)
    return taken, hedged, survival * remaining

"""Auto-deleveraging of one step: the specification."""

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.liquidation.step_numpy import (
    advance,
    bankrupt_distance,
    consumed,
    forced_below,
    margin_below,
)
from kernels.scenario import ADL_NONE, ADL_QUEUE


def is_on(arrays, fund, peak, spent):
    """Venues whose auto-deleveraging is on at the start of a step, Eq. (1): bool [path, venue].

    spent: whether the step before took all that the fund held, whatever fees have come in since
    """
    low = fund <= np.maximum(arrays.adl_below, (1 - arrays.adl_drawdown) * peak) + DUST
    return (low | spent) & (arrays.adl_policy != ADL_NONE)


@dataclass
class Closed:
    """What auto-deleveraging closed in n markets."""

    executed: np.ndarray  # executed frontiers of the bankrupt side afterwards [n, group]
    notional: np.ndarray  # of the bankrupt, USD [n, tier]
    margin: np.ndarray  # their start margin, all lost, USD [n, tier]
    forgone: np.ndarray  # what the winners forgo at the mark, USD [n, tier of the bankrupt]
    taken: np.ndarray  # winners' notional closed, USD [n, tier of the winners]
    survival: np.ndarray  # of the winners afterwards [n, tier]


def take(policy, winners, need):
    """Winners' notional closed in every tier, Eq. (3): [n, tier].

    policy: [n]; winners: notional in profit [n, tier], tiers by rising leverage; need: [n]
    """
    total = winners.sum(axis=1, keepdims=True)
    pro_rata = winners * need[:, None] / np.where(total > 0, total, 1.0)
    higher = np.cumsum(winners[:, ::-1], axis=1)[:, ::-1] - winners
    queue = np.clip(need[:, None] - higher, 0.0, winners)
    return np.where((policy == ADL_QUEUE)[:, None], queue, pro_rata)


def close(arrays, asset, venue, mark, executed, frontier, survival):
    """Close what is bankrupt at the marks against winners of the other side, Eqs. (2)-(4).

    asset, venue: [n]; mark: log mark price [n]
    executed    : [n, side, group]; frontier: [n, side]; survival: [n, side, tier]
    returns     : the losing side [n], Closed
    """
    row = np.arange(len(asset))
    side = np.where(mark < 0, LONG, 1 - LONG)
    price = np.exp(mark)
    group = np.arange(executed.shape[-1])
    pick = (asset[:, None], side[:, None], group, venue[:, None])
    start, reached = executed[row, side], frontier[row, side]
    bankrupt = bankrupt_distance(
        price[:, None], side[:, None], arrays.group_rate[pick], arrays.group_deduction[pick]
    )
    end = np.clip(bankrupt, start, np.maximum(start, reached[:, None]))
    end = np.where(arrays.group_partial[pick], start, end)

    winners = arrays.tier_notional[asset, 1 - side, venue]
    left = forced_below(arrays, asset, 1 - side, venue, executed[row, 1 - side]).sum(axis=1)
    winners = survival[row, 1 - side] * np.maximum(winners - left, 0.0)
    alive = survival[row, side][:, None, :]

    def bankrupt_notional(end):
        below = forced_below(arrays, asset, side, venue, end) - forced_below(
            arrays, asset, side, venue, start
        )
        return below * alive

    need = bankrupt_notional(end).sum(axis=(1, 2))
    short_of_winners = need > winners.sum(axis=1)
    if short_of_winners.any():
        at = np.nonzero(short_of_winners)[0]
        cut = advance(
            arrays, asset[at], side[at], venue[at], start[at], end[at],
            survival[at, side[at]], winners[at].sum(axis=1),
        )  # fmt: skip
        end[at] = cut
    notional = bankrupt_notional(end).sum(axis=1)
    margin = margin_below(arrays, asset, side, venue, end) - margin_below(arrays, asset, side, venue, start)
    margin = (margin * alive).sum(axis=1)
    forgone = np.maximum(consumed(price, side)[:, None] * notional - margin, 0.0)
    need = np.minimum(notional.sum(axis=1), winners.sum(axis=1))
    taken = take(arrays.adl_policy[venue], winners, need)
    remaining = 1 - taken / np.where(winners > 0, winners, 1.0)
    return side, Closed(end, notional, margin, forgone, taken, survival[row, 1 - side] * remaining)

"""Auto-deleveraging of one step in JAX: statements of step_numpy.py and take_numpy.py, for one path.

Arrays [asset, side, venue, ...] are by the side of the losers, also those of winners: `other` turns a side
of holders into that of those whom they are closed against.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels import sites
from kernels.mechanisms.adl import (
    ADL_CAPPED_PRO_RATA,
    ADL_LEVERAGE_WATERFILL,
    ADL_NONE,
    ADL_PRO_RATA,
    ADL_QUEUE,
    ADL_QUEUE_HYPERLIQUID,
    ADL_RANDOM_START,
)
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.liquidation.step_jax import (
    SIDE,
    advance,
    bankrupt_distance,
    between,
    by_tier,
    consumed,
)
from kernels.mechanisms.waterfall.funds_jax import claims, still_held
from kernels.parts.philox.philox_jax import words
from kernels.parts.table.table_jax import fill

SIGN = np.array([1, -1], np.float32)[
    :, None, None
]  # of losers [side, venue, tier]; exact in either precision


def is_on(market, funds, worth):
    """Where auto-deleveraging is on at the start of a step, Eq. (1): bool [pot, venue].

    worth: of the funds when the step begins [pot, venue]
    """
    arrays, owed = market.arrays, claims(market, funds)
    peak = funds.peaks.max(-1)
    low = worth <= jnp.maximum(market.spread * arrays.adl_below, (1 - arrays.adl_drawdown) * peak) + DUST
    on = low | funds.spent if owed is None else low | funds.spent | (owed > DUST)
    return on & (arrays.adl_policy != ADL_NONE)


def starts(seed, path, step, n_asset, dtype):
    """Where in the list of winners a random start begins, as a share of it: [asset]."""
    word = words(seed, path, step, sites.ADL_START, n_asset)
    return (word >> 8).astype(dtype) * 2.0**-24


class Closed(NamedTuple):
    """What auto-deleveraging closed; USD [asset, side, venue, tier] where nothing else is said."""

    executed: jax.Array  # executed frontiers afterwards [asset, side, group, venue]
    survival: jax.Array  # afterwards
    notional: jax.Array  # of the bankrupt
    margin: jax.Array  # their start margin, all lost
    deficit: jax.Array  # their loss at the mark beyond it
    taken: jax.Array  # winners' notional closed, by the winners' tier
    hedged: jax.Array  # of this, what hedged something else [asset, side, venue]
    profit: jax.Array  # that is left to them, closed where they are closed [asset, venue]


class Winners(NamedTuple):
    """See take_numpy.Winners; [asset, side of the losers, venue, tier]."""

    notional: jax.Array
    profit: jax.Array
    collateral: jax.Array
    equity: jax.Array
    growth: jax.Array
    leverage: jax.Array
    thinned: jax.Array


def other(values):
    """The other side's."""
    return values[:, ::-1]


def close(market, on, mark, executed, frontier, survival, first, paid=None, crowd=None):
    """Close what is bankrupt at the marks against winners of the other side, Eqs. (2)-(9).

    on  : bool [asset, venue]; mark: log [asset, venue]; first: a random start's place [asset]
    paid: funding paid by a start dollar of longs [asset, venue]; None: nothing
    crowd: who of the tables is there; None: all are as in them. Whales are left alone
    """
    arrays, part, tables = market.arrays, market.parts.adl, market.tables
    price = jnp.exp(mark)
    net = price if paid is None else price - paid
    losing = jnp.stack([mark < 0, mark >= 0], axis=1) & on[:, None]
    bankrupt = bankrupt_distance(net[:, None, None], SIDE, arrays.group_rate, arrays.group_deduction)
    end = jnp.clip(bankrupt, executed, jnp.maximum(executed, frontier[:, :, None]))
    end = jnp.where(arrays.group_partial | ~losing[:, :, None], executed, end)

    held = other(still_held(market, executed, crowd))
    thinned = other(survival)
    winners = standing(part, price[:, None, :, None], thinned * held, thinned)
    most = (room(arrays.adl_policy, winners) * winners.notional).sum(-1)

    alive = survival if crowd is None else crowd.by_tier(survival)

    def bankrupts(end):
        start, last = fill(executed, price.dtype), fill(end, price.dtype)
        return tuple(by_tier(tables, x) * alive for x in (last - start, between(tables, start, last)))

    need = bankrupts(end)[0].sum(-1)
    rows = jnp.einsum("asgvet,asvt->asgve", arrays.forced, alive)
    end, _ = advance(rows, executed, end, most, need > most)
    notional, margin = bankrupts(end)
    deficit = jnp.maximum(consumed(net[:, None, :, None], SIDE) * notional - margin, 0.0)
    need = jnp.minimum(notional.sum(-1), most)
    taken, hedged, left = give(arrays, part, winners, held, survival, need, first)
    profit = profit_left(part, price, taken, notional.sum(-1), margin.sum(-1))
    return Closed(end, left, notional, margin, deficit, taken, hedged, profit)


def give(arrays, part, winners, held, survival, need, first):
    """What winners give up, what of it hedged something else, and survival afterwards.

    held: what all of a side still hold; need: USD [asset, side, venue], at most what `room` leaves
    """
    taken = take(arrays.adl_policy, winners, need, first)
    remaining = 1 - taken / jnp.where(winners.notional > 0, winners.notional, 1.0)
    hedges = other(part.hedged) / jnp.where(held > 0, held, 1.0)
    hedged = (taken * jnp.minimum(hedges, 1.0)).sum(-1)
    return taken, hedged, survival * other(remaining)


def profit_left(part, price, taken, sold, margin):
    """What the winners taken from have made since their entry, USD [asset, venue].

    taken: by the side of the losers; sold, margin: of these, USD [asset, side, venue]
    """
    at_mark = consumed(price[:, None], SIDE[..., 0]) * sold
    lost = jnp.where(part.at_mark != 0, at_mark, margin) / jnp.where(sold > 0, sold, 1.0)
    gain = SIGN * (other(part.entry) - 1) + lost[..., None]
    return (taken * jnp.maximum(gain, 0.0)).sum((1, 3))


def standing(part, mark, notional, survival):
    """Winners at a price, Eq. (3)."""
    sign, entry, start = -SIGN, other(part.entry), other(part.equity)
    profit = sign * (mark - entry)
    equity = start + sign * (mark - 1)
    growth = jnp.where(sign > 0, mark / entry, entry / mark)
    in_profit = jnp.where(profit > 0, notional, 0.0)
    collateral = start + sign * (entry - 1)
    return Winners(in_profit, profit, collateral, equity, growth, mark / equity, survival * mark / equity)


def room(policy, winners):
    """Share of each tier that may be closed, Eq. (6)."""
    cap = jnp.maximum(jnp.minimum(winners.profit / winners.equity, 1.0), 0.0)
    return jnp.where((policy == ADL_CAPPED_PRO_RATA)[:, None], cap, 1.0)


def take(policy, winners, need, first):
    """Winners' notional closed in every tier, Eqs. (4)-(8).

    policy: [venue], known before anything is traced; need: USD [asset, side, venue]; first: [asset]
    """
    notional, each = winners.notional, need[..., None]
    total = notional.sum(-1, keepdims=True)
    ways = {
        ADL_PRO_RATA: lambda: notional * (each / jnp.where(total > 0, total, 1.0)),
        ADL_QUEUE: lambda: queue(notional, each, winners.profit / winners.collateral * winners.leverage),
        ADL_QUEUE_HYPERLIQUID: lambda: queue(notional, each, winners.growth * winners.leverage),
        ADL_CAPPED_PRO_RATA: lambda: capped(notional, each, room(policy, winners)),
        ADL_LEVERAGE_WATERFILL: lambda: waterfill(notional, each, winners.thinned),
        ADL_RANDOM_START: lambda: walk(notional, each, first[:, None, None, None] * total),
    }
    taken = jnp.zeros_like(notional)
    for which in sorted(set(policy.tolist()) - {ADL_NONE}):
        taken = jnp.where((policy == which)[:, None], ways[which](), taken)
    return taken


def queue(notional, need, score):
    """The highest score first, ties by the higher tier, Eq. (5)."""
    tier = np.arange(notional.shape[-1])
    above = score[..., :, None] > score[..., None, :]
    level = score[..., :, None] == score[..., None, :]
    first = above | (level & (tier[:, None] > tier))
    return jnp.clip(need - (notional[..., :, None] * first).sum(-2), 0.0, notional)


def capped(notional, need, cap):
    """The same share of all, but at most `cap` of each, Eq. (6)."""
    given = (notional[..., None, :] * jnp.minimum(cap[..., :, None], cap[..., None, :])).sum(-1)
    full = given <= need
    rest = jnp.where(full, 0.0, notional).sum(-1, keepdims=True)
    share = (need - (full * notional * cap).sum(-1, keepdims=True)) / jnp.where(rest > 0, rest, 1.0)
    return notional * jnp.where(full, cap, jnp.clip(share, 0.0, cap))


def waterfill(notional, need, leverage):
    """Leverage cut down to one level, the same for all that are above it, Eq. (7)."""
    held = jnp.where(notional > 0, leverage, 0.0)
    floor = jnp.maximum(held, 1e-30)
    given = (notional[..., None, :] * jnp.maximum(1 - held[..., :, None] / floor[..., None, :], 0.0)).sum(-1)
    cut = (given < need) & (notional > 0)
    slope = jnp.where(cut, notional / floor, 0.0).sum(-1, keepdims=True)
    excess = jnp.where(cut, notional, 0.0).sum(-1, keepdims=True) - need
    level = jnp.maximum(excess, 0.0) / jnp.where(slope > 0, slope, 1.0)
    return jnp.where(cut, notional * jnp.clip(1 - level / floor, 0.0, 1.0), 0.0)


def walk(notional, need, start):
    """From a place in the list of winners on, and round to its beginning, Eq. (8)."""
    end = jnp.cumsum(notional, axis=-1)
    begin, total = end - notional, end[..., -1:]

    def overlap(low):
        return jnp.minimum(end, low + need) - jnp.maximum(begin, low)

    both = jnp.maximum(overlap(start), 0.0) + jnp.maximum(overlap(start - total), 0.0)
    return jnp.minimum(both, notional)

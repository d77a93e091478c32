"""Insurance funds and what lies beyond them, in JAX: statements of funds_numpy.py, for one path."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.clearing import step_jax as clearing
from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.liquidation.step_jax import by_tier
from kernels.mechanisms.waterfall import PARTS_OF_WINDOW, SOCIALISE_RUN, SOCIALISE_STEP
from kernels.parts.table.table_jax import fill


class Funds(NamedTuple):
    """Funds of a path, USD [pot, venue] where nothing else is said; None what no fund of the run needs."""

    cash: jax.Array
    peaks: jax.Array  # largest worth in each part of the window [pot, venue, part]
    spent: jax.Array  # the last step's deficits took all, bool
    coins: jax.Array | None = None  # in dollars at the start price
    sold: jax.Array | None = None  # dollars that coins were sold for
    owed: jax.Array | None = None  # deficits that nobody has paid yet [pot, venue, tier]
    shared: jax.Array | None = None  # taken from winners' profits so far
    layers: jax.Array | None = None  # what is left of central clearing [layer, venue]


def pots(part, arrays):
    """The pot of every market [asset, venue], and shares of a venue's fund by pot [pot, venue]."""
    n_asset, n_venue = arrays.listed.shape
    if part is None:
        return np.zeros((n_asset, n_venue), int), np.ones((1, n_venue), np.float32)
    split = part.split != 0
    return np.arange(n_asset)[:, None] * split, part.share[: n_asset if split.any() else 1]


def kept(part):
    """Venues where what is left over is not bad debt yet: bool [venue]."""
    return (part.claim != 0) | (part.socialise == SOCIALISE_RUN)


def begin(shape, market) -> Funds:
    """Funds that are full."""
    part = market.parts.waterfall
    start = market.spread * market.arrays.fund
    spent = jnp.zeros(start.shape, bool)
    layers = None if market.parts.clearing is None else market.parts.clearing.layer
    if part is None:
        return Funds(start, jnp.zeros_like(start)[..., None], spent, layers=layers)
    zero = jnp.zeros_like(start)
    peaks = jnp.zeros((*start.shape, PARTS_OF_WINDOW if (part.window > 0).any() else 1), start.dtype)
    owed = jnp.zeros((*start.shape, shape.n_tier), start.dtype) if kept(part).any() else None
    shared = zero if (part.socialise != 0).any() else None
    in_coins = part.coin_share
    return Funds(start * (1 - in_coins), peaks, spent, start * in_coins, zero, owed, shared, layers)


def coin_price(market, price):
    """Index price of the coin that each venue holds, relative to the start: [venue]."""
    index = (price * market.arrays.index_weight).sum(-1)
    return jnp.exp(index)[market.parts.waterfall.coin]


def worth(market, funds, number, price):
    """What the funds are worth when a step begins, and the funds with their running peaks, Eqs. (4) and (5).

    price: log, last traded [asset, venue]
    """
    part = market.parts.waterfall
    held = funds.cash if part is None else funds.cash + funds.coins * coin_price(market, price)
    if part is None or not (part.window > 0).any():
        return held, funds._replace(peaks=jnp.maximum(funds.peaks, held[..., None]))
    window = np.maximum(part.window, 1)
    number = number.astype(jnp.int32)
    here = jnp.where(part.window > 0, number // window % PARTS_OF_WINDOW, 0)
    begins = (part.window > 0) & (number % window == 0)
    mine = np.arange(PARTS_OF_WINDOW) == here[:, None]
    before = jnp.where(mine & begins[:, None], 0.0, funds.peaks)
    return held, funds._replace(peaks=jnp.where(mine, jnp.maximum(before, held[..., None]), before))


def claims(market, funds):
    """What later deleveraging is to pay: [pot, venue]; None where no venue claims."""
    part = market.parts.waterfall
    if part is None or not (part.claim != 0).any():
        return None
    return funds.owed.sum(-1) * (part.claim != 0)


def collect(market, funds, most):
    """Claims paid by deleveraged winners, at most their profit [asset, venue], Eq. (8).

    returns: USD [asset, venue, tier], funds; winners of one asset after the other
    """
    part, owed, paid = market.parts.waterfall, funds.owed, []
    venue = np.arange(owed.shape[1])
    for asset, pot in enumerate(market.pot):
        here = owed[pot, venue] * (part.claim != 0)[:, None]
        total = here.sum(-1)
        share = jnp.minimum(total, most[asset]) / jnp.where(total > 0, total, 1.0)
        paid.append(share[:, None] * here)
        owed = owed.at[pot, venue].add(-paid[-1])
    return jnp.stack(paid), funds._replace(owed=owed)


def settle(market, funds, held, pending, income, begun, profits):
    """Pay a step's deficits, Eqs. (2), (3), (6) and (7): funds, and who paid, USD [venue, tier] by component.

    held   : worth of the funds when the step began; pending: deficits [pot, venue, tier]
    income : fees and surplus [pot, venue]; begun: log prices when the step began
    profits: makes those of the winners now, by pot
    """
    part, deficit = market.parts.waterfall, pending.sum(-1)
    drawn = jnp.minimum(held, deficit)
    share = jnp.where(deficit > 0, drawn / jnp.where(deficit > 0, deficit, 1.0), 0.0)
    paid = share[..., None] * pending
    rest = pending - paid
    spent = (deficit > DUST) & (deficit >= held)
    payers = {"fund_draw": paid.sum(0)}
    if funds.layers is not None:
        cleared, rest, layers = clearing.clear(funds.layers, rest)
        payers, funds = payers | cleared, funds._replace(layers=layers)
        spent &= clearing.prefunded(layers) <= 0
    if part is None:
        funds = funds._replace(cash=funds.cash - drawn + income, spent=spent)
        return funds, payers | {"bad_debt": rest.sum(0)}
    # Cash first, then coins at the price that the step began with.
    from_cash = jnp.minimum(drawn, funds.cash)
    from_coins = drawn - from_cash
    funds = funds._replace(
        cash=funds.cash - from_cash + income,
        coins=jnp.maximum(funds.coins - from_coins / coin_price(market, begun), 0.0),
        sold=funds.sold + from_coins,
        spent=spent,
    )
    given, funds = take_profits(market, funds, rest, SOCIALISE_STEP, profits)
    rest = rest - given
    if funds.owed is not None:
        later = kept(part)[:, None]
        funds = funds._replace(owed=funds.owed + jnp.where(later, rest, 0.0))
        rest = jnp.where(later, 0.0, rest)
    return funds, payers | {"socialised": given.sum(0), "bad_debt": rest.sum(0)}


def end(market, funds, profits):
    """What is still owed at the end of the run, by who pays: [venue, tier]; nothing where nobody owes."""
    if funds.owed is None:
        return {}
    given, _ = take_profits(market, funds, funds.owed, SOCIALISE_RUN, profits)
    return {"socialised": given.sum(0), "bad_debt": (funds.owed - given).sum(0)}


def take_profits(market, funds, owed, when, profits):
    """What winners give of their profits, all the same share, Eq. (7): [pot, venue, tier], and funds."""
    willing = market.parts.waterfall.socialise == when
    if not willing.any():
        return jnp.zeros_like(owed), funds
    total = owed.sum(-1)
    given = jnp.minimum(total, jnp.maximum(profits() - funds.shared, 0.0))
    given = jnp.where(willing & (total > 0), given, 0.0)
    funds = funds._replace(shared=funds.shared + given)
    return (given / jnp.where(total > 0, total, 1.0))[..., None] * owed, funds


def still_held(market, executed, crowd=None):
    """What all of a side but whales still hold, before thinning: USD [asset, side, venue, tier]."""
    held, gone = market.arrays.tier_notional, by_tier(market.tables, fill(executed, executed.dtype))
    if crowd is not None:
        held = held if crowd.whole is None else crowd.whole[..., None] * held
        gone = crowd.by_tier(gone)
    return jnp.maximum(held - gone, 0.0)


def profits(market, executed, survival, price, crowd=None):
    """Profits of all who are in profit at the traded log prices: USD [pot, venue], Eq. (7)."""
    part = market.parts.adl
    entry = 1.0 if part is None else part.entry
    sign = np.where(np.arange(2) == LONG, 1.0, -1.0)[:, None, None]
    gain = jnp.maximum(sign * (jnp.exp(price)[:, None, :, None] - entry), 0.0)
    earned = (survival * still_held(market, executed, crowd) * gain).sum((1, 3))
    return market.by_pot(jnp.where(market.arrays.listed, earned, 0.0))

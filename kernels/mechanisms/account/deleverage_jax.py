"""Auto-deleveraging of bankrupt accounts in JAX: statements of deleverage_numpy.py, for one path."""

from dataclasses import fields, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.account.step_jax import Holders, advance, forced, level, slice_losses
from kernels.mechanisms.adl import step_jax as adl
from kernels.mechanisms.cascade import DUST


class Closed(NamedTuple):
    """What auto-deleveraging closed of the accounts of all slots."""

    executed: jax.Array  # executed distances afterwards [slot, venue]
    survival: jax.Array  # of the winners afterwards [asset, side, venue, tier]
    notional: jax.Array  # USD [slot, venue, tier]
    lost: jax.Array  # margin lost, USD [slot, venue, tier]
    deficit: jax.Array  # loss at the marks beyond it, USD [slot, venue, tier]
    taken: jax.Array  # winners' notional closed, USD [slot, asset, side, venue, tier]
    hedged: jax.Array  # what of it hedged something else, USD [slot, asset, side, venue]
    size: jax.Array  # positions per dollar, by the side of the accounts [slot, asset, side, venue]


def bankrupt(part, price, executed, frontier):
    """Distances up to which accounts are bankrupt at the marks, Eq. (10): [slot, venue].

    price: marks [asset, venue]
    """
    loss, worth = level(price, part.loss, part.loss_fixed), level(price, part.worth, part.worth_fixed)
    broke = jnp.where(worth > 0, loss / jnp.where(worth > 0, worth, 1.0), jnp.inf) - part.start
    end = jnp.clip(broke, executed, jnp.maximum(executed, frontier))
    return jnp.where((part.legs != 0).any(axis=1), end, executed)


def close(market, holders, on, price, standing, held, survival, first):
    """Close bankrupt accounts slot by slot, as many as the scarcest leg finds winners for, Eq. (11).

    on       : bool [venue]; price: marks [asset, venue]; standing: of accounts at the marks
    held     : what all of a side still hold, by the side of the losers [asset, side, venue, tier]
    survival : [asset, side, venue, tier]; first: see adl.close [asset]
    """
    part, (frontier, executed) = holders.part, standing
    end = jnp.where(on, bankrupt(part, price, executed, frontier), executed)
    due = forced(holders.rows, end) - forced(holders.rows, executed) > DUST
    end = jnp.where(due, end, executed)
    leaves = {f.name: getattr(part, f.name)[:, None] for f in fields(part)}

    def one_slot(survival, row):
        leaves, rows, cut, start, end = row
        own = Holders(replace(part, **leaves), rows, cut)
        return close_slot(market, own, price, start, end, held, survival, first)

    # One slot after the other: the first ones leave fewer winners.
    rows = (leaves, *(x[:, None] for x in (holders.rows, holders.held, executed, end)))
    survival, found = jax.lax.scan(one_slot, survival, rows)
    return Closed(found[0], survival, *found[1:])


def close_slot(market, holders, price, start, end, held, survival, first):
    """The same of one slot, whose arrays have a first axis of one; survival, and the rest of `Closed`."""
    arrays, winning, part = market.arrays, market.parts.adl, holders.part
    need = forced(holders.rows, end) - forced(holders.rows, start)
    size = jnp.stack([jnp.maximum(sign * part.legs[0], 0.0) for sign in (1, -1)], axis=1)
    thinned = adl.other(survival)
    winners = adl.standing(winning, price[:, None, :, None], thinned * held, thinned)
    most = (adl.room(arrays.adl_policy, winners) * winners.notional).sum(-1)
    asked = size * need
    scarce = asked > most
    share = jnp.where(scarce, most / jnp.where(scarce, asked, 1.0), 1.0).min(axis=(0, 1))
    cut = advance(holders.rows, start, end, share * need, (share < 1) & (need > 0))
    end = jnp.where((share < 1) & (need > 0), jnp.where(share > 0, cut, start), end)
    notional, lost, deficit, _ = slice_losses(holders, start, end, price[None])
    asked = size * notional[0].sum(-1)
    taken, hedged, survival = adl.give(arrays, winning, winners, held, survival, asked, first)
    return survival, (end[0], notional[0], lost[0], deficit[0], taken, hedged, size)

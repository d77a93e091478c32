"""Vaults whose equity is negative, in JAX: statements of default_numpy.py, for one path."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.adl import ADL_NONE
from kernels.mechanisms.adl import step_jax as adl
from kernels.mechanisms.cascade import DUST, SLACK
from kernels.mechanisms.vault.step_jax import Inventory, gain


class Settled(NamedTuple):
    """Inventories and winners after vaults in deficit were closed."""

    inventory: Inventory
    survival: jax.Array  # [asset, side, venue, tier]
    deficit: jax.Array  # USD [venue]
    closed: jax.Array  # inventory closed against winners, longs positive [asset, venue]
    forgone: jax.Array  # of the deficit, what winners forgo [asset, venue]
    taken: jax.Array  # winners' notional closed [asset, side of the vault, venue, tier]
    hedged: jax.Array  # what of it hedged something else [asset, side of the vault, venue]


def owes(part, inventory, price, halted):
    """Deficits of vaults at the marks, Eq. (7): USD [venue]. halted: [asset, venue], or None"""
    deficit = jnp.maximum(-(part.capital + gain(inventory, price)), 0.0)
    # Less than a millionth of what it has traded is rounding.
    traded = inventory.received + (jnp.abs(inventory.cash) + jnp.abs(inventory.held * price)).sum(axis=0)
    small = deficit <= jnp.maximum(DUST, SLACK * traded)
    waits = small if halted is None else small | halted.any(axis=0)
    return jnp.where(waits, 0.0, deficit)


def settle(market, inventory, price, halted, held, survival, first) -> Settled:
    """Close inventories of vaults in deficit against winners, Eqs. (7) and (8).

    price  : marks of round 0 [asset, venue]; halted: bool [asset, venue], or None
    held   : what all of a side still hold, by the side of the losers; None where nobody deleverages
    first  : see adl.close [asset]
    """
    arrays, winning = market.arrays, market.parts.adl
    deficit = owes(market.parts.vault, inventory, price, halted)
    after = inventory._replace(received=inventory.received + deficit)
    if held is None:
        nothing = jnp.zeros_like(price)
        taken = jnp.zeros_like(survival)
        return Settled(after, survival, deficit, nothing, nothing, taken, taken[..., 0])
    value = jnp.abs(inventory.held) * price
    total = value.sum(axis=0)
    due = deficit * (value / jnp.where(total > 0, total, 1.0))
    closes = (deficit > 0) & (arrays.adl_policy != ADL_NONE)
    size = jnp.where(closes, jnp.abs(inventory.held), 0.0)
    sign = jnp.where(inventory.held < 0, -1.0, 1.0)
    asked = jnp.stack([jnp.where(sign > 0, size, 0.0), jnp.where(sign < 0, size, 0.0)], axis=1)
    thinned = adl.other(survival)
    winners = adl.standing(winning, price[:, None, :, None], thinned * held, thinned)
    most = (adl.room(arrays.adl_policy, winners) * winners.notional).sum(-1)
    asked = jnp.minimum(asked, most)
    taken, hedged, survival = adl.give(arrays, winning, winners, held, survival, asked, first)
    closed = asked.sum(axis=1)
    forgone = jnp.where(winning.at_mark != 0, 0.0, due * closed / jnp.where(size > 0, size, 1.0))
    left = jnp.where(closed < size, inventory.held - sign * closed, 0.0)
    after = after._replace(
        held=jnp.where(size > 0, left, inventory.held), cash=inventory.cash + sign * closed * price
    )
    return Settled(after, survival, deficit, sign * closed, forgone, taken, hedged)

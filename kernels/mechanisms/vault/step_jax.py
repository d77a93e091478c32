"""Backstop vaults in a step of one path in JAX: statements of step_numpy.py."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.vault.step_numpy import LEAST_BOOKED


class Taking(NamedTuple):
    """What vaults take in the step, decided before it; of all assets, or of one."""

    take: jax.Array  # share of the flow [asset, venue]
    space: jax.Array  # most in this step, USD [asset, side, venue]

    def taken(self, flow):
        """What the vaults take of a flow, Eq. (2): USD [..., side, venue]."""
        return jnp.minimum(self.take[..., None, :] * flow, self.space)

    def booked(self, flow):
        """What of a flow goes into the books, Eq. (2): USD [..., side, venue]."""
        return flow - self.taken(flow)

    def limit(self, limit):
        """Most that executes where books and engines take `limit`, Eq. (3): USD [..., side, venue]."""
        some = jnp.isfinite(limit)
        own = jnp.where(some, limit, 0.0)
        most = jnp.minimum(own / jnp.maximum(1 - self.take, LEAST_BOOKED)[..., None, :], own + self.space)
        return jnp.where(some, most, jnp.inf)

    @property
    def some(self):
        """Whether any vault takes anything: bool [...]."""
        return (self.take[..., None, :] * self.space > 0).any(axis=(-2, -1))


class Inventory(NamedTuple):
    """What the vaults hold; see `step_numpy.Inventory`."""

    held: jax.Array  # [asset, venue]
    cash: jax.Array  # [asset, venue]
    received: jax.Array  # [venue]


def initial(part) -> Inventory:
    """Vaults that hold nothing."""
    return Inventory(jnp.zeros_like(part.room), jnp.zeros_like(part.room), jnp.zeros_like(part.capital))


def taking(part, inventory, past) -> Taking:
    """What may be taken in the step, Eqs. (1) and (10).

    past: notional that is past the vaults' thresholds and not executed, USD [asset, side, venue]
    """
    held = [jnp.maximum(sign * inventory.held, 0.0) for sign in (1, -1)]
    space = jnp.stack([jnp.maximum(part.room - x, 0.0) for x in held], axis=1)
    space = jnp.where(part.gap < 0, space, jnp.minimum(space, part.take * past))
    return Taking(jnp.broadcast_to(part.take, part.room.shape), space)


def orders(part, inventory, trades):
    """Net purchases that unwind the inventory where it `trades`, Eq. (4): USD [asset, venue]."""
    held = inventory.held
    return jnp.where(trades, jnp.where(jnp.abs(held) > DUST, -part.unwind * held, -held), 0.0)


def trade(inventory, taken, unwound, fill) -> Inventory:
    """The inventory after what was taken over and unwound at the fills, Eq. (5).

    taken: [asset, side, venue]; unwound: net purchases; fill: [asset, venue]
    """
    bought = taken[:, LONG] - taken[:, SHORT] + unwound
    return inventory._replace(held=inventory.held + bought, cash=inventory.cash - bought * fill)


def gain(inventory, price):
    """Profit since the start at prices [asset, venue], what others paid included: USD [venue]."""
    return inventory.received + (inventory.cash + inventory.held * price).sum(axis=0)

"""Frozen flows of one step of one path in JAX: statements of step_numpy.py."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.cascade import DUST


def timeline(part) -> dict:
    """What calendars order in every step: USD [step, source, asset, venue]."""
    return {"orders": part.level[part.row]}


class Flows(NamedTuple):
    """What frozen flows carry from step to step; None what nobody of the run has."""

    waiting: jax.Array  # ordered in earlier steps, net purchases, USD [source, asset, venue]
    memory: jax.Array | None  # returns that sources remember [source, asset]
    left: jax.Array | None  # what companies may still sell by their premium, USD [company]


def initial(parts) -> Flows:
    """Nothing is waiting."""
    return Flows(
        jnp.zeros_like(parts.flow.level[0]),
        None if parts.response is None else parts.response.start,
        None if parts.premium is None else parts.premium.most,
    )


def orders(parts, flows, level, index):
    """All orders of a step, decided before it: net purchases, USD [source, asset, venue], and the flows.

    level: of the calendar in the step [source, asset, venue]; index: log index prices when it begins [asset]
    """
    total = flows.waiting + level
    if parts.response is not None:
        total = total + responses(parts.response, flows.memory)
    if parts.premium is not None:
        total, left = by_premium(parts.premium, total, flows.left, index)
        flows = flows._replace(left=left)
    return total, flows


def responses(part, remembered):
    """Orders in answer to remembered returns [source, asset], Eq. (4): [source, asset, venue]."""
    return part.rate * jnp.clip(remembered, part.lowest, part.highest)[..., None]


def remember(part, remembered, move):
    """Returns remembered after a step with log returns `move` [asset], Eq. (3)."""
    return part.decay[:, None] * remembered + move


def execute(orders, limit, room):
    """What books and engines take of the orders, Eq. (2).

    orders : net purchases, USD [source, asset, venue]
    limit  : what books and engines take, USD [asset, side, venue]; room: what books take
    returns: executed, USD [source, asset, venue]; whether some ran past a book's end, bool
    """
    sent = jnp.stack([jnp.maximum(sign * orders, 0.0).sum(axis=0) for sign in (-1, 1)], axis=1)
    over = sent > limit
    share = jnp.where(over, jnp.where(over, limit, 0.0) / jnp.where(over, sent, 1.0), 1.0)
    executed = orders * jnp.where(orders < 0, share[:, 0], share[:, 1])
    return executed, (sent > room).any()


def by_premium(part, orders, left, index):
    """Add what companies order by their premium, Eqs. (5) and (6); returns orders and what is left to sell.

    orders: net purchases, USD [source, asset, venue]; left: USD [company]
    index : log index prices when the step begins [asset]
    """
    value = (part.share * jnp.exp(index)).sum(axis=1)
    whole = part.sells.sum(axis=(1, 2))
    sold = jnp.where((value < part.below) & (left > DUST), jnp.minimum(left, whole), 0.0)
    share = sold / jnp.where(whole > 0, whole, 1.0)
    bought = (value > part.above)[:, None, None] * part.buys - share[:, None, None] * part.sells
    return orders.at[part.source].add(bought), left - sold

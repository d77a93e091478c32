"""Settling in JAX what was executed in a step: slices of forced positions, fees, and deleveraging."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.adl import step_jax as adl
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.waterfall import funds_jax
from kernels.mechanisms.waterfall import step_jax as waterfall
from kernels.parts.record import record_jax as recording


class Deleveraged(NamedTuple):
    """Where deleveraging leaves a path within its step."""

    executed: jax.Array  # [asset, side, group, venue]
    survival: jax.Array  # [asset, side, venue, tier]
    funds: funds_jax.Funds
    record: dict
    pending: jax.Array  # deficits that funds are to pay, USD [pot, venue, tier]
    flow: jax.Array  # dollars closed
    coins: jax.Array  # start dollars closed, longs positive [asset, venue]
    dollars: jax.Array  # and what they were closed for


def deleverage(shape, market, drawn, state, trading, worth, marks, frontier, now) -> Deleveraged:
    """Close what is bankrupt at the marks against winners, where deleveraging is on and markets are open.

    worth: of funds [pot, venue]; marks: log [asset, venue]; frontier: [asset, side, venue]
    """
    arrays, record, funds = market.arrays, state.record, state.funds
    dtype = marks.dtype
    pending = jnp.zeros((*worth.shape, shape.n_tier), dtype)
    if not market.deleverages:
        none = jnp.zeros_like(marks)
        return Deleveraged(
            state.executed, state.survival, funds, record, pending, jnp.zeros((), dtype), none, none
        )
    on = market.of_pot(adl.is_on(market, funds, worth))
    first = adl.starts(drawn.seed, drawn.path, now["number"], shape.n_asset, dtype)
    behind = (frontier[:, :, None] > state.executed).any(axis=(1, 2))
    here = on & arrays.listed & behind
    here = here if trading.halted is None else here & ~trading.halted
    closed = adl.close(market, here, marks, state.executed, frontier, state.survival, first, state.paid)
    claims = None
    if funds_jax.claims(market, funds) is not None:
        claims, funds = funds_jax.collect(market, funds, closed.profit)
    at_mark = market.parts.adl.at_mark != 0
    record, *closings = recording.deleveraged(record, closed, jnp.exp(marks), state.paid, at_mark, claims)
    owed = jnp.where(at_mark[:, None], closed.deficit.sum(1), 0.0)
    return Deleveraged(
        closed.executed, closed.survival, funds, record, pending + market.by_pot(owed), *closings
    )


def settle(market, rows, executed, survival, end, fill, paid=None):
    """Executed frontiers after the step's flow; notional, losses and fees of its slices by tier.

    end : Cascade [asset, ...]; fill: price of every book's orders [asset, venue]
    paid: funding paid by a start dollar of longs [asset, venue]; None: nothing
    """
    arrays, tables = market.arrays, market.tables
    some, reached = end.flow > 0, end.frontier[:, :, None]
    late = some & (end.flow < end.wanted)
    ahead = liquidation.advance(rows, executed, reached, end.flow, late)
    after = jnp.where(some[:, :, None], ahead, executed)
    notional, lost, deficit, left = liquidation.slice_losses(
        tables, arrays, executed, after, fill if paid is None else fill - paid
    )
    fee, surplus = waterfall.fees(arrays, notional, left, fill)
    slices = [survival * liquidation.by_tier(tables, x) for x in (notional, lost, deficit, fee, surplus)]
    # Markets of an asset with a cascade where nobody was in the way: executed as they stand.
    idle = (end.flow == 0) & (end.wanted == 0) & (end.rounds > 0)[:, None, None]
    return jnp.where(idle[:, :, None], jnp.maximum(executed, reached), after), slices

"""The selling of one step in JAX: the cascades of all assets. See selling_numpy.py."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels import outcome
from kernels import trading_jax as trades
from kernels.mechanisms.book import step_jax as book
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.cascade import step_jax as cascade
from kernels.mechanisms.liquidation import step_jax as liquidation


class Selling(NamedTuple):
    """What a step's forced selling has done."""

    end: cascade.Cascade  # [asset, ...]
    executed: jax.Array  # before the flow; frontiers that pass nobody [asset, side, group, venue]
    room: jax.Array  # what books take, USD [asset, side, venue]
    limit: jax.Array  # what books and engines take
    trading: trades.Trading  # with its bands


def cumulative(market, survival):
    """Cumulative notional [asset, side, group, venue, edge]; one group where all are executed together."""
    forced = market.arrays.forced
    if market.deleverages:
        return jnp.einsum("asgvet,asvt->asgve", forced, survival)
    return forced.sum(axis=(2, 5))[:, :, None]


def run(
    rules, market, trading, marks, rows, executed, survival, frontier, fundamental, q, depth, offset
) -> Selling:
    """The cascades of all assets, from the books `q` and the frontiers of round 0.

    trading: Trading; marks: Marks
    rows   : see `cumulative`; executed, survival: after deleveraging
    offset : distance added to the marks' [asset, side, venue]
    """
    arrays = market.arrays
    room = book.room(q, depth, arrays.alpha, arrays.band, arrays.hard_end)
    limit, trading = trades.limit(market, trading, room, fundamental, q, depth)
    base = liquidation.forced_total(rows, executed)
    wanted = liquidation.forced_total(rows, frontier[:, :, None])
    new = (frontier[:, :, None] > executed).any(axis=(1, 2, 3))
    active = new & (wanted > base).any(axis=(1, 2))
    # Frontiers that pass nobody are executed as they stand.
    executed = jnp.where((new & ~active)[:, None, None, None], frontier[:, :, None], executed)
    rounds = cascade.Rounds(
        fundamental, q, depth, arrays.alpha, arrays.band, arrays.permanent, marks, offset,
        rows, base, limit, (survival != 1).any(axis=(1, 2, 3)),
    )  # fmt: skip
    end = jax.vmap(partial(cascade.run, rules=rules))(rounds, frontier, active)
    return Selling(end, executed, room, limit, trading)


def status(sold: Selling):
    """Status bits of a step's selling."""
    end = sold.end
    exhausted = ((end.wanted > sold.room) & (end.flow >= sold.room)).any()
    return jnp.where(exhausted, outcome.EXHAUSTED, 0) | jnp.where(end.converged.all(), 0, outcome.UNCONVERGED)


def counted(displaced, sold: Selling):
    """Work of a step, in the order of `outcome.COUNTERS`."""
    end = sold.end
    active = end.rounds > 0
    mixed = (end.flow > DUST).any(axis=2).all(axis=1)
    found = {
        "asset_steps": displaced.size, "calm": (displaced & ~active).sum(), "active": active.sum(),
        "mixed": mixed.sum(), "rounds": end.rounds.sum(), "flushes": (end.flow > 0).sum(),
        "unconverged": (~end.converged).sum(),
    }  # fmt: skip
    return jnp.stack([jnp.asarray(found[name], jnp.int32) for name in outcome.COUNTERS])

"""Whether and how markets trade in a step, in JAX: statements of trading_numpy.py, for one path."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.arbitrage import step_jax as arbitrage
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_jax as book
from kernels.mechanisms.feed import step_jax as feed
from kernels.mechanisms.halt import step_jax as halt
from kernels.mechanisms.mark import step_jax as mark
from kernels.mechanisms.mark.step_jax import Stands
from kernels.mechanisms.outage import step_jax as outage


class Trading(NamedTuple):
    """What is frozen for the step; None what nothing in the run can change."""

    halted: jax.Array | None = None  # neither triggers nor trades, bool [asset, venue]
    out: jax.Array | None = None  # left out of arbitrage, and of indices that say so, bool [asset, venue]
    depth: jax.Array | None = None  # what outages leave of it [venue]
    throughput: jax.Array | None = None  # the same [venue]
    band: jax.Array | None = None  # what books take up to a breaker's level, USD [asset, side, venue]
    breakers: halt.Breakers | None = None
    failures: outage.Failures | None = None

    def traded(self, last, price):
        """Prices, those of halted markets as they last were."""
        return price if self.halted is None else jnp.where(self.halted, last, price)

    def trades(self, size):
        """Where orders can be sent at all, bool [asset, venue]; size: its shape."""
        open_ = jnp.ones(size, bool) if self.halted is None else ~self.halted
        return open_ if self.throughput is None else open_ & (self.throughput > 0)

    def deep(self, depth):
        """What outages leave of a depth [asset, venue]."""
        return depth if self.depth is None else depth * self.depth


def stands_still(parts) -> bool:
    """Whether any mark ever does: that of a halted market, or of a stale feed."""
    return parts.halt is not None or (parts.feed is not None and bool((parts.feed.stale != 0).any()))


def has_medians(parts) -> bool:
    """Whether any mark is a median."""
    return parts.marking is not None and bool((parts.marking.median > 0).any())


def initial(parts, size, dtype) -> dict:
    """What marks, feeds, halts and outages remember, by name of `State`; size: [asset, venue]."""
    zero, found = jnp.zeros(size, dtype), {}
    if has_medians(parts):
        found["basis"] = zero
    if stands_still(parts):
        found["still"] = Stands(jnp.zeros(size, bool), zero)
    if feed.longest(parts.feed) > 0:
        found["past"] = jnp.zeros((feed.longest(parts.feed), *size), dtype)
    if parts.halt is not None:
        found["breakers"] = halt.initial(size, dtype)
    if parts.outage is not None:
        found["failures"] = outage.initial(size[1], dtype)
    return found


def begin(market, drawn, state, fundamental, q, now) -> Trading:
    """Who trades in the step, from prices before anybody is forced."""
    arrays, parts, found = market.arrays, market.parts, {}
    if parts.halt is not None:
        price = fundamental[:, None] + PERCENT * book.displacement(q, arrays.alpha, arrays.band)
        step = now["number"].astype(jnp.int32)
        halted, breakers = halt.decide(parts.halt, state.breakers, price, step, now["closed"])
        halted = arrays.listed & halted
        found |= {"halted": halted, "out": halted, "breakers": breakers}
    if parts.outage is not None:
        chance = outage.draw(drawn.seed, drawn.path, now["number"], q.shape[1], q.dtype)
        down, throughput, depth, failures = outage.decide(parts.outage, state.failures, now, chance)
        down = jnp.broadcast_to(down, q.shape)
        found["out"] = found["out"] | down if "out" in found else down
        found |= {"depth": depth, "throughput": throughput, "failures": failures}
    return Trading(**found)


def even_out(market, trading, q, depth):
    """Consumption after arbitrage among the markets that trade [asset, venue]."""
    arrays, out = market.arrays, trading.out
    held, deep = (q, depth) if out is None else (jnp.where(out, 0.0, x) for x in (q, depth))
    evened = arbitrage.step(held, deep, arrays.alpha, arrays.band, arrays.arbitrage[:, None], market.thinning)
    stays = (q == 0).all(axis=-1, keepdims=True)
    return jnp.where(stays if out is None else stays | out, q, evened)


def marks(market, trading, state, price, before, now) -> mark.Marks:
    """The rules of the step's marks; those of halted markets and of stale feeds stand still.

    price : log prices at round 0 [asset, venue]
    before: fundamental and displacements at the end of the step before
    """
    arrays, parts = market.arrays, market.parts
    if parts.marking is None and parts.feed is None and parts.halt is None:
        return mark.Marks(arrays.mark_weight)
    rules = mark.freeze(
        arrays, parts.marking, state.basis, price, trading.halted, trading.out, now.get("feed_error")
    )
    if state.past is not None:
        lag = now["feed_lag"]
        shown = feed.shown(jnp.maximum(lag, 1), state.past, now["number"].astype(jnp.int32))
        rules = rules._replace(late=Stands(lag > 0, shown))
    if state.still is not None:
        frozen = jnp.zeros(price.shape, bool) if trading.halted is None else trading.halted
        if "feed_stale" in now:
            frozen = frozen | (arrays.listed & now["feed_stale"])
        held = jnp.where(state.still.where, state.still.price, rules.price(*before))
        rules = rules._replace(frozen=Stands(frozen, held))
    return rules


def watched(market, rules, deviation):
    """Distance that monitoring adds, nothing to marks that stand still: [asset, side, venue]."""
    arrays = market.arrays
    away = jnp.broadcast_to((arrays.monitoring * deviation)[:, None], arrays.depth.shape)
    away = away if rules.frozen is None else jnp.where(rules.frozen.where, 0.0, away)
    return jnp.stack([away, away], axis=1)


def limit(market, trading, room, fundamental, q, depth):
    """What books and engines take, USD [asset, side, venue], and the step's trading with its bands."""
    arrays, part = market.arrays, market.parts.halt
    throughput = arrays.throughput
    if trading.throughput is not None:
        left = trading.throughput
        capped = jnp.isfinite(throughput)
        some = jnp.where(capped, jnp.where(capped, throughput, 0.0) * left, jnp.inf)
        throughput = jnp.where(left > 0, some, 0.0)
    most = jnp.minimum(room, throughput[:, None, :])
    if part is not None:
        band = halt.bands(part, trading.breakers, arrays, fundamental, q, depth)
        trading = trading._replace(band=band)
        most = jnp.where(trading.halted[:, None], 0.0, jnp.minimum(most, band))
    return most, trading


def remember(market, state, trading, rules, fundamental, price, moved, sent, liquidated, limit, now) -> dict:
    """What marks, feeds, halts and outages remember of a step, by name of `State`.

    fundamental, price: after it, log [asset], [asset, venue]; moved: displacements at its end
    sent      : what was to go into the books, orders of others included, USD [asset, side, venue]
    liquidated: what has gone through engines, orders of others included, USD [asset, side, venue]
    """
    parts, found = market.parts, {}
    if state.basis is not None:
        found["basis"] = mark.remember(parts.marking, state.basis, rules, fundamental, price)
    if state.past is not None:
        place = now["number"].astype(jnp.int32) % len(state.past)
        found["past"] = state.past.at[place].set(rules._replace(late=None).price(fundamental, moved))
    if rules.frozen is not None:
        found["still"] = rules.frozen
    if parts.halt is not None:
        touched = (sent > trading.band) & (trading.band <= limit)
        touched = touched.any(axis=1) & ~trading.halted
        found["breakers"] = halt.remember(parts.halt, trading.breakers, price, trading.halted, touched)
    if parts.outage is not None:
        found["failures"] = outage.remember(parts.outage, trading.failures, liquidated.sum((0, 1)))
    return found

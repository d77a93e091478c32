"""Halts of one step in JAX: statements of step_numpy.py, for one path."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book.step_jax import consumption


class Breakers(NamedTuple):
    """State of the circuit breakers [asset, venue]."""

    reference: jax.Array  # log price that moves are measured from
    level: jax.Array  # levels that have tripped
    until: jax.Array  # step at which the market opens again
    touched: jax.Array  # bool: the last step's selling came to the level


def initial(shape, dtype) -> Breakers:
    """Nothing has tripped."""
    none = jnp.zeros(shape, jnp.int32)
    return Breakers(jnp.zeros(shape, dtype), none, none, jnp.zeros(shape, bool))


def timeline(part) -> dict:
    """Markets that are closed in every step, by schedule."""
    return {"closed": (part.closed > 0)[part.row]}


def at_level(values, level):
    """Values [level, asset, venue] of the level that each market is at, of the last one past it."""
    at = jnp.minimum(level, len(values) - 1)
    return jnp.take_along_axis(jnp.asarray(values), at[None], axis=0)[0]


def distances(part, level):
    """Falls and rises of the nearest level that has not tripped, inf past the last: [asset, venue]."""
    past = level > len(part.fall) - 1
    return tuple(jnp.where(past, jnp.inf, at_level(bound, level)) for bound in (part.fall, part.rise))


def decide(part, breakers, price, step, closed):
    """Markets that are halted in a step, Eqs. (1) and (2): bool [asset, venue], and the breakers.

    price: log, before anybody is forced [asset, venue]; step: int32; closed: by schedule
    """
    again = (breakers.until == step) & (step > 0) & (part.decay < 1)
    reference = jnp.where(again, price, breakers.reference)
    level = jnp.where(again, 0, breakers.level)
    fall, rise = distances(part, level)
    away = price - reference
    limited = jnp.isfinite(jnp.minimum(fall, rise))
    trips = (step >= breakers.until) & limited & ((-away >= fall) | (away >= rise) | breakers.touched)
    until = jnp.where(trips, step + at_level(part.steps, level), breakers.until)
    after = Breakers(reference, level + trips, until, jnp.zeros_like(trips))
    return (step < until) | closed, after


def bands(part, breakers, arrays, fundamental, q, depth):
    """What every book takes until its price is at the next level, Eq. (3): USD [asset, side, venue]."""
    fall, rise = distances(part, breakers.level)
    amounts = []
    for sign, bound in ((-1, fall), (1, rise)):
        some = jnp.isfinite(bound)
        level = breakers.reference + sign * jnp.where(some, bound, 0.0)
        x = (level - fundamental[..., None]) / PERCENT
        amount = jnp.maximum(sign * (consumption(x, arrays.alpha, arrays.band) - q), 0.0) * depth
        amounts.append(jnp.where(some, amount, jnp.inf))
    return jnp.stack(amounts, axis=1)


def remember(part, breakers, price, halted, touched) -> Breakers:
    """Breakers after a step, Eq. (4). price: log, at its end"""
    now = part.decay * breakers.reference + (1 - part.decay) * price
    return breakers._replace(reference=jnp.where(halted, breakers.reference, now), touched=touched)

"""Overlays in force in one step in JAX: statements of step_numpy.py, for one path."""

from __future__ import annotations

import jax.numpy as jnp

from kernels import sites
from kernels.parts.philox.philox_jax import words


def raised(part) -> dict:
    """Of every step: distance that raised maintenance rates add, Eq. (5), and rates added for accounts."""
    return {"margin": part.level[part.row], "margin_rate": part.rate[part.row]}


def events(part) -> dict:
    """Of every step: share of it within each event, and shocks at a factor of one."""
    return {"event_share": part.share.T, "event_shock": jnp.moveaxis(part.shock, 0, 1)}


def drawn(part, seed, path, by_tail):
    """Factors of a path on the events of drawn size, Eq. (7): [event]. by_tail: see exogenous."""
    word = words(seed, path, 0, sites.OVERLAY, len(part.share))
    return jnp.stack([by_tail(table, word[e]) for e, table in enumerate(part.quantile)])


def shock(factor, now):
    """Log return imposed in a step, Eq. (8): [asset]."""
    return (factor[:, None] * now["event_shock"]).sum(0)


def multiplier(level, factor, now):
    """Multiplier of volatilities or of depth, Eq. (8): [...] of logs at a factor of one [event, ...]."""
    more = (slice(None), *(None,) * (level.ndim - 1))
    return (1 + now["event_share"][more] * jnp.expm1(factor[more] * level)).prod(axis=0)


def rate(part, factor, now):
    """What is added to funding rates, Eq. (8): [asset, venue]."""
    return ((factor * now["event_share"])[:, None, None] * part.rate).sum(0)

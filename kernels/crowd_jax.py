"""Who of the tables is there in a path, in JAX: uncertain leverage and whales. See crowd_numpy.py."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.leverage import step_jax as leverage
from kernels.mechanisms.whale import step_jax as whales
from kernels.mechanisms.whale.step_jax import Whale


class Crowd(NamedTuple):
    """How a path's holders differ from the tables [asset, side, venue]."""

    scale: jax.Array  # factor on the tables' notional
    whole: jax.Array | None  # share of open interest that is no whale's; None: all
    whale: Whale | None

    def rows(self, rows):
        """Cumulative notional of this path [asset, side, group, venue, edge]."""
        return self.scale[:, :, None, :, None] * rows

    def by_tier(self, amounts):
        """Amounts of tables in this path [asset, side, venue, tier]."""
        return self.scale[..., None] * amounts


def drawn(parts, arrays, seed, path) -> Crowd | None:
    """The crowd of a path; None where all are as in the tables."""
    if parts.leverage is None and parts.whale is None:
        return None
    scale = jnp.ones(arrays.tier_notional.shape[:3], arrays.depth.dtype)
    if parts.leverage is not None:
        scale = jnp.broadcast_to(leverage.factor(parts.leverage, seed, path, scale.dtype), scale.shape)
    if parts.whale is None:
        return Crowd(scale, None, None)
    whale, whole = whales.drawn(parts.whale, seed, path)
    return Crowd(scale * whole, whole, whale)

"""Whales of a path in JAX: statements of step_numpy.py."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels import sites
from kernels.arrays import LANES
from kernels.mechanisms.whale import BAND
from kernels.parts.normal.normal_jax import normal
from kernels.parts.philox.philox_jax import words

SIGN = np.array([1, -1], np.float32)[:, None]  # [side, venue]; exact in either precision


class Whale(NamedTuple):
    """At most one on every side of a market [asset, side, venue]; see `step_numpy.Crowd`."""

    distance: jax.Array
    size: jax.Array
    margin: jax.Array
    tier: jax.Array

    def lump(self, reached):
        """The whale's notional up to a distance, Eq. (3): USD."""
        return self.size * jnp.clip((reached - self.distance) / BAND, 0.0, 1.0)

    def bin_end(self, reached):
        """Where the line that notional follows from `reached` on ends, for the whale's sake."""
        within = jnp.where(reached < self.distance + BAND, reached, jnp.inf)
        end = jnp.where(reached < self.distance, self.distance, within)
        return jnp.where(self.size > 0, end, jnp.inf)


def uniform(word, dtype):
    """A number in (0, 1) from the upper 24 bits of a word."""
    return ((word >> 8).astype(dtype) + 0.5) * 2.0**-24


def draw(part, seed, path):
    """Size and start margin of every whale, Eqs. (1) and (2): USD and 1 [asset, side, venue]."""
    (n_asset, _, n_venue), dtype = part.chance.shape, part.size.dtype
    drawn = words(seed, path, 0, sites.WHALE, n_asset * 2 * LANES * 4)
    drawn = drawn.reshape(n_asset, 2, LANES, 4)[:, :, :n_venue]
    # Thresholds go up to 2**32, which no word reaches.
    always = part.chance > 0xFFFFFFFF
    there = (drawn[..., 0] < np.minimum(part.chance, 0xFFFFFFFF).astype(np.uint32)) | always
    spread = part.deviation * normal(drawn[..., 1], dtype)
    log_share = part.size + spread - part.power * jnp.log(uniform(drawn[..., 1], dtype))
    size = jnp.where(there, jnp.minimum(jnp.exp(log_share), part.cap) * part.open, 0.0)
    return size, jnp.exp(part.margin + part.spread * uniform(drawn[..., 2], dtype))


def drawn(part, seed, path):
    """Whales of a path, and the share of open interest that is no whale's [asset, side, venue]."""
    size, margin = draw(part, seed, path)
    whole = 1 - size / jnp.where(part.open > 0, part.open, 1.0)
    # Nobody starts insolvent: one whose margin is below maintenance is forced in the first step.
    left = jnp.maximum(1 - SIGN * margin, 1e-30) / (1 - SIGN * part.rate)
    distance = jnp.where(size > 0, jnp.maximum(-SIGN * jnp.log(left), 0.0), jnp.inf)
    tier = jnp.maximum((margin[..., None] <= part.floor).sum(axis=-1) - 1, 0)
    return Whale(distance, size, margin, tier), whole


def losses(margin, notional, price):
    """Loss within margin, deficit and margin left of whales' slices, Eq. (4): USD [asset, side, venue] each.

    price: the fill less funding paid [asset, venue]
    """
    consumed = SIGN * (1 - price[:, None])
    deficit = notional * jnp.maximum(consumed - margin, 0.0)
    lost = notional * consumed - deficit
    return lost, deficit, notional * margin - lost


def cover(deficit):
    """The largest deficit of one account, and of two, venue by venue and over all: USD [venue+, 2].

    deficit: by whale [asset, side, venue]
    """
    single = deficit.reshape(-1, deficit.shape[-1]).T
    found = [jnp.cumsum(jax.lax.top_k(x, 2)[0], axis=-1) for x in (single, deficit.reshape(1, -1))]
    return jnp.concatenate(found)

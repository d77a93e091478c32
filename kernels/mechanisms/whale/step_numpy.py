"""Whales of a path: the specification. Equations of docs/methods/whale.md."""

from dataclasses import astuple, dataclass

import numpy as np

from kernels import sites
from kernels.arrays import LANES
from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.whale import BAND
from kernels.parts.normal.normal_numpy import normal
from kernels.parts.philox.philox_numpy import words


@dataclass
class Crowd:
    """How a path's holders differ from the tables: all [path, asset, side, venue]."""

    scale: np.ndarray  # factor on the tables' notional
    whole: np.ndarray  # share of open interest that is no whale's
    distance: np.ndarray  # at which the whale begins to be forced; inf without one
    size: np.ndarray  # its notional, USD
    margin: np.ndarray  # its start margin per dollar
    tier: np.ndarray  # its tier
    executed: np.ndarray  # how far it has been executed, a distance

    def at(self, index):
        """The rows `index`."""
        return Crowd(*(x[index] for x in astuple(self)))

    def lump(self, reached):
        """The whale's notional up to a distance, Eq. (3): USD, the shape of `reached`."""
        return self.size * np.clip((reached - self.distance) / BAND, 0.0, 1.0)

    def bin_end(self, reached):
        """Where the line that notional follows from `reached` on ends, for the whale's sake."""
        within = np.where(reached < self.distance + BAND, reached, np.inf)
        return np.where(self.size > 0, np.where(reached < self.distance, self.distance, within), np.inf)


def uniform(word):
    """A number in (0, 1) from the upper 24 bits of a word."""
    return ((word >> np.uint32(8)) + 0.5) * 2.0**-24


def draw(part, seed, path):
    """Size and start margin of every whale, Eqs. (1) and (2): USD and 1 [path, asset, side, venue].

    The size is zero where there is none.
    """
    n_asset, _, n_venue = part.chance.shape
    drawn = words(seed, path, 0, sites.WHALE, n_asset * 2 * LANES * 4)
    drawn = drawn.reshape(len(path), n_asset, 2, LANES, 4)[..., :n_venue, :]
    there = drawn[..., 0].astype(np.uint64) < part.chance
    log_share = (
        part.size + part.deviation * normal(drawn[..., 1]) - part.power * np.log(uniform(drawn[..., 1]))
    )
    size = np.where(there, np.minimum(np.exp(log_share), part.cap) * part.open, 0.0)
    return size, np.exp(part.margin + part.spread * uniform(drawn[..., 2]))


def crowd(arrays, part, factor, seed, path):
    """Whales and what they leave to others; factor: of uncertain leverage, [path, asset, side, venue]."""
    size, margin = draw(part, seed, path)
    whole = 1 - size / np.where(part.open > 0, part.open, 1.0)
    sign = np.array([1.0, -1.0])[:, None]
    # Nobody starts insolvent: one whose margin is below maintenance is forced in the first step.
    left = np.maximum(1 - sign * margin, 1e-30) / (1 - sign * part.rate)
    distance = np.maximum(-sign * np.log(left), 0.0)
    distance = np.where(size > 0, distance, np.inf)
    tier = np.maximum((margin[..., None] <= part.floor).sum(axis=-1) - 1, 0)
    return Crowd(factor * whole, whole, distance, size, margin, tier, np.zeros_like(size))


def losses(side, margin, notional, price):
    """Loss within margin, deficit and margin left of whales' slices, Eq. (4): USD [n] each.

    side, margin, notional, price: [n]; price: the fill less funding paid
    """
    consumed = np.where(side == LONG, 1 - price, price - 1)
    deficit = notional * np.maximum(consumed - margin, 0.0)
    lost = notional * consumed - deficit
    return lost, deficit, notional * margin - lost


def cover(deficit):
    """The largest deficit of one account, and of two, venue by venue and over all: USD [path, venue+, 2].

    deficit: by whale [path, asset, side, venue]
    """
    n_path, n_venue = len(deficit), deficit.shape[-1]
    single = np.moveaxis(deficit, -1, 1).reshape(n_path, n_venue, -1)
    every = single.reshape(n_path, 1, -1)
    found = [np.cumsum(-np.sort(-x, axis=-1)[..., :2], axis=-1) for x in (single, every)]
    return np.concatenate(found, axis=1)

"""Overlays in force in one step: the specification. Equations of docs/methods/overlay.md."""

from dataclasses import dataclass

import numpy as np

from kernels import sites
from kernels.mechanisms.exogenous.step_numpy import by_tail
from kernels.mechanisms.overlay import Event
from kernels.parts.philox.philox_numpy import words


def volatility(arrays, step):
    """Multiplier of every asset's volatility in a step: float64 [asset]."""
    return arrays.volatility_level[arrays.volatility_row[step]]


def depth(arrays, step):
    """Multiplier of every book's depth in a step: float64 [asset, venue]."""
    return arrays.depth_level[arrays.depth_row[step]]


def margin(part, step):
    """Distance that raised maintenance rates add in a step, Eq. (5): float64 [asset, side, venue]."""
    return part.level[part.row[step]]


def shock(arrays, step):
    """Log return imposed in a step: float64 [asset]."""
    return arrays.shock[step]


@dataclass
class Drawn:
    """Events of drawn size, and the factors on them of every path."""

    part: Event
    factor: np.ndarray  # [path, event]

    def shock(self, step):
        """Log return imposed in a step, Eq. (8): [path, asset]."""
        return self.factor @ self.part.shock[:, step]

    def volatility(self, step):
        """Multiplier of every asset's volatility, Eq. (8): [path, asset]."""
        return self.multiplier(self.part.volatility, step)

    def depth(self, step):
        """Multiplier of every book's depth, Eq. (8): [path, asset, venue]."""
        return self.multiplier(self.part.depth, step)

    def rate(self, step):
        """What is added to funding rates, Eq. (8): [path, asset, venue]."""
        return np.einsum("pe,e,eav->pav", self.factor, self.part.share[:, step], self.part.rate)

    def multiplier(self, level, step):
        more = (1,) * (level.ndim - 1)
        share, factor = (
            self.part.share[:, step].reshape(-1, *more),
            self.factor.reshape(*self.factor.shape, *more),
        )
        return (1 + share * np.expm1(factor * level)).prod(axis=1)


def drawn(scenario, seed, path):
    """Factors of every path on the events of drawn size, Eq. (7); None where there are none."""
    part = scenario.parts.event
    if part is None:
        return None
    word = words(seed, path, 0, sites.OVERLAY, len(part.share))
    return Drawn(
        part, np.stack([by_tail(table, word[:, e]) for e, table in enumerate(part.quantile)], axis=1)
    )

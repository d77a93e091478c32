"""Risk factors without books: a stock index, the dollar, rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stress import units
from stress.config.base import Number, PositivePercentage, Quantity, Strict, Text

if TYPE_CHECKING:
    import numpy as np

CorrelationNumber = Annotated[float, Quantity(units.NUMBER, above=-1, below=1)]


class Factor(Strict):
    """What moves with the assets and is traded nowhere: a shock can be put on it, which moves them."""

    name: Text
    """Name for people; the key in `factors` is what the config calls it."""
    volatility: PositivePercentage
    """Standard deviation of the log return in a year."""
    correlations: dict[str, CorrelationNumber] = Field(min_length=1)
    """Correlations with assets, and with factors above it; those not named follow from the named ones."""
    betas: dict[str, Number] = {}
    """Log return of an asset per log return that is imposed on the factor; by default correlation x
    volatility of the asset / volatility of the factor."""


def row(matrix: np.ndarray, names: tuple[str, ...], stated: Mapping[str, float]) -> np.ndarray:
    """Correlations of one more factor with all before it, Eq. (10) of docs/methods/exogenous.md: [name].

    matrix: correlations of `names` [name, name]
    stated: the factor's correlations with some of them
    """
    import numpy as np

    named = [i for i, name in enumerate(names) if name in stated]
    given = np.array([stated[names[i]] for i in named])
    return matrix[:, named] @ np.linalg.solve(matrix[np.ix_(named, named)], given)


def extended(
    matrix: tuple[tuple[float, ...], ...], assets: tuple[str, ...], factors: Mapping[str, Factor]
) -> np.ndarray:
    """Correlations of assets and factors, factors last: float64 [name, name]."""
    import numpy as np

    whole, names = np.array(matrix), assets
    for name, factor in factors.items():
        more = row(whole, names, factor.correlations)
        whole = np.block([[whole, more[:, None]], [more[None, :], np.ones((1, 1))]])
        names = (*names, name)
    return whole

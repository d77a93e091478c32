"""Correlations of returns, as they are written wherever they are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from stress.config.base import Number, Strict


class Correlation(Strict):
    """Correlation of the assets' returns: one number for all pairs, or a matrix."""

    common: Number | None = None
    """Correlation of every pair; `correlation: 0.7` is short for it."""
    assets: tuple[str, ...] | None = None
    """Assets of the rows and columns of `matrix`."""
    matrix: tuple[tuple[Number, ...], ...] | None = None
    """Symmetric and positive definite, with ones on the diagonal."""

    def ordered(self, assets: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        """The matrix with rows and columns in the order of `assets`."""
        if self.common is not None or self.matrix is None or self.assets is None:
            common = self.common or 0.0
            return tuple(tuple(1.0 if a == b else common for b in assets) for a in assets)
        row = {asset: i for i, asset in enumerate(self.assets)}
        return tuple(tuple(self.matrix[row[a]][row[b]] for b in assets) for a in assets)


def _long_form(value: object) -> object:
    return {"common": value} if isinstance(value, str) else value


CorrelationField = Annotated[Correlation, BeforeValidator(_long_form)]
"""A correlation as a config names it: one number, or a matrix."""

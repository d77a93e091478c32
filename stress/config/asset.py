"""An underlying: Bitcoin, Ether, a basket of small coins."""

from __future__ import annotations

from stress.config.base import NonNegativePercentage, PositiveDollars, Strict, Text
from stress.units import YEAR_SECONDS


class Asset(Strict):
    """An underlying that is traded on one or more venues."""

    name: Text
    """Name for people; the key in `assets` is what the config calls it."""
    price: PositiveDollars
    """Price of one coin at the start."""
    volatility: NonNegativePercentage
    """Standard deviation of the log return in a year, as it is during the run."""
    calm_volatility: NonNegativePercentage
    """The volatility, in a year, at which market makers quote their full depth."""


def daily(asset: Asset) -> float:
    """Standard deviation of the log return of a calm day."""
    return asset.calm_volatility * (86_400 / YEAR_SECONDS) ** 0.5

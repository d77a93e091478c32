"""Whales: single holders large enough to matter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stress.config.base import PartShare, PositiveLeverage, PositiveNumber, Share, Spread, Strict


class LognormalSize(Strict):
    """Log-normal shares of open interest."""

    kind: Literal["lognormal"]
    median: PartShare
    """Median share of the market's open interest."""
    deviation: Spread
    """Standard deviation of its logarithm."""


class ParetoSize(Strict):
    """Shares of open interest with a power tail."""

    kind: Literal["pareto"]
    least: PartShare
    """Smallest share of the market's open interest."""
    exponent: PositiveNumber
    """Tail exponent: a share twice as large is 2^exponent times rarer."""


class Whales(Strict):
    """At most one whale on each side of a market, drawn once a path."""

    chance: Share
    """Probability of one on a side."""
    side: Literal["long", "short", "both"] = "both"
    """Sides on which there may be one."""
    size: Annotated[LognormalSize | ParetoSize, Field(discriminator="kind")]
    """Its share of the market's open interest, taken out of everybody else's."""
    largest: PartShare = 0.5
    """Its largest share."""
    lowest_leverage: PositiveLeverage
    """Lowest effective leverage, notional over equity at the start ..."""
    highest_leverage: PositiveLeverage
    """... and highest; log-uniform between them."""


class LeverageUncertainty(Strict):
    """How unsure it is how much can be forced: a log-normal factor of median one, drawn once a path."""

    own: Spread = 0.0
    """Standard deviation of the logarithm of the venue's own factor."""
    common: Spread = 0.0
    """The same of the factor that all venues share."""

"""What public feeds show of forced flow.

Feeds of some venues push at most one order a second and symbol, so reported liquidations are a lower bound;
on a chain all of them are there. A factor is the share that is reported, 1 where nothing is said of a venue:
what a model forces and what a feed shows are compared only after one of the two was put through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from stress.errors import ConfigError, Problem

Amount = TypeVar("Amount")


def reported(true: Mapping[str, Amount], factors: Mapping[str, float]) -> dict[str, Amount]:
    """True flow by venue as its feed shows it; amounts may be numbers or arrays.

    raises: ConfigError for a factor that is not above 0 and at most 1
    """
    for venue, factor in factors.items():
        if not 0 < factor <= 1:
            why = "it is the share of the true flow that a feed shows"
            raise ConfigError.of([Problem(None, venue, f"reporting factor {factor:g} is out of range", why)])
    return {venue: amount * factors.get(venue, 1.0) for venue, amount in true.items()}  # type: ignore[operator]

"""A market: one asset on one venue."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stress.config.base import (
    Depth,
    Dollars,
    Duration,
    MaximumLeverage,
    NonNegativeNumber,
    NonNegativePercentage,
    Share,
    ShareOrNever,
    Strict,
    Text,
    Truth,
)
from stress.config.book import BookOverride
from stress.config.positions import Brackets, Positions
from stress.config.whale import Whales

MOST_CLASSES = 4
"""Maintenance classes of a market; a ladder takes the place of one."""


class Mark(Strict):
    """The price at which a venue liquidates.

    `mean`: own x its last price + (1 - own) x an index. `median`: the middle one of the index plus an
    average of its own basis, its own last price, and a second index.
    """

    kind: Literal["mean", "median"] = "mean"
    """How the mark is made of its parts."""
    own: Share | None = None
    """For `mean`: weight of the venue's own last price; 100% by default."""
    index: dict[str, NonNegativeNumber] | None = None
    """Weights of venues in the index, among those that list the asset; by depth by default."""
    second_index: dict[str, NonNegativeNumber] | None = None
    """For `median`: weights of venues in the third candidate; those of `index` by default."""
    basis_half_life: Duration | None = None
    """For `median`: half-life of the average of own price less index that is added to the index."""
    exclude_beyond: ShareOrNever = None
    """A source further than this from the median of the index's sources is left out of it for the step."""
    exclude_halted: Truth = True
    """Whether halted markets and venues that are down are left out; else their last price counts on."""


class MaintenanceClass(Strict):
    """Positions under one maintenance rule: margin >= rate x notional - deduction x start notional."""

    share: Share = 1.0
    """Share of the market's open interest under this rule; classes add up to 100%."""
    rate: Share
    """Maintenance margin per dollar of present notional."""
    deduction: NonNegativePercentage = 0.0
    """Relief per dollar of start notional, where a venue's brackets grant one."""


class Market(Strict):
    """A market: one asset on one venue; a spot market has no open interest."""

    open_interest: Dollars
    """Open interest at the start, one side: longs equal shorts. $0 for a spot market."""
    depth: Depth
    """Dollars that move the price by 1% at rest."""
    maximum_leverage: MaximumLeverage | None = None
    """Highest leverage allowed; the venue's by default, and filled in from there."""
    mix: Text | None = None
    """Leverage mix, a name in `mixes`; the venue's by default, and filled in from there."""
    maintenance: tuple[MaintenanceClass, ...] = Field(default=(), max_length=MOST_CLASSES)
    """Maintenance classes, at most four; three where the venue has a ladder. A spot market has none."""
    brackets: Brackets | None = None
    """The venue's maintenance brackets by position size, in place of `maintenance`."""
    positions: Positions | None = None
    """A file that says who holds what, in place of `mix`."""
    mark: Mark | None = None
    """Its mark price, where that is not made like the others of its venue."""
    whales: Whales | None = None
    """Single holders large enough to matter; the venue's by default."""
    book: BookOverride | None = None
    """What is different about its order book."""

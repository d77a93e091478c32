"""Where positions come from, other than leverage tiers: files; and brackets of maintenance by size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stress.config.base import (
    Dollars,
    MaximumLeverage,
    NonNegativePercentage,
    PositiveDollars,
    PositiveNumber,
    PositivePercentage,
    Share,
    Strict,
)
from stress.config.table import FileField

MOST_BRACKETS = 100

Remainder = Literal["none", "never_forced"]


class LiquidationMap(Strict):
    """An observed liquidation map: how much is liquidated at which price."""

    kind: Literal["map"]
    file: FileField
    """Columns price (in dollars), side (long or short), notional (in start dollars); leverage, if known."""
    remainder: Remainder = "none"
    """Open interest that the file does not hold: none, which is an error, or never forced."""


class AccountList(Strict):
    """Positions, one by one, each with its account."""

    kind: Literal["accounts"]
    file: FileField
    """Columns account, side, size (in coins) or notional; and equity, or entry with margin or leverage, or
    leverage."""
    remainder: Remainder = "none"
    """Open interest that the file does not hold: none, which is an error, or never forced."""
    below_maintenance: Literal["refuse", "leave_out"] = "refuse"
    """What to do with a position that is below its maintenance margin at the start."""


Positions = Annotated[LiquidationMap | AccountList, Field(discriminator="kind")]


class Sizes(Strict):
    """Sizes of positions, counted by number: lognormal."""

    median: PositiveDollars
    """Half of all positions are smaller."""
    sigma: PositiveNumber
    """Standard deviation of the logarithm of the size; at most 5."""


class Bracket(Strict):
    """One row of a venue's table: margin >= rate x notional - deduction, for positions up to a size."""

    up_to: PositiveDollars
    """Largest notional of a position in the bracket."""
    rate: Share
    """Maintenance margin per dollar of notional."""
    deduction: Dollars | None = None
    """Maintenance amount, in dollars; by default what leaves no jump at the bracket before."""
    maximum_leverage: MaximumLeverage | None = None
    """Highest leverage of a position in the bracket; the market's where there is none."""


class Brackets(Strict):
    """Maintenance by position size, as venues publish it."""

    table: tuple[Bracket, ...] = Field(min_length=1, max_length=MOST_BRACKETS)
    """Brackets, smallest first."""
    sizes: Sizes | None = None
    """How large positions are; not needed where a list of accounts says so."""

    @property
    def deductions(self) -> tuple[float, ...]:
        """Maintenance amounts in dollars, what is left out filled in."""
        found: list[float] = []
        for i, bracket in enumerate(self.table):
            before = self.table[i - 1]
            smooth = found[-1] + before.up_to * (bracket.rate - before.rate) if i else 0.0
            found.append(smooth if bracket.deduction is None else bracket.deduction)
        return tuple(found)


class OpenedPart(Strict):
    """Part of the positions, opened around one price."""

    share: Share = 1.0
    """Share of the side's open interest; the parts add up to 100%."""
    price: PositivePercentage
    """Median entry price, as a share of the price at the start."""
    deviation: NonNegativePercentage = 0.0
    """Standard deviation of the logarithm of the entry price."""


class Opened(Strict):
    """Where positions were opened."""

    long: tuple[OpenedPart, ...] = Field(min_length=1, max_length=100)
    """Of the longs."""
    short: tuple[OpenedPart, ...] = Field(min_length=1, max_length=100)
    """Of the shorts."""

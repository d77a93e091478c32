"""Leverage tiers, and how open interest is spread over them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from stress import units
from stress.config.base import Leverage, PositivePercentage, Share, Strict
from stress.config.positions import Opened

MOST_TIERS = 8


class Tier(Strict):
    """A band of present effective leverage, notional over equity at the start: [from, to)."""

    from_: Leverage = Field(alias="from")
    """Lowest leverage in the tier."""
    to: Leverage
    """Leverage at which the next tier begins."""

    @property
    def key(self) -> str:
        """What a mix calls the tier: "1x-3x"."""
        return f"{units.LEVERAGE.format(self.from_)}-{units.LEVERAGE.format(self.to)}"

    @property
    def name(self) -> str:
        """The name in results: "[1,3)"."""
        return f"[{units.NUMBER.format(self.from_)},{units.NUMBER.format(self.to)})"


class NeverForced(Strict):
    """Shares of each tier that are hedged or topped up: never forced, but open to deleveraging."""

    long: dict[str, Share] = {}
    """By tier, of the longs; 0% where not named."""
    short: dict[str, Share] = {}
    """By tier, of the shorts; 0% where not named."""


class Entry(Strict):
    """Mean entry prices of a tier's holders, over the price at the start."""

    long: dict[str, PositivePercentage] = {}
    """By tier, of the longs; 100% where not named."""
    short: dict[str, PositivePercentage] = {}
    """By tier, of the shorts; 100% where not named."""


def _by_side(value: Any) -> Any:
    """`never_forced` in its full form: a number or a mapping by tier counts for both sides."""
    if isinstance(value, dict) and set(value) <= {"long", "short"}:
        return value
    return {"long": value, "short": value}


class Mix(Strict):
    """Shares of a market's open interest by leverage tier."""

    long: dict[str, Share]
    """By tier, of the longs; they add up to 100%."""
    short: dict[str, Share]
    """By tier, of the shorts; they add up to 100%."""
    never_forced: Annotated[NeverForced, BeforeValidator(_by_side)] = NeverForced()
    """One share, shares by tier, or these for `long` and `short`; 0% where not named."""
    entry: Entry = Entry()
    """Where holders entered: who of them is in profit, and by how much, when winners are deleveraged."""
    opened: Opened | None = None
    """At which prices positions were opened; with it the tiers count leverage then, not at the start."""

    @model_validator(mode="before")
    @classmethod
    def _every_tier(cls, data: Any) -> Any:
        """Spread a lone share of `never_forced` over the tiers of its side."""
        if not isinstance(data, dict) or "never_forced" not in data:
            return data
        sides = _by_side(data["never_forced"])
        for side, shares in sides.items():
            tiers = data.get(side)
            if isinstance(shares, str) and isinstance(tiers, dict):
                sides = {**sides, side: dict.fromkeys(tiers, shares)}
        return {**data, "never_forced": sides}

"""Accounts of a venue: holders whose margin depends on several prices at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stress.config.base import Duration, PartShare, Percentage, PositiveDollars, Share, Strict, Text

CASH = "cash"
"""What a dollar is called where collateral is named."""


class Accounts(Strict):
    """What all kinds of accounts have in common."""

    open_interest: PositiveDollars
    """Notional of all their positions; it is part of the markets' open interest, not in addition to it."""
    leverage: dict[str, Share]
    """Shares of it by leverage tier, all positions over all equity; they add up to 100%."""
    never_forced: dict[str, Share] = {}
    """One share, or shares by tier, that are hedged elsewhere or topped up; 0% where not named."""
    half_life: Duration | None = None
    """Half-life in which triggered accounts are closed; at once by default."""
    first_close: PartShare | None = None
    """Share that is closed first, the rest when the account falls short again; all at once by default."""

    @model_validator(mode="before")
    @classmethod
    def _every_tier(cls, data: Any) -> Any:
        """Spread a lone share of `never_forced` over the tiers."""
        if not isinstance(data, dict) or not isinstance(data.get("never_forced"), str):
            return data
        tiers = data["leverage"] if isinstance(data.get("leverage"), dict) else ()
        return {**data, "never_forced": dict.fromkeys(tiers, data["never_forced"])}


class CrossMargin(Accounts):
    """Portfolios of positions that share one margin, in cash."""

    kind: Literal["cross_margin"]
    legs: dict[str, Percentage] = Field(min_length=1, max_length=16)
    """Positions by asset, as shares of `open_interest`, shorts negative; without signs they make 100%."""

    @property
    def weights(self) -> dict[str, float]:
        """Signed positions per dollar of notional."""
        return dict(self.legs)


class CoinMargined(Accounts):
    """Inverse contracts: positions in an asset whose margin is that asset."""

    kind: Literal["coin_margined"]
    asset: Text
    """Underlying and collateral."""
    side: Literal["long", "short"]
    """Which way they are positioned."""

    @property
    def weights(self) -> dict[str, float]:
        """Signed positions per dollar of notional."""
        return {self.asset: 1.0 if self.side == "long" else -1.0}


class Collateral(Strict):
    """One coin among the collateral of unified accounts."""

    share: Share
    """Share of the accounts' equity at the start."""
    ratio: Share = 1.0
    """Collateral ratio: share of its worth that counts as margin; 1 less the haircut."""
    valued_as: Text | None = None
    """Whose price counts as margin: its own mark here by default; another asset that it is redeemed for, or
    `cash`, where the venue values it at redemption."""
    seized: Literal["sold", "kept"] = "sold"
    """Whether the venue sells it into its own book when it closes an account, or keeps it."""


class Unified(Accounts):
    """Unified accounts: portfolios whose margin is a basket of coins and cash."""

    kind: Literal["unified"]
    legs: dict[str, Percentage] = Field(min_length=1, max_length=16)
    """Positions by asset, as shares of `open_interest`, shorts negative; without signs they make 100%."""
    collateral: dict[str, Collateral]
    """Coins by asset; what is left of 100% is cash."""

    @property
    def weights(self) -> dict[str, float]:
        """Signed positions per dollar of notional."""
        return dict(self.legs)


AnyAccounts = Annotated[CrossMargin | CoinMargined | Unified, Field(discriminator="kind")]

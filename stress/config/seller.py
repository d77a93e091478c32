"""Other forced sellers: lenders, treasury companies, stop orders, and holders who leave before they must."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from stress import units
from stress.config.base import (
    DollarRate,
    Dollars,
    Duration,
    Instant,
    NonNegativeNumber,
    Number,
    PartShare,
    PositiveDollars,
    PositiveNumber,
    Quantity,
    Share,
    Strict,
    Text,
)

PositiveShare = Annotated[float, Quantity(units.SHARE, above=0, most=1)]
Assets = Annotated[tuple[Text, ...], Field(min_length=1)]


class Loans(Strict):
    """Loans of one range of loan-to-value, debt over the worth of the collateral at the start."""

    from_: PartShare = Field(alias="from")
    """Lowest loan-to-value."""
    to: PartShare
    """Highest loan-to-value."""
    amount: PositiveDollars
    """Debt, in dollars."""


class Pool(Strict):
    """Loans of dollars on one basket of collateral."""

    collateral: dict[str, Share] = Field(min_length=1)
    """Shares of the collateral's worth at the start, by asset; they add up to 100%."""
    loans: tuple[Loans, ...] = Field(min_length=1, max_length=64)
    """Debt by loan-to-value."""
    topped_up: Share = 0.0
    """Share of the debt whose borrowers repay or add collateral in time, and are never sold up."""


class DefiPool(Pool):
    """Loans that anybody may liquidate for a bonus."""

    liquidation_threshold: PartShare
    """Loan-to-value at which a loan may be liquidated."""
    bonus: Share
    """Collateral that a liquidator gets beyond the debt that he repays, as a share of it; he acts while this
    is more than the books are below the oracle at the start of a step."""
    close_factor: PositiveShare = 0.5
    """Share of a loan's debt that one liquidation repays; what is left is liquidated when it is due again."""


class CefiPool(Pool):
    """Loans with margin calls."""

    margin_call: PartShare
    """Loan-to-value at which the lender calls for margin, and sells where none comes."""
    half_life: Duration
    """Half-life in which what is called and not topped up gets sold."""


class DefiLoans(Strict):
    """A lending protocol: a place of its own in results, with bad debt of its own, and no order books."""

    kind: Literal["defi_loans"]
    name: Text | None = None
    """Name for people."""
    oracle: dict[str, NonNegativeNumber] | None = None
    """Weights of venues in its price feed; all by depth by default."""
    sold_on: dict[str, NonNegativeNumber] = Field(min_length=1)
    """Weights of the venues on whose books collateral is sold, among those that list it."""
    reserve: Dollars = 0.0
    """What covers bad debt first."""
    pools: dict[str, DefiPool] = Field(min_length=1, max_length=8)
    """Loans by basket of collateral."""


class CefiLoans(Strict):
    """A lender with margin calls: a place of its own in results, with bad debt of its own."""

    kind: Literal["cefi_loans"]
    name: Text | None = None
    """Name for people."""
    oracle: dict[str, NonNegativeNumber] | None = None
    """Weights of venues in the prices that it goes by; all by depth by default."""
    sold_on: dict[str, NonNegativeNumber] = Field(min_length=1)
    """Weights of the venues on whose books collateral is sold, among those that list it."""
    reserve: Dollars = 0.0
    """What covers bad debt first."""
    pools: dict[str, CefiPool] = Field(min_length=1, max_length=8)
    """Loans by basket of collateral."""


class Sale(Strict):
    """A sale that is due by the calendar: debt that matures, dividends, redemptions that are known."""

    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it takes, evenly."""
    amount: PositiveDollars
    """What is sold, at start prices, of each holding in proportion."""


class Premium(Strict):
    """What a company does by its mNAV: its market value, debt included, over what its coins are worth."""

    mnav: PositiveNumber
    """mNAV at the start."""
    elasticity: PositiveNumber
    """Percent by which its market value moves for a percent of its holdings' value; above 1, so that the
    premium shrinks in a fall."""
    buys: DollarRate | None = None
    """What it buys in a time, at start prices, with new shares while mNAV is above `buys_above`."""
    buys_above: PositiveNumber = 1.0
    """mNAV from which on down it issues no shares."""
    sells: DollarRate | None = None
    """What it sells in a time, at start prices, while mNAV is below `sells_below`."""
    sells_below: PositiveNumber = 1.0
    """mNAV below which it sells coins, to buy its shares back or for want of other money."""
    most: Share = 1.0
    """Share of its holdings that it sells at most."""


class Company(Strict):
    """One treasury company."""

    holdings: dict[str, PositiveDollars] = Field(min_length=1)
    """What it holds at the start, by asset."""
    debt: PositiveDollars | None = None
    """Debt under the covenant; none by default."""
    covenant: PartShare | None = None
    """Loan-to-value, debt over holdings, at which it must sell to repay that debt."""
    limit: DollarRate | None = None
    """Most that it sells under the covenant in a time, at start prices; no limit by default."""
    sales: tuple[Sale, ...] = Field(default=(), max_length=32)
    """What it sells by the calendar, whatever the price."""
    premium: Premium | None = None
    """What it buys and sells by the premium of its shares over its holdings; nothing by default."""


class Treasuries(Strict):
    """Companies that hold coins, and must sell when they are worth too little for a debt, or on a day."""

    kind: Literal["treasuries"]
    sold_on: dict[str, NonNegativeNumber] = Field(min_length=1)
    """Weights of the venues on whose books they sell, among those that list the asset; the first one's marks
    are what their holdings are worth."""
    companies: dict[str, Company] = Field(min_length=1, max_length=8)
    """By name."""


class Triggers(Strict):
    """Orders of one range of trigger prices, spread evenly over it."""

    from_: PositiveShare = Field(alias="from")
    """Move of the price against the holder, as a share of the start price, at the first of them."""
    to: PositiveShare
    """The same at the last."""
    share: PositiveShare = 1.0
    """Share of the orders; the ranges add up to 100%."""


class StopLoss(Strict):
    """Stop orders of holders without leverage: they sell past a price, and have no margin to lose."""

    kind: Literal["stop_loss"]
    side: Literal["long", "short"] = "long"
    """Holders who sell after a fall, or who buy back after a rise."""
    orders: dict[str, dict[str, PositiveDollars]] = Field(min_length=1)
    """Amounts by venue and asset, at start prices; in addition to the markets' open interest."""
    triggers: tuple[Triggers, ...] = Field(min_length=1, max_length=16)
    """How far away they are."""


class RestingStops(Strict):
    """Stop orders that nobody publishes: as many as books are deep, as far away as prices move in days."""

    kind: Literal["resting_stops"]
    side: Literal["long", "short"] = "long"
    """Holders who sell after a fall, or who buy back after a rise."""
    venues: Assets
    """Venues on whose books they rest."""
    assets: Assets | None = None
    """Assets; all by default."""
    density: PositiveNumber
    """Dollars of orders for a percent of the price, over the depth: 1 moves the price as far again."""
    from_: PositiveNumber = Field(alias="from")
    """Move against the holder at the first of them, in calm volatilities of a day."""
    to: PositiveNumber
    """The same at the last."""


def _shares(value: object) -> object:
    return {"all": value} if isinstance(value, str) else value


class Some(Strict):
    """Holders among a side of the markets, margin of their own: where, and how many."""

    side: Literal["long", "short"] = "long"
    """Which side of the markets."""
    venues: Assets | None = None
    """Venues; all that have such holders by default."""
    assets: Assets | None = None
    """Assets; all by default."""
    share: Annotated[dict[str, Share], BeforeValidator(_shares)] = Field(min_length=1)
    """Share of those who could be forced: one for all, or by leverage tier; 0% where not named."""

    def shares(self, venue: str, asset: str, side: int, tiers: tuple[str, ...]) -> list[float]:
        """Shares by tier of one side of a market."""
        chosen = self.venues is None or venue in self.venues
        chosen = chosen and (self.assets is None or asset in self.assets)
        if not chosen or side != ("long", "short").index(self.side):
            return [0.0] * len(tiers)
        return [self.share.get("all", self.share.get(tier, 0.0)) for tier in tiers]


class RetailExit(Some):
    """Holders who close their position before they are liquidated; part of the markets' open interest."""

    kind: Literal["retail_exit"]
    at: PartShare
    """How far of the way to liquidation they go, in log price."""


class Hedge(Some):
    """Holders with puts or short hedges elsewhere, whose gains go into the margin."""

    kind: Literal["hedge"]
    ratio: PositiveShare
    """Share of the position that is hedged."""
    beyond: Share = 0.0
    """Move against the position from which the hedge pays: how far out of the money a put is."""


class Followers(Strict):
    """Holders whose flows follow the returns that they remember: log returns that fade with time."""

    holdings: dict[str, PositiveDollars] = Field(min_length=1)
    """What they hold at the start, by asset."""
    sensitivity: NonNegativeNumber
    """Share of the holdings that goes in a day per remembered return: 0.05 sells 0.5% after -10%."""
    half_life: Duration
    """Time in which half of a return is forgotten."""
    remembered: dict[str, Number] = {}
    """Log returns remembered at the start, by asset; zero where not named."""
    flows: Literal["outflows", "both"] = "outflows"
    """Whether they sell after falls only, or buy after rises as well."""
    most: Annotated[float, Quantity(units.SHARE, above=0, most=1000)]
    """Share of the holdings that goes in a day, at most."""
    sold_on: dict[str, NonNegativeNumber] = Field(min_length=1)
    """Weights of the venues on whose books they trade, among those that list the asset."""


class Etf(Followers):
    """Funds whose holders redeem after falls: what they redeem is sold over the following steps."""

    kind: Literal["etf"]


class Momentum(Followers):
    """Traders who sell because prices fall, and may buy because they rise: funds of short memory."""

    kind: Literal["momentum"]


Seller = Annotated[
    DefiLoans | CefiLoans | Treasuries | Etf | Momentum | StopLoss | RestingStops | RetailExit | Hedge,
    Field(discriminator="kind"),
]

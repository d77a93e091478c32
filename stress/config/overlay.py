"""Timed stress events, imposed on every path alike."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stress.config.base import (
    Duration,
    Instant,
    Multiplier,
    NonNegativeNumber,
    Number,
    Percentage,
    Return,
    Share,
    ShareOfDepth,
    SignedDollars,
    Strict,
    Text,
)
from stress.config.correlation import CorrelationField
from stress.config.drawn import Drawn


class PriceShock(Strict):
    """A move of the exogenous prices, spread evenly over a while; part of it may be taken back."""

    kind: Literal["price_shock"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it takes."""
    size: Return
    """Simple return of an asset with beta 1; the log return of an asset is beta x ln(1 + size)."""
    drawn: Drawn | None = None
    """Factor on its log return, drawn once a path; one by default."""
    factor: str | None = None
    """The factor that moves by `size`; by default the assets are moved themselves."""
    betas: dict[str, Number] = {}
    """Beta by asset; where not named 1, or the factor's."""
    stays: Instant = 0.0
    """How long prices then wait before they turn."""
    recovery: Duration | None = None
    """How long it takes to come back as far as it does; never by default."""
    recovered: Share = 1.0
    """Share of the move, in log price, that is taken back."""


class VolatilityOverlay(Strict):
    """A while of higher or lower volatility."""

    kind: Literal["volatility"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    multiplier: Multiplier
    """Factor on the volatility."""
    drawn: Drawn | None = None
    """Factor on the logarithm of the multiplier, drawn once a path; one by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class CorrelationOverlay(Strict):
    """A while in which assets move together in another way."""

    kind: Literal["correlation"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    correlation: CorrelationField
    """The correlation in force, in place of the config's and of any regime's."""


class DepthOverlay(Strict):
    """A while of thinner or deeper order books."""

    kind: Literal["depth"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    multiplier: Multiplier
    """Factor on the depth at rest."""
    drawn: Drawn | None = None
    """Factor on the logarithm of the multiplier, drawn once a path; one by default."""
    venues: tuple[str, ...] | None = None
    """Venues that it touches; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class Depeg(Strict):
    """A collateral coin that loses its peg, and may find it again."""

    kind: Literal["depeg"]
    name: Text | None = None
    """What the event is called in reports."""
    asset: Text
    """The coin."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it takes to the worst price."""
    size: Return
    """Simple return at the worst, against what else moves its price."""
    drawn: Drawn | None = None
    """Factor on its log return, drawn once a path; one by default."""
    stays: Instant = 0.0
    """How long it stays there."""
    recovery: Duration | None = None
    """How long it then takes back to the peg; never by default."""
    recovered: Share = 1.0
    """Share of the fall, in log price, that it regains."""


class FundingOverlay(Strict):
    """A while of higher or lower funding rates."""

    kind: Literal["funding"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    rate: Percentage
    """Added to the rate for eight hours, within the venue's cap; negative: shorts pay."""
    drawn: Drawn | None = None
    """Factor on the rate, drawn once a path; one by default."""
    venues: tuple[str, ...] | None = None
    """Venues that it touches; all that pay funding by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class MarginOverlay(Strict):
    """Maintenance margins raised (or lowered) from a time on, for positions that are there already."""

    kind: Literal["margin"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """From when on, from the start of the run: in force from the first step that begins then or later."""
    factor: Multiplier = 1.0
    """Maintenance rates are multiplied by this ..."""
    amount: Percentage = 0.0
    """... and this is added to them."""
    venues: tuple[str, ...] | None = None
    """Venues that raise; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets whose positions it touches; all by default."""


class MarketMakerDefault(Strict):
    """A market maker is gone: from a time on its quotes are missing, and its positions are wound up."""

    kind: Literal["market_maker_default"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it defaults, from the start of the run."""
    over: Duration
    """How long it takes until its positions are wound up, evenly."""
    share: ShareOfDepth
    """Share of the depth at rest that is gone until the end of the run."""
    inventory: dict[str, SignedDollars] = {}
    """Positions by asset, at start prices, over all `venues` by their depth; negative: short."""
    venues: tuple[str, ...] | None = None
    """Venues where it quoted; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it quoted; all by default."""


class FlowOverlay(Strict):
    """Orders that somebody sends whatever the price: redemptions from funds, a treasury that sells."""

    kind: Literal["flow"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it takes, evenly."""
    amount: dict[str, SignedDollars] = Field(min_length=1)
    """What is bought in all, by asset, at start prices; negative: sold."""
    traded_on: dict[str, NonNegativeNumber] = Field(min_length=1)
    """Weights of the venues on whose books, among those that list the asset."""
    of: Literal["etf", "treasury"] = "etf"
    """Whose orders they are called in `sold_by`."""


class OracleError(Strict):
    """A while in which feeds say a wrong price."""

    kind: Literal["oracle_error"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    size: Return
    """Error of the price, as a simple return: -5% is a price that is 5% too low."""
    of: Literal["mark", "index"] = "mark"
    """What is wrong: the whole mark, or the index alone; a median of three may not follow that."""
    venues: tuple[str, ...] | None = None
    """Venues that it touches; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class StaleFeed(Strict):
    """A while in which marks stand still at their last value."""

    kind: Literal["stale_feed"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    venues: tuple[str, ...] | None = None
    """Venues that it touches; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class LaggingFeed(Strict):
    """A while, or a whole run, in which marks are those of some time ago."""

    kind: Literal["lagging_feed"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    lag: Duration
    """How far behind marks are; in whole steps, at least one."""
    venues: tuple[str, ...] | None = None
    """Venues, and sellers that lend, which it touches; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class HaltOverlay(Strict):
    """A while in which markets are closed: they trigger and trade nothing, orders wait."""

    kind: Literal["halt"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    venues: tuple[str, ...] | None = None
    """Venues that it touches; all by default."""
    assets: tuple[str, ...] | None = None
    """Assets that it touches; all by default."""


class OutageOverlay(Strict):
    """A while in which venues are down: engines and books are slow or empty, arbitrage stops."""

    kind: Literal["outage"]
    name: Text | None = None
    """What the event is called in reports."""
    at: Instant
    """When it begins, from the start of the run."""
    over: Duration
    """How long it lasts."""
    throughput: Share = 0.0
    """What is left of the engine's throughput."""
    depth: Share = 1.0
    """What is left of the books' depth."""
    venues: tuple[str, ...] | None = None
    """Venues that it touches; all by default."""


Overlay = Annotated[
    PriceShock
    | VolatilityOverlay
    | CorrelationOverlay
    | DepthOverlay
    | Depeg
    | FundingOverlay
    | MarginOverlay
    | MarketMakerDefault
    | FlowOverlay
    | OracleError
    | StaleFeed
    | LaggingFeed
    | HaltOverlay
    | OutageOverlay,
    Field(discriminator="kind"),
]

Drawable = PriceShock | VolatilityOverlay | DepthOverlay | Depeg | FundingOverlay
"""Events whose size may be drawn."""

Passing = PriceShock | Depeg
"""Moves of prices that may be taken back."""


def passed(move: Passing) -> float:
    """When a move is over, from the start of the run."""
    return move.at + move.over + (move.stays + move.recovery if move.recovery is not None else 0.0)

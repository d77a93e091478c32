"""A trading venue: its rules, its insurance fund and its markets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from stress.config.account import AnyAccounts
from stress.config.base import (
    Dollars,
    Duration,
    DurationOrNever,
    MaximumLeverage,
    NonNegativePercentage,
    PartShare,
    Percentage,
    PositiveDollars,
    Rate,
    Share,
    ShareOrNever,
    Strict,
    Text,
    ThroughputOrUnlimited,
    Truth,
)
from stress.config.market import Mark, Market
from stress.config.whale import LeverageUncertainty, Whales


class Rung(Strict):
    """One partial liquidation."""

    close: PartShare
    """Share of the position's start size that is closed."""


class Liquidation(Strict):
    """What a venue does with a position that has reached its maintenance margin."""

    fee: Share = 0.0
    """Liquidation fee on the notional at the fill, taken from margin left."""
    surplus_to_fund: Share = 1.0
    """Share of the margin left after the fee that the insurance fund keeps."""
    throughput: ThroughputOrUnlimited = None
    """Most notional that the engine executes in a market in a time."""
    ladder: tuple[Rung, ...] = Field(default=(), max_length=8)
    """Partial closes, first to last, before the rest is closed in full."""


class Adl(Strict):
    """Auto-deleveraging: winners' positions that are closed against bankrupt ones."""

    policy: Literal[
        "queue",
        "queue_hyperliquid",
        "pro_rata",
        "capped_pro_rata",
        "leverage_waterfill",
        "random_start",
        "none",
    ]
    """Who is closed: most profit x leverage first (`queue`), most price gain x leverage first
    (`queue_hyperliquid`), all alike (`pro_rata`), all alike up to profit over equity
    (`capped_pro_rata`), the most leveraged down to one level (`leverage_waterfill`), from a random
    place in the list on (`random_start`), or nobody."""
    price: Literal["bankruptcy", "mark"] = "bankruptcy"
    """What winners are closed at: the losers' bankruptcy price, or the mark, where the fund pays the rest."""
    fund_below: Share = 0.0
    """It is on while the fund is at or below this share of its start ..."""
    drawdown: ShareOrNever = None
    """... or has fallen by this share of its running peak."""
    window: Duration | None = None
    """Time over which the running peak is taken; all of the run by default."""
    excess: Literal["bad_debt", "claim"] = "bad_debt"
    """What deficits beyond the fund become: bad debt, or a claim on winners who are deleveraged later."""


class Coins(Strict):
    """The part of a fund that is held in a coin, and is worth less when that falls."""

    asset: Text
    """Which coin; valued at its market-wide index."""
    share: Share
    """Its share of the fund at the start."""


class Fund(Strict):
    """How an insurance fund is organised."""

    split: Literal["shared", "per_market"] = "shared"
    """One fund for all markets of the venue, or one for each."""
    shares: dict[str, Share] = {}
    """Shares of the fund by market, where each has its own; by open interest by default."""
    coins: Coins | None = None
    """What of it is held in a coin; the rest is cash, and is drawn first."""


class Clearing(Strict):
    """Central clearing: who pays for losses beyond margin and the insurance fund, before winners do.

    In this order: the defaulters' part of the default fund, the clearing house, the survivors' part, and
    what survivors are called for. What is then left goes to `socialised_loss`.
    """

    own_capital: Dollars = 0.0
    """The clearing house's own capital in the waterfall, its skin in the game."""
    default_fund: Dollars
    """What all members have paid in before the run."""
    defaulters: Share = 0.0
    """Share of the default fund that defaulting members paid in; they are not called for more."""
    assessments: NonNegativePercentage = 0.0
    """Most that surviving members are called for, over what they have paid in; it may be above 100%."""


class Level(Strict):
    """One level of a circuit breaker."""

    move: PartShare
    """Move from the reference that halts the market."""
    halt: Duration
    """How long it is halted; a whole step at least."""


class Breakers(Strict):
    """Circuit breakers of every market of the venue."""

    levels: tuple[Level, ...] = Field(min_length=1, max_length=8)
    """Nearest first; each trips once from a fixed reference."""
    reference_half_life: DurationOrNever = None
    """Half-life in which the reference follows the price; `never`: it is the price at the start."""
    rises: Truth = True
    """Whether rises halt the market as well."""


class Failures(Strict):
    """Outages that come by chance, the more is liquidated the likelier."""

    capacity: PositiveDollars
    """Recent liquidations at which the rate is reached; it is in proportion to them."""
    rate: Rate
    """Failures per time while recent liquidations are at the capacity."""
    half_life: Duration
    """Half-life in which liquidations stop counting as recent."""
    lasts: Duration
    """Mean length of an outage."""
    throughput: Share = 0.0
    """What is left of the engine's throughput."""
    depth: Share = 1.0
    """What is left of the books' depth."""


class Vault(Strict):
    """A backstop vault: it takes a part of what is forced in place of the book, and sells it later.

    It takes over isolated positions at the fill of the step, and carries their price risk from then on.
    """

    capital: Dollars
    """Its own capital at the start; losses beyond it are a deficit, for winners first where there is ADL."""
    capacity: PositiveDollars
    """Most notional that it holds, in coins at the start price, over all markets."""
    shares: dict[str, Share] = {}
    """Shares of the capacity by market; by open interest by default."""
    take: Share
    """Share of forced flow that it takes, while it has room."""
    threshold: Share | None = None
    """It takes over who has no more than this share of the maintenance margin left at the marks that a step
    begins with; everybody who is forced by default."""
    half_life: Duration
    """Time in which it sends half of its inventory into the books."""


class MarketMakers(Strict):
    """What a venue asks of its market makers."""

    floor: Share | None = None
    """Smallest depth, as a share of the depth at rest; in place of `withdrawal.floor`."""


class Funding(Strict):
    """What longs pay shorts, or shorts longs: premium + clamp(interest - premium), within a cap.

    All rates are for eight hours, per dollar of present notional, and are paid step by step.
    """

    interest: Percentage = 0.0001
    """Rate where the premium of the venue's price over the index is nothing."""
    clamp: NonNegativePercentage = 0.0005
    """Most by which the rate is drawn from the premium toward the interest."""
    cap: NonNegativePercentage
    """Largest rate, either way."""


class Venue(Strict):
    """A trading venue for perpetual futures."""

    name: Text
    """Name for people; the key in `venues` is what the config calls it."""
    maximum_leverage: MaximumLeverage
    """Highest leverage that any of its markets allows."""
    mark: Mark = Mark()
    liquidation: Liquidation = Liquidation()
    funding: Funding | None = None
    """Funding of its perpetual futures; none by default."""
    insurance_fund: Dollars
    """Insurance fund at the start."""
    fund: Fund = Fund()
    clearing: Clearing | None = None
    """Central clearing behind the insurance fund; none by default."""
    adl: Adl
    vault: Vault | None = None
    """Backstop vault; none by default."""
    socialised_loss: Literal["none", "step", "run"] = "none"
    """Whether winners' profits pay for what the fund does not, at the end of the step or of the run."""
    closing_share: Share = 0.7
    """Psi: share of forced takers whose positions close instead of passing to a buyer."""
    breakers: Breakers | None = None
    """Circuit breakers; none by default."""
    failures: Failures | None = None
    """Outages by chance; none by default."""
    market_makers: MarketMakers = MarketMakers()
    mix: Text | None = None
    """Leverage mix of its markets, a name in `mixes`."""
    leverage_uncertainty: LeverageUncertainty | None = None
    """How unsure its leverage mixes are; none by default."""
    whales: Whales | None = None
    """Single holders large enough to matter, in each of its markets; none by default."""
    markets: dict[str, Market]
    """Its markets, by asset."""
    accounts: dict[str, AnyAccounts] = Field(default={}, max_length=16)
    """Accounts with a shared margin, by name; every other position has a margin of its own."""

    @field_validator("markets")
    @classmethod
    def _inherit(cls, markets: dict[str, Market], info: ValidationInfo) -> dict[str, Market]:
        """Fill in the venue's maximum leverage and mix where a market has none of its own."""
        venue = {key: info.data.get(key) for key in ("maximum_leverage", "mix")}
        return {
            asset: market.model_copy(
                update={key: value for key, value in venue.items() if getattr(market, key) is None}
            )
            for asset, market in markets.items()
        }

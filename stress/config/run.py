"""The run config: one market, one question, one run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from stress.config import book
from stress.config.asset import Asset
from stress.config.base import Bounds, Duration, MaximumLeverage, PartShare, SchemaVersion, Strict, Text
from stress.config.book import Book, Books
from stress.config.correlation import CorrelationField
from stress.config.dynamics import Dynamics
from stress.config.factor import Factor
from stress.config.origin import Origin, Source
from stress.config.overlay import Overlay
from stress.config.seller import CefiLoans, DefiLoans, Seller
from stress.config.table import File, Input
from stress.config.tier import MOST_TIERS, Mix, Tier
from stress.config.venue import Adl, Liquidation, Mark, Venue
from stress.errors import CompileError, ConfigError, Problem

MOST_ASSETS = MOST_VENUES = MOST_FACTORS = 16


class About(Strict):
    """What the config is for, and what it rests on."""

    title: Text
    """One line for tables and plots."""
    question: Text
    """What the run is to answer."""
    authors: tuple[Text, ...] = ()
    """Who answers for it."""
    references: tuple[Text, ...] = ()
    """Public sources of its numbers."""


class Run(Strict):
    """How much to compute."""

    horizon: Duration
    """Simulated time, a whole number of steps, at most two days."""
    step: Duration
    """Time step."""
    paths: Annotated[int, Bounds(1, 10**12)]
    """Monte Carlo paths."""
    seed: Annotated[int, Bounds(0, 2**64 - 1)]
    """Seed of all random numbers."""
    shard_paths: Annotated[int, Bounds(0, 10**9)] = 0
    """Paths in one shard file; 0 takes a twentieth of all, 500 at least and 20,000 at most. Results do not
    depend on it; runs are compared shard by shard."""
    backend: Literal["auto", "cuda", "cpu", "jax", "numpy"] = "auto"
    """Engine; `auto` takes the fastest that is there."""
    monitoring: Literal["continuous", "step"] = "continuous"
    """Whether venues check margins all the time, or only at the end of a step."""

    @property
    def shard_size(self) -> int:
        """Paths in one shard file; by default so many shards as a comparison has use for."""
        return self.shard_paths or min(max(-(-self.paths // 20), 500), 20_000)

    @property
    def n_step(self) -> int:
        """Steps in the horizon."""
        return round(self.horizon / self.step)


class Measures(Strict):
    """Which tail levels to report, and how sure to be."""

    levels: tuple[PartShare, ...] = Field(
        default=(0.9, 0.95, 0.99, 0.999, 0.9999), min_length=1, max_length=32
    )
    """Levels of quantiles, value at risk and expected shortfall."""
    confidence: PartShare = 0.95
    """Confidence of every interval."""


def _place(name: str, lender: DefiLoans | CefiLoans) -> Venue:
    """A lender as a venue: its feed is an index, its reserve a fund, and borrowers get back what is left."""
    return Venue.model_construct(
        name=lender.name or name,
        maximum_leverage=1.0,
        mark=Mark.model_construct(own=0.0, index=lender.oracle),
        liquidation=Liquidation.model_construct(surplus_to_fund=0.0),
        insurance_fund=lender.reserve,
        adl=Adl(policy="none"),
        closing_share=0.0,
        markets={},
    )


class RunConfig(Strict):
    """A stress test: a market, what happens to it, and how much of it to compute."""

    schema_version: SchemaVersion
    """Version of this language."""
    about: About
    run: Run
    tiers: tuple[Tier, ...] = Field(min_length=1, max_length=MOST_TIERS)
    """Leverage tiers, ordered, from 0x up without gaps or overlaps; at most eight."""
    dynamics: Dynamics
    """How prices move when nobody is forced to trade."""
    correlation: CorrelationField
    """One number for all pairs of assets, or a matrix."""
    assets: dict[str, Asset] = Field(min_length=1, max_length=MOST_ASSETS)
    """Underlyings: each inline, or the path of a file that holds one; at most sixteen."""
    factors: dict[str, Factor] = Field(default={}, max_length=MOST_FACTORS)
    """Risk factors without books, on which shocks can be put; at most sixteen."""
    venues: dict[str, Venue] = Field(min_length=1, max_length=MOST_VENUES)
    """Venues: each inline, or the path of a file that holds one; at most sixteen."""
    books: Books
    leverage_cap: MaximumLeverage | None = None
    """Most leverage that anybody has, the end of a tier: what mixes and accounts hold in tiers above is held
    in the last one below. Files of positions stay as they are. None by default."""
    mixes: dict[str, Mix] = {}
    """Named leverage mixes; every market needs one, unless files say who holds its positions."""
    overlays: tuple[Overlay, ...] = Field(default=(), max_length=100)
    """Timed stress events."""
    sellers: dict[str, Seller] = Field(default={}, max_length=64)
    """Others who must sell: lenders, treasury companies, stop orders, and so on."""
    measures: Measures = Measures()

    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that the config was read from, each with its sha256."""
        return self._origin.sources

    @property
    def places(self) -> dict[str, Venue]:
        """Venues, then lenders as venues without markets: everywhere that losses are counted."""
        lenders = {n: x for n, x in self.sellers.items() if isinstance(x, DefiLoans | CefiLoans)}
        return {**self.venues, **{name: _place(name, lender) for name, lender in lenders.items()}}

    @property
    def inputs(self) -> dict[str, Input]:
        """The files of rows that the config names, by SHA-256."""
        return dict(self._origin.inputs)

    def input(self, file: File) -> Input:
        """What a file of rows held when the config was loaded."""
        if file.sha256 is None or file.sha256 not in self._origin.inputs:
            raise CompileError(f"{file.path} was not read (a config that names files must come from one)")
        return self._origin.inputs[file.sha256]

    @property
    def tier_names(self) -> tuple[str, ...]:
        """Names of the tiers in results; the last one includes its end."""
        names = [tier.name for tier in self.tiers]
        return (*names[:-1], names[-1][:-1] + "]")

    @property
    def tier_keys(self) -> tuple[str, ...]:
        """Names of the tiers in mixes: "1x-3x"."""
        return tuple(tier.key for tier in self.tiers)

    def book(self, venue: str, asset: str) -> Book:
        """The order book of a market: `books`, the venue's floor, the market's own values."""
        at = self.venues[venue]
        return book.apply(self.books, at.markets[asset].book, at.market_makers.floor)

    def correlation_matrix(self) -> tuple[tuple[float, ...], ...]:
        """Correlation [asset, asset], in the order of `assets`."""
        return self.correlation.ordered(tuple(self.assets))

    def problem(
        self, path: tuple[str | int, ...], problem: str, why: str = "", suggestion: str = ""
    ) -> Problem:
        """A problem with what stands at `path`, told with its place in the files."""
        return self._origin.problem(path, problem, why, suggestion)

    def error(
        self, path: tuple[str | int, ...], problem: str, why: str = "", suggestion: str = ""
    ) -> ConfigError:
        """The error to raise for one such problem."""
        return ConfigError.of([self.problem(path, problem, why, suggestion)])

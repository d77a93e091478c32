"""The outcome of one path: a flat row of numbers, and what each of them means.

Engines fill one row per path; tallies count rows. A dimension named `venue+` has one more entry
than `venue`: the total over all venues, last. Every quantity is positive or zero; losses are
positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from kernels.mechanisms.adl import HORIZONS
from kernels.scenario import ScenarioShape

COMPONENTS = (
    "total", "margin_lost", "deficit", "fund_draw", "adl", "bad_debt", "fees", "socialised", "own_capital",
    "default_fund", "assessments",
)  # fmt: skip
"""`total` = margin_lost + deficit; fees come out of margin left; the deficit is the sum of `PAYERS`."""

PAYERS = ("fund_draw", "own_capital", "default_fund", "assessments", "adl", "socialised", "bad_debt")
"""Components that a deficit is paid by; bad debt is paid by nobody."""

SIDES = ("long", "short")

CHANNELS = (
    "isolated", "cross_margin", "coin_margined", "collateral", "defi_loan", "cefi_loan", "treasury",
    "etf", "stop_loss", "momentum", "retail_exit", "vault", "market_maker",
)  # fmt: skip
"""Who sends orders into the books; `isolated`: positions with a margin of their own."""

DEFAULTS = (1, 2)
"""Single accounts that default at once, for `cover`."""

USD_EXPONENT, RATIO_EXPONENT, MINUTE_EXPONENT = 10, -20, -6
"""Exponent of two of the smallest value that a histogram tells apart from zero.

The largest is 2^30 times that: $1.1T, 1024, or 32 years, where times begin with a step of one second."""


@dataclass(frozen=True)
class Field:
    """One named block of the row."""

    name: str
    dims: tuple[str, ...]
    unit: str
    exponent: int
    doc: str


# fmt: off
FIELDS = (
    Field("loss", ("component", "venue+", "tier+"), "USD", USD_EXPONENT,
          "loss on forced positions, by component, venue and tier of the forced position"),
    Field("liquidated", ("venue+", "asset+", "side+"), "USD", USD_EXPONENT,
          "forced notional in dollars at the fill, ADL of bankrupt positions included"),
    Field("liquidated_coins", ("venue+", "asset+"), "USD", USD_EXPONENT,
          "forced notional in coins x start price, ADL of bankrupt positions included"),
    Field("liquidated_tier", ("venue+", "tier+"), "USD", USD_EXPONENT,
          "forced notional in dollars at the fill, by leverage tier"),
    Field("adl_notional", ("venue+", "tier+"), "USD", USD_EXPONENT,
          "winners' notional closed by auto-deleveraging, coins x start price, by the winners' tier"),
    Field("adl_hedged", ("venue+",), "USD", USD_EXPONENT,
          "winners' notional closed by auto-deleveraging that hedged something else, coins x start price"),
    Field("adl_forgone", ("horizon", "venue+"), "USD", USD_EXPONENT,
          "what deleveraged winners would have made more by holding on until the horizon, where positive"),
    Field("adl_spared", ("horizon", "venue+"), "USD", USD_EXPONENT,
          "what they would have made less, where that is positive"),
    Field("adl_overshoot", ("horizon", "venue+"), "USD", USD_EXPONENT,
          "`adl_forgone` less the deficits that winners were closed to pay for, where positive"),
    Field("open_interest_closed", ("venue+",), "USD", USD_EXPONENT,
          "fall of open interest, coins x start price: ADL + psi x (forced + exits before)"),
    Field("fall", ("asset", "venue"), "1", RATIO_EXPONENT,
          "largest fall of a market's traded price below its start, as a share"),
    Field("index_fall", ("asset",), "1", RATIO_EXPONENT,
          "largest fall of the market-wide index below its start, as a share"),
    Field("exogenous_fall", ("asset",), "1", RATIO_EXPONENT,
          "largest fall of the exogenous price below its start, as a share"),
    Field("stressed_index_trough", ("asset",), "1", RATIO_EXPONENT,
          "minus the lowest log index price, where the exogenous trough is below -1%; else zero"),
    Field("stressed_exogenous_trough", ("asset",), "1", RATIO_EXPONENT,
          "minus the lowest exogenous log price, where it is below -1%; else zero"),
    Field("amplification", ("asset",), "1", RATIO_EXPONENT,
          "the first of these over the second, path by path; zero where they are zero"),
    Field("amplification_points", ("asset",), "1", RATIO_EXPONENT,
          "lowest exogenous log price less lowest log index price, never negative"),
    Field("branching_ratio", ("asset+",), "1", RATIO_EXPONENT,
          "largest 1 - (round-1 flow / all forced flow of a step) over material steps"),
    Field("exhaustion_time", ("venue",), "min", MINUTE_EXPONENT,
          "minutes to the end of the step that first spent the insurance fund; zero: never"),
    Field("venues_exhausted", (), "1", RATIO_EXPONENT, "venues whose fund was spent"),
    Field("backlog", ("venue+",), "USD", USD_EXPONENT,
          "largest notional triggered and not yet executed at the end of a step"),
    Field("sold_by", ("channel",), "USD", USD_EXPONENT,
          "orders sent into the books in dollars at the fill, forced or induced, by who sent them"),
    Field("funding", ("venue+", "side"), "USD", USD_EXPONENT,
          "funding paid by longs to shorts, and by shorts to longs, on all that is open"),
    Field("cover", ("venue+", "defaults"), "USD", USD_EXPONENT,
          "largest deficit of one whale, and of two: what a fund must cover if they default"),
    Field("cover_listed", ("venue+", "defaults"), "USD", USD_EXPONENT,
          "losses beyond margin of the largest listed account, and of two, at the worst prices"),
    Field("cover_shortfall", ("venue+", "defaults"), "USD", USD_EXPONENT,
          "`cover_listed` beyond what is prefunded at the venue, where positive"),
    Field("vault_inventory", ("venue+",), "USD", USD_EXPONENT,
          "largest inventory of a backstop vault at the end of a step, coins x start price"),
    Field("vault_loss", ("venue+",), "USD", USD_EXPONENT,
          "loss of a backstop vault at the last prices, less what others have paid for its deficits"),
    Field("worst_window", (), "USD", USD_EXPONENT,
          "largest forced notional in a run of steps within twelve minutes, at least one step; at the fill"),
)
# fmt: on

# What happened to a path; bits of an unsigned word.
OK = 0
EXHAUSTED = 1
UNCONVERGED = 2
IDENTITY_BROKEN = 4
NOT_FINITE = 8
UNANSWERED = 16

STATUS = {
    EXHAUSTED: ("exhausted", "forced orders ran past the end of a book and had to wait"),
    UNCONVERGED: ("unconverged", "a cascade was cut at the cap on rounds; the rest was carried on"),
    IDENTITY_BROKEN: ("identity_broken", "money did not add up: a bug, please report the path"),
    NOT_FINITE: ("not_finite", "a number was not finite: a bug, please report the path"),
    UNANSWERED: (
        "unanswered",
        "accounts and cascades were cut at the cap on answers; the rest came later",
    ),
}
FAILED = IDENTITY_BROKEN | NOT_FINITE

COUNTERS = ("asset_steps", "calm", "active", "mixed", "rounds", "flushes", "unconverged")
"""Work counted over paths: asset-steps in all; displaced but nothing triggered; with a cascade;
of these with both sides; rounds of cascade; slices of one group executed; cut at the cap."""


class Layout:
    """Where each field lies in the row of a given scenario shape."""

    def __init__(self, shape: ScenarioShape):
        sizes = {
            "component": len(COMPONENTS),
            "venue": shape.n_venue,
            "asset": shape.n_asset,
            "tier": shape.n_tier,
            "side": len(SIDES),
            "channel": len(CHANNELS),
            "horizon": len(HORIZONS),
            "defaults": len(DEFAULTS),
        }
        sizes |= {name + "+": size + 1 for name, size in sizes.items()}
        self.shapes = {f.name: tuple(sizes[d] for d in f.dims) for f in FIELDS}
        self.slices = {}
        start = 0
        for f in FIELDS:
            stop = start + prod(self.shapes[f.name])
            self.slices[f.name] = slice(start, stop)
            start = stop
        self.n_cell = start
        self.exponent = np.empty(self.n_cell, np.int32)
        for f in FIELDS:
            self.exponent[self.slices[f.name]] = f.exponent

    def view(self, rows: np.ndarray, name: str) -> np.ndarray:
        """The block `name` of `rows` [..., cell], shaped [..., *dims]."""
        return rows[..., self.slices[name]].reshape(rows.shape[:-1] + self.shapes[name])

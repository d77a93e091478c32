"""The scenario: everything that is fixed before the first path is drawn.

`ScenarioShape` holds counts and switches (hashable: what a compiled kernel may specialise to);
`ScenarioArrays` holds the numbers. Both are immutable and are built once, in NumPy float64,
by `stress.compile`; every engine reads the same ones.

Axes, always in this order and by these names:

    step      time steps of `dt_seconds`
    half      lower and upper half of a uniform, see `kernels.parts.normal`
    asset     underlyings, as declared in the config
    side      0 = longs (forced to sell), 1 = shorts (forced to buy)
    group     maintenance classes of one market and side
    venue     trading venues, as declared; the fused engine keeps them in `LANES` vector lanes
    edge      edges of the distance table, see `kernels.parts.table`
    tier      leverage tiers, as declared, at most `MAX_TIER`

Amounts are start dollars (coins x start price), distances and returns are natural logarithms,
displacements of a book are in percent of the log price.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from kernels.arrays import LANES as LANES
from kernels.arrays import MAX_TIER as MAX_TIER
from kernels.arrays import leaf
from kernels.mechanisms.account import Account
from kernels.mechanisms.adl import Adl
from kernels.mechanisms.clearing import Clearing
from kernels.mechanisms.cover import Cover
from kernels.mechanisms.exogenous import Bootstrap, Correlation, Regimes, StochasticVolatility
from kernels.mechanisms.feed import Feed
from kernels.mechanisms.flow import Flow, Premium, Response
from kernels.mechanisms.funding import Funding
from kernels.mechanisms.halt import Halt
from kernels.mechanisms.leverage import Leverage
from kernels.mechanisms.mark import Marking
from kernels.mechanisms.outage import Outage
from kernels.mechanisms.overlay import Event, MarginRaise
from kernels.mechanisms.vault import Vault
from kernels.mechanisms.waterfall import Waterfall
from kernels.mechanisms.whale import Whale

MAX_GROUP = 4
JUMP_COUNTS = 4

GBM, STUDENT_T_PATH, STUDENT_T_STEP, JUMP_DIFFUSION = range(4)
STOCHASTIC_VOLATILITY, REGIME_SWITCHING, BOOTSTRAP = range(4, 7)


@dataclass(frozen=True)
class ScenarioShape:
    """Counts, switches and names: what cannot change without another program."""

    n_step: int
    dt_seconds: float
    assets: tuple[str, ...]
    venues: tuple[str, ...]
    tiers: tuple[str, ...]
    n_group: int
    process: int
    window_steps: int
    """Whole steps within twelve minutes, at least one: the worst window of forced flow."""

    @property
    def n_asset(self) -> int:
        return len(self.assets)

    @property
    def n_venue(self) -> int:
        return len(self.venues)

    @property
    def n_tier(self) -> int:
        return len(self.tiers)


@dataclass(frozen=True)
class ScenarioArrays:
    """The numbers of a scenario. float64 unless the declaration says otherwise."""

    # exogenous prices
    drift: np.ndarray = leaf("asset", "1", "log drift of one step, compensator included")
    volatility: np.ndarray = leaf("asset", "1", "standard deviation of one step's log return")
    cholesky: np.ndarray = leaf("asset asset", "1", "lower Cholesky factor of the correlation")
    mixing: np.ndarray = leaf("half mixing_edge", "1", "Student-t scale sqrt((nu-2)/chi2) by tail")
    common_jump_count: np.ndarray = leaf("jump", "1", "uint64 thresholds of the common jump count")
    common_jump_mean: np.ndarray = leaf("asset", "1", "mean log size of one common jump")
    common_jump_sd: np.ndarray = leaf("asset", "1", "sd of the log size of one common jump")
    own_jump_count: np.ndarray = leaf("asset jump", "1", "uint64 thresholds of the own jump count")
    own_jump_mean: np.ndarray = leaf("asset", "1", "mean log size of one own jump")
    own_jump_sd: np.ndarray = leaf("asset", "1", "sd of the log size of one own jump")

    # overlays
    shock: np.ndarray = leaf("step asset", "1", "log return imposed in a step")
    volatility_row: np.ndarray = leaf("step", "1", "int32 row of `volatility_level` in force")
    volatility_level: np.ndarray = leaf("row asset", "1", "multiplier of the volatility")
    depth_row: np.ndarray = leaf("step", "1", "int32 row of `depth_level` in force")
    depth_level: np.ndarray = leaf("row asset venue", "1", "multiplier of the depth")

    # books
    listed: np.ndarray = leaf("asset venue", "1", "bool: the venue has a book in the asset")
    depth: np.ndarray = leaf("asset venue", "USD", "dollars that move the price by 1% at rest")
    alpha: np.ndarray = leaf("asset venue", "1", "linear share of the book's shape")
    band: np.ndarray = leaf("asset venue", "%", "displacement to which the quadratic holds")
    hard_end: np.ndarray = leaf("asset venue", "%", "displacement at which the book ends; inf: never")
    refill: np.ndarray = leaf("asset venue", "1", "factor on consumption per step")
    arbitrage: np.ndarray = leaf("asset", "1", "share of a venue gap closed per step")
    withdrawal: np.ndarray = leaf("asset venue", "1", "theta squared")
    withdrawal_decay: np.ndarray = leaf("asset venue", "1", "factor on squared memory per step")
    calm_memory: np.ndarray = leaf("asset venue", "1", "squared memory in calm markets, S0 squared")
    depth_floor: np.ndarray = leaf("asset venue", "1", "smallest depth as a share of its start")
    permanent: np.ndarray = leaf("asset", "1/USD", "log price moved for good by a dollar of flow")

    # marks
    mark_weight: np.ndarray = leaf("asset venue venue", "1", "mark of venue v = sum of row v x log prices")
    index_weight: np.ndarray = leaf("asset venue", "1", "weights of the market-wide index")
    monitoring: np.ndarray = leaf("asset", "1", "distance added to every step's extreme")

    # positions; a group is one maintenance class of one market and side
    group_rate: np.ndarray = leaf("asset side group venue", "1", "maintenance rate mu")
    group_deduction: np.ndarray = leaf("asset side group venue", "1", "maintenance deduction a")
    group_partial: np.ndarray = leaf("asset side group venue", "1", "bool: rungs that close and live on")
    forced: np.ndarray = leaf(
        "asset side group venue edge tier", "USD", "notional forced by a distance, cumulative"
    )
    margin: np.ndarray = leaf(
        "asset side group venue edge tier", "USD", "start margin of that notional, cumulative"
    )
    forced_total: np.ndarray = leaf("asset side venue edge", "USD", "`forced` over groups and tiers")
    tier_notional: np.ndarray = leaf(
        "asset side venue tier", "USD", "open interest, never-forced holders included"
    )

    # venue rules
    throughput: np.ndarray = leaf("asset venue", "USD", "largest notional executed in a step; inf")
    fee_rate: np.ndarray = leaf("venue", "1", "liquidation fee per dollar at the fill")
    surplus_share: np.ndarray = leaf("venue", "1", "share of margin left that the fund keeps")
    fund: np.ndarray = leaf("venue", "USD", "insurance fund at the start")
    adl_policy: np.ndarray = leaf("venue", "1", "int32: ADL_NONE or another policy of the mechanism `adl`")
    adl_below: np.ndarray = leaf("venue", "USD", "ADL is on while the fund is at or below this")
    adl_drawdown: np.ndarray = leaf("venue", "1", "... or below (1 - this) of its running peak")
    closing_share: np.ndarray = leaf("venue", "1", "share of forced takers' positions that close, psi")

    def replace(self, **changes) -> ScenarioArrays:
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True)
class Parts:
    """Mechanisms that a run may do without, each with its own arrays: None where it does."""

    account: Account | None = None
    flow: Flow | None = None
    response: Response | None = None
    premium: Premium | None = None
    funding: Funding | None = None
    margin_raise: MarginRaise | None = None
    event: Event | None = None
    leverage: Leverage | None = None
    whale: Whale | None = None
    stochastic_volatility: StochasticVolatility | None = None
    regimes: Regimes | None = None
    bootstrap: Bootstrap | None = None
    correlation: Correlation | None = None
    adl: Adl | None = None
    marking: Marking | None = None
    waterfall: Waterfall | None = None
    clearing: Clearing | None = None
    cover: Cover | None = None
    feed: Feed | None = None
    halt: Halt | None = None
    outage: Outage | None = None
    vault: Vault | None = None

    def replace(self, **changes) -> Parts:
        return dataclasses.replace(self, **changes)


PARTS = {
    "account": Account,
    "flow": Flow,
    "response": Response,
    "premium": Premium,
    "funding": Funding,
    "margin_raise": MarginRaise,
    "event": Event,
    "leverage": Leverage,
    "whale": Whale,
    "stochastic_volatility": StochasticVolatility,
    "regimes": Regimes,
    "bootstrap": Bootstrap,
    "correlation": Correlation,
    "adl": Adl,
    "marking": Marking,
    "waterfall": Waterfall,
    "clearing": Clearing,
    "cover": Cover,
    "feed": Feed,
    "halt": Halt,
    "outage": Outage,
    "vault": Vault,
}
"""Classes of the parts by name; one line for each mechanism, here and in `Parts`."""


NEEDED_PARTS = {
    STOCHASTIC_VOLATILITY: "stochastic_volatility",
    REGIME_SWITCHING: "regimes",
    BOOTSTRAP: "bootstrap",
}
"""Parts that a process cannot do without, by process."""


@dataclass(frozen=True)
class Scenario:
    """A compiled scenario: shape, arrays and parts together."""

    shape: ScenarioShape
    arrays: ScenarioArrays
    parts: Parts = Parts()

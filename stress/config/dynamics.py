"""How prices move when nobody is forced to trade."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stress import units
from stress.config.base import (
    Duration,
    Multiplier,
    NonNegativePercentage,
    Number,
    NumberOrStationary,
    Percentage,
    Quantity,
    Rate,
    Share,
    Strict,
    Text,
    Truth,
)
from stress.config.correlation import CorrelationField
from stress.config.table import FileField


class Gbm(Strict):
    """Correlated geometric Brownian motion."""

    kind: Literal["gbm"]
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year, by asset; zero where not named."""


class StudentT(Strict):
    """Student-t returns: one mixing variable for all assets, scaled to the stated volatilities."""

    kind: Literal["student_t"]
    degrees_of_freedom: Annotated[float, Quantity(units.NUMBER, above=2)]
    """Nu; the fewer, the fatter the tails."""
    mixing: Literal["path", "step"] = "path"
    """One draw of the mixing variable for a whole path, or one each step."""
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year, by asset; zero where not named."""


class OwnJumps(Strict):
    """Jumps of one asset alone."""

    rate: Rate
    """Jumps in a year, on average."""
    mean: Percentage
    """Mean log size of a jump."""
    deviation: NonNegativePercentage
    """Standard deviation of the log size."""


class CommonJumps(OwnJumps):
    """Jumps that hit all assets at once."""

    betas: dict[str, Number] = {}
    """Log size of an asset's jump per log size of the common one; 1 where not named."""


class JumpDiffusion(Strict):
    """Merton's jump diffusion: Gaussian returns, common jumps and jumps of single assets."""

    kind: Literal["jump_diffusion"]
    common: CommonJumps | None = None
    """Jumps that hit all assets at once; none by default."""
    own: dict[str, OwnJumps] = {}
    """Jumps of one asset alone, by asset."""
    compensated: Truth = True
    """Whether the drift makes up for the mean of the jumps."""
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year, by asset; zero where not named."""


class StochasticVol(Strict):
    """Volatility that wanders: one log-normal factor on the stated volatilities of all assets."""

    kind: Literal["stochastic_vol"]
    half_life: Duration
    """Time in which half of a departure of the log volatility from its mean is gone."""
    deviation: Annotated[float, Quantity(units.SHARE, above=0, most=2)]
    """Standard deviation of the log volatility once it has settled; the stated volatilities are the
    root mean square of what it then is."""
    leverage: Annotated[float, Quantity(units.NUMBER, least=-1, most=1)] = 0.0
    """Correlation of the log volatility's changes with the assets' common return; below zero,
    falls make markets wilder."""
    start: NumberOrStationary = None
    """Volatility at the start over the stated one, or `stationary`: drawn, as it is once settled."""
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year, by asset; zero where not named."""


class Regime(Strict):
    """A state that the market can be in."""

    mean_duration: Duration
    """How long it lasts, on average."""
    next: dict[str, Share] = {}
    """Shares of the regimes that follow it; may be left out where there are only two."""
    volatility: Multiplier = 1.0
    """Factor on the stated volatility of every asset."""
    volatilities: dict[str, NonNegativePercentage] = {}
    """Volatility, in a year, of single assets in this regime, in place of the stated one and the factor."""
    correlation: CorrelationField | None = None
    """Correlation in this regime; the config's by default."""
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year while it lasts, by asset, on top of the general one."""


class RegimeSwitching(Strict):
    """A Markov chain over regimes, each with its own volatilities, correlation and drift."""

    kind: Literal["regime_switching"]
    regimes: dict[str, Regime] = Field(max_length=8)
    """Regimes by name; two to eight."""
    start: Text = "stationary"
    """Regime at the start, or `stationary`: drawn, as often as each is met in the long run."""
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year, by asset; zero where not named."""


class VolatilityFilter(Strict):
    """Volatility that clusters as in the history, and goes on to do so along a path of its own."""

    half_life: Duration
    """Half-life of the exponentially weighted mean of squared returns."""
    start: Literal["stated", "last"] = "stated"
    """Where a path's own volatility begins: as stated, or where the history ends."""


class Bootstrap(Strict):
    """A stationary bootstrap: blocks of random length out of a history of returns, all assets together."""

    kind: Literal["bootstrap"]
    file: FileField
    """Log returns as plain numbers: a column for each asset, a row for each step, the latest last.
    A column `time` may stand beside them."""
    interval: Duration
    """Time from row to row; it must be the run's step."""
    mean_block: Duration
    """How long a block of history is, on average."""
    volatility: Literal["stated", "history"] = "stated"
    """Whether returns are scaled to the assets' stated volatilities, or are as large as they were."""
    mean: Literal["removed", "kept"] = "removed"
    """Whether the mean return of the history is taken away."""
    filter: VolatilityFilter | None = None
    """Divide returns by the volatility of their time, and multiply by that of the path; none by default."""
    drift: dict[str, Percentage] = {}
    """Drift of the log price in a year, by asset; zero where not named."""


Dynamics = Annotated[
    Gbm | StudentT | JumpDiffusion | StochasticVol | RegimeSwitching | Bootstrap,
    Field(discriminator="kind"),
]

"""All that a table of prices tells, in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stress.calibrate import clustering, jumps, moments, regimes, student
from stress.calibrate.intervals import LOG, Estimate, estimate
from stress.calibrate.prices import Prices, Source, as_of
from stress.errors import ConfigError, Problem, quoted, suggest
from stress.units import YEAR_SECONDS

STAGES = ("student_t", "stochastic_vol", "garch", "regime_switching", "jump_diffusion", "bootstrap")
"""What can be left out; volatilities and correlations are always there."""

SHORT = 0.98
"""Share of the bars with a price below which a volatility is brought to the length of the base's."""

MOST_BAR = 4 * 3600.0
"""Seconds: with longer bars a day has no realised volatility."""

FEWEST_WINDOWS = 50
CALM, WILD = 0.5, 0.9
"""Days below the first quantile of the market's volatility are calm, those above the second are not."""


@dataclass(frozen=True)
class Factor:
    """A risk factor beside the assets."""

    volatility: Estimate
    correlations: dict[str, Estimate]
    betas: dict[str, Estimate]
    n: int
    source: Source


@dataclass
class Study:
    """What was found; None or empty where it was not looked for or the data do not tell."""

    assets: tuple[str, ...]
    joint: tuple[str, ...]
    """Assets of the exogenous processes: those with a history of their own, the base first."""
    first: int
    last: int
    """Milliseconds since 1970: start of the first bar, end of the last."""
    bar: float
    n_bar: int
    n_joint: int
    """Bars in which all of `joint` have a return."""
    sources: tuple[Source, ...]
    price: dict[str, float]
    volatility: dict[str, Estimate]
    correlation: np.ndarray
    correlation_bar: float
    shrinkage: float
    pairs: dict[tuple[str, str], Estimate]
    calm_volatility: dict[str, Estimate] = field(default_factory=dict)
    range_volatility: dict[str, Estimate] = field(default_factory=dict)
    calm_correlation: dict[tuple[str, str], Estimate] = field(default_factory=dict)
    wild_correlation: dict[tuple[str, str], Estimate] = field(default_factory=dict)
    tail_betas: dict[str, Estimate] = field(default_factory=dict)
    freedom: dict[float, Estimate] = field(default_factory=dict)
    """By length of the window in seconds; one bar: `mixing: step`."""
    window: float | None = None
    """The one nearest to the horizon that was asked for."""
    garch: dict[str, clustering.Garch] = field(default_factory=dict)
    stochastic_vol: clustering.LogVolatility | None = None
    regimes: list[regimes.Regime] = field(default_factory=list)
    jumps: jumps.Jumps | None = None
    block: float | None = None
    """Mean block of the bootstrap, seconds."""
    factors: dict[str, Factor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def joint_is_all(self) -> bool:
        """Whether there is no basket, so that a matrix of `joint` is one of all assets."""
        return set(self.joint) == set(self.assets)


def study(
    prices: Prices,
    *,
    base: str | None = None,
    baskets: Mapping[str, Sequence[str]] | None = None,
    factors: Mapping[str, tuple[Prices, float | None]] | None = None,
    horizon: float = 14_400.0,
    correlation_bar: float = 3_600.0,
    n_regime: int = 2,
    skip: Collection[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Study:
    """Estimate everything.

    base           : asset that betas refer to and short histories are scaled by; the first by default
    baskets        : names of one typical member each, whose figures are the mean of the members'
    factors        : prices of risk factors, and how many seconds after its stamp each price was seen
    horizon        : seconds in a window with one Student-t scale
    correlation_bar: seconds, where bars are shorter
    skip           : of `STAGES`

    raises: ConfigError
    """
    base = base or prices.assets[0]
    needed = [base, *(m for members in (baskets or {}).values() for m in members)]
    for name in needed:
        if name not in prices.assets:
            raise ConfigError.of(
                [Problem(None, "", f"no file has {quoted(name)}", *suggest(name, prices.assets))]
            )
    returns = prices.returns()
    for a, name in enumerate(prices.assets):
        if not np.nanstd(returns[:, a]) > 0:
            place = Problem(
                None, prices.sources[0].file, f"the price of {name} never moves", "nothing can be estimated"
            )
            raise ConfigError.of([place])
    say("volatilities and correlations")
    found = levels(prices, returns, base, correlation_bar)
    for name, members in (baskets or {}).items():
        add_basket(found, name, members)
    found.correlation, found.shrinkage = moments.shrunk(
        found.correlation, moments.shrinkage(found.correlation, by_place(found))
    )
    for name, (other, delay) in (factors or {}).items():
        say(f"factor {name}")
        found.factors[name] = factor(prices, other, delay)
    whole = [base, *(name for name in prices.assets if name != base)]
    complete = prices.chosen(whole).returns()
    processes(found, complete[np.isfinite(complete).all(axis=1)], horizon, n_regime, skip, say)
    return found


def levels(prices: Prices, returns: np.ndarray, base: str, correlation_bar: float) -> Study:
    """Volatilities, correlations and tail betas."""
    names, b = prices.assets, prices.assets.index(base)
    whole = moments.volatilities(returns, prices.bar)
    share = np.isfinite(returns).mean(axis=0)
    notes, volatility = [], {}
    for a, name in enumerate(names):
        volatility[name] = whole[a]
        if a != b and share[a] < SHORT and share[b] >= SHORT:
            volatility[name] = moments.extended_volatility(returns, a, b, prices.bar)
            notes.append(f"volatility of {name}: {share[a]:.0%} of the time, times {base}'s over all of it")
    wide = prices.coarsened(correlation_bar) if prices.bar < correlation_bar else prices
    slow = wide.returns()
    matrix, pairs = moments.correlation(slow)
    apart = [
        f"{names[i]} and {names[k]}" for i, k in zip(*np.nonzero(np.tril(np.isnan(matrix))), strict=True)
    ]
    if apart:
        what = f"no file holds {', nor '.join(apart)} at the same time"
        raise ConfigError.of(
            [Problem(None, "", what, "their correlation is unknown", "Choose with --assets.")]
        )
    last = [int(np.flatnonzero(np.isfinite(column))[-1]) for column in prices.close.T]
    found = Study(
        assets=names,
        joint=(base, *(name for name in names if name != base)),
        first=int(prices.times[0] - round(1000 * prices.bar)),
        last=int(prices.times[-1]),
        bar=prices.bar,
        n_bar=len(prices.times),
        n_joint=int(np.isfinite(returns).all(axis=1).sum()),
        sources=prices.sources,
        price={name: float(prices.close[last[a], a]) for a, name in enumerate(names)},
        volatility=volatility,
        correlation=matrix,
        correlation_bar=wide.bar,
        shrinkage=0.0,
        pairs=named(pairs, names),
        tail_betas={
            name: moments.tail_beta(slow[:, a], slow[:, b]) for a, name in enumerate(names) if a != b
        },
        notes=notes,
    )
    if np.isfinite(prices.high).any(axis=0).all():
        ranges = moments.range_volatility(prices.high, prices.low, prices.bar)
        found.range_volatility = dict(zip(names, ranges, strict=True))
    by_day(found, prices, returns, wide, slow)
    return found


def by_day(found: Study, prices: Prices, returns: np.ndarray, wide: Prices, slow: np.ndarray) -> None:
    """Volatility of the median day, and correlations on calm and on wild days."""
    if prices.bar > MOST_BAR:
        found.notes.append("bars are too long for a volatility of the day: no calm volatility")
        return
    day = moments.days_of(prices.times, round(1000 * prices.bar))
    daily = moments.daily_volatility(returns, day, prices.bar)
    for a, name in enumerate(prices.assets):
        if np.isfinite(daily[:, a]).sum() >= FEWEST_WINDOWS:
            calm = moments.median(daily[:, a])
            plain = float(np.nanstd(returns[:, a])) * math.sqrt(YEAR_SECONDS / prices.bar)
            found.calm_volatility[name] = scaled(calm, found.volatility[name].value / plain)
    if not found.calm_volatility:
        found.notes.append(f"fewer than {FEWEST_WINDOWS} whole days: no calm volatility")
        return
    market = np.log(daily).mean(axis=1)
    known = np.isfinite(market)
    if not known.any():
        found.notes.append("no day is whole for all assets: no correlations on calm and on wild days")
        return
    calm, wild = np.quantile(market[known], [CALM, WILD])
    for chosen, into in ((market < calm, "calm_correlation"), (market >= wild, "wild_correlation")):
        days = np.unique(day)[known & chosen]
        rows = np.isin(moments.days_of(wide.times, round(1000 * wide.bar)), days)
        if rows.sum() >= 20 * FEWEST_WINDOWS:
            setattr(found, into, named(moments.correlation(slow[rows])[1], prices.assets))


def scaled(found: Estimate, factor: float) -> Estimate:
    return Estimate(found.value * factor, found.error * factor, found.lower * factor, found.upper * factor)


def named(pairs: Mapping[tuple[int, int], Estimate], names: Sequence[str]) -> dict[tuple[str, str], Estimate]:
    return {(names[a], names[b]): found for (a, b), found in pairs.items()}


def by_place(found: Study) -> dict[tuple[int, int], Estimate]:
    place = {name: i for i, name in enumerate(found.assets)}
    return {(place[a], place[b]): pair for (a, b), pair in found.pairs.items()}


def add_basket(found: Study, name: str, members: Sequence[str]) -> None:
    """One typical member of a basket: the mean of the members' figures."""
    if name in found.assets:
        problem = f"basket {quoted(name)} has the name of an asset"
        raise ConfigError.of([Problem(None, "", problem, "one of the two must have another")])
    index = [found.assets.index(member) for member in members]
    row = found.correlation[index].mean(axis=0)
    found.correlation = np.block([[found.correlation, row[:, None]], [row[None, :], np.ones((1, 1))]])
    for other in found.assets:
        ends = [found.pairs.get((m, other)) or found.pairs.get((other, m)) for m in members]
        kept = [pair for pair in ends if pair is not None]
        pair = moments.mean_of(kept)
        value = float(row[found.assets.index(other)])
        found.pairs[other, name] = Estimate(
            value, pair.error, value + pair.lower - pair.value, value + pair.upper - pair.value
        )
    found.assets = (*found.assets, name)
    found.price[name] = 100.0
    for figures in (found.volatility, found.calm_volatility, found.range_volatility, found.tail_betas):
        if all(member in figures for member in members):
            figures[name] = moments.mean_of([figures[member] for member in members])


def factor(prices: Prices, other: Prices, delay: float | None) -> Factor:
    """Volatility of a factor, and how the assets move with it between its own closes."""
    series = other.close[:, 0]
    there = np.isfinite(series)
    seen = other.times[there] + (0 if delay is None else round(1000 * (delay - other.bar)))
    inside = (seen >= prices.times[0]) & (seen <= prices.times[-1])
    at, own = seen[inside], np.diff(np.log(series[there][inside]))
    if len(own) < FEWEST_WINDOWS:
        problem = f"{len(own)} returns of the factor lie within the prices of the assets"
        why = f"at least {FEWEST_WINDOWS} are needed"
        raise ConfigError.of([Problem(None, other.sources[0].file, problem, why)])
    assets = np.diff(np.log(as_of(at, prices)), axis=0)
    per_year = len(own) * YEAR_SECONDS / ((at[-1] - at[0]) / 1000)
    level = float(own.std() * math.sqrt(per_year))
    squares = (own - own.mean()) ** 2
    correlations, betas = {}, {}
    for a, name in enumerate(prices.assets):
        both = np.column_stack([assets[:, a], own])
        if np.isfinite(both).all(axis=1).sum() < FEWEST_WINDOWS:
            continue
        correlations[name] = moments.correlation(both)[1][0, 1]
        betas[name] = moments.beta(assets[:, a], own)
    influence = 0.5 * level * (squares / squares.mean() - 1)
    return Factor(estimate(level, influence, LOG), correlations, betas, len(own), other.sources[0])


def processes(
    found: Study, returns: np.ndarray, horizon: float, n_regime: int, skip: Collection[str],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Parameters of the exogenous processes, over the bars in which all assets have a return."""
    if len(returns) < 20 * FEWEST_WINDOWS // 5:
        found.notes.append(f"{len(returns)} bars in which all assets have a return: no processes")
        return
    if "student_t" not in skip:
        say("degrees of freedom")
        for window in sorted({found.bar, horizon, 86_400.0}):
            n_bar = round(window / found.bar)
            if n_bar >= 1 and len(returns) // n_bar >= FEWEST_WINDOWS:
                found.freedom[n_bar * found.bar] = student.degrees_of_freedom(returns, n_bar)
        found.window = min(found.freedom, key=lambda window: abs(window - horizon))
    if "stochastic_vol" not in skip:
        say("stochastic volatility")
        found.stochastic_vol = clustering.log_volatility(returns)
    if "garch" not in skip:
        for a, name in enumerate(found.joint):
            say(f"GARCH, {name}")
            found.garch[name] = clustering.garch(returns[:, a])
    if "bootstrap" not in skip:
        lengths = ((returns / returns.std(axis=0)) ** 2).mean(axis=1)
        found.block = clustering.block_length(lengths) * found.bar
    if "regime_switching" not in skip:
        say("regimes")
        found.regimes = regimes.regimes(returns, n_regime, found.bar, say)
    if "jump_diffusion" not in skip:
        say("jumps")
        found.jumps = jumps.jumps(returns, found.bar, say=say)
        if found.jumps.per_bar > 0.1:
            found.notes.append(
                f"{found.jumps.per_bar:.2f} jumps a bar: mostly volatility that clusters, not jumps; "
                "see docs/methods/calibration.md"
            )

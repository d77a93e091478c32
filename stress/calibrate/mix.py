"""A leverage mix from how much was liquidated at which moves: simulated moments.

docs/methods/calibration.md, Eqs. (28) to (31). Every trial runs the engine with the same paths and draws, so
that what it finds is smooth in the parameters.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from kernels import engines
from kernels.outcome import FAILED, SIDES, Layout
from stress.calibrate.intervals import CONFIDENCE, LOG, Estimate, within
from stress.calibrate.rows import read
from stress.compile import compile_config
from stress.config import load as load_config
from stress.config.run import RunConfig
from stress.errors import ConfigError, PathError, Problem, quoted, suggest
from stress.jobs import prepare
from stress.reporting import reported
from stress.shards import machine_errors

FEWEST = 5
"""Observations, at least."""

N_MOVE = 9
"""Shocks that are simulated; the response to falls between theirs is interpolated."""

LEAST = 1e-9
"""Share of open interest, so that there is a logarithm."""


@dataclass(frozen=True)
class Observations:
    """What was liquidated when prices moved."""

    file: str
    sha256: str
    fall: np.ndarray
    """Largest fall of the price, relative, above 0: [observation]."""
    share: np.ndarray
    """Reported liquidations over open interest."""
    venue: tuple[str, ...]
    """By observation; empty text: all venues together."""


@dataclass(frozen=True)
class Mix:
    """A log-normal law of leverage, cut at the tiers that a mix has."""

    median: Estimate
    sigma: Estimate
    shares: dict[str, Estimate]
    """Of the longs, by tier."""
    residual: float
    """Standard deviation of the logarithm of observed over simulated."""
    simulated: np.ndarray
    """Shares of open interest as reported, by observation."""
    paths: int


def load(path: str | os.PathLike[str]) -> Observations:
    """Read a table of move (-0.05: down by 5%), liquidations and open_interest; venue, if known.

    Liquidations are those of longs, both amounts in USD.

    raises: ConfigError at file:line, BackendError without pyarrow
    """
    rows = read(path)
    column = rows.needed("move")
    move = rows.numbers(column, above=-1)
    liquidated = rows.numbers(rows.needed("liquidations"), above=0)
    standing = rows.numbers(rows.needed("open_interest"), above=0)
    venues = rows.named("venue")
    names = rows.texts(venues) if venues else [""] * len(rows)
    for row in np.flatnonzero((move >= 0) | (move < -0.95)):
        why = "-0.05 is a fall of 5%; rises say nothing of longs"
        rows.refuse(row, column, f"{move[row]:g} is out of range", why)
    for row in np.flatnonzero(liquidated >= standing):
        rows.refuse(row, "liquidations", "are not below open interest", "one of them is in another unit")
    rows.settle()
    if len(rows) < FEWEST:
        why = f"at least {FEWEST} are needed"
        raise ConfigError.of([Problem(rows.place(len(rows) - 1), "", f"there are {len(rows)} rows", why)])
    return Observations(rows.file, rows.sha256, -move, liquidated / standing, tuple(names))


def tier_shares(median: float, sigma: float, ends: np.ndarray) -> np.ndarray:
    """Eq. (28): what a log-normal law puts between the ends, [tier + 1] to [tier]; adds up to one."""
    with np.errstate(divide="ignore"):
        below = stats.norm.cdf((np.log(ends) - math.log(median)) / sigma)
    held = np.diff(below)
    return held / held.sum()


class Market:
    """The config as a function of the two parameters."""

    def __init__(self, config: str, name: str, moves: np.ndarray, paths: int, threads: int) -> None:
        self.config: RunConfig = load_config(config, [f"run.paths={paths}"])
        mixes = self.config.mixes
        if name not in mixes:
            problem = Problem(None, "mixes", f"{config} has no mix {quoted(name)}", *suggest(name, mixes))
            raise ConfigError.of([problem])
        if self.config.overlays:
            why = "what happens is what was observed to happen"
            raise ConfigError.of([Problem(None, "overlays", f"{config} has overlays", why, "Remove them.")])
        self.name, self.threads = name, threads
        self.jobs = [prepare(self.config, [f"overlays={json.dumps([self.shock(move)])}"]) for move in moves]
        self.tiers = [tier for tier in self.config.tiers if mixes[name].long.get(tier.key)]

    def shares(self, theta: np.ndarray) -> dict[str, float]:
        """Shares of the longs by tier."""
        ends = np.array([self.tiers[0].from_, *(tier.to for tier in self.tiers)])
        held = tier_shares(math.exp(theta[0]), math.exp(theta[1]), ends).tolist()
        return dict(zip((tier.key for tier in self.tiers), held, strict=True))

    def forced(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of open interest that is forced [move, path, venue], and mean falls of the index [move]."""
        found, falls = [], []
        for job in self.jobs:
            mixes = job.config.mixes
            tried = mixes[self.name].model_copy(update={"long": self.shares(theta)})
            config = job.config.model_copy(update={"mixes": {**mixes, self.name: tried}})
            scenario = compile_config(config)
            with machine_errors():
                batch = engines.Engine(job.backend, scenario).run_paths(
                    config.run.seed, 0, config.run.paths, self.threads
                )
            if ((batch.status & FAILED) != 0).any():
                raise PathError("paths failed (a bug of ours): the money did not add up.")
            layout = Layout(scenario.shape)
            longs = layout.view(batch.rows, "liquidated")[:, :-1, -1, SIDES.index("long")]
            found.append(np.asarray(longs, float) / self.open_interest)
            falls.append(float(layout.view(batch.rows, "index_fall")[:, 0].mean()))
        return np.array(found), np.array(falls)

    def shock(self, move: float) -> dict[str, object]:
        """The observed move as an overlay: all assets, over the middle half of the run."""
        quarter = f"{self.config.run.horizon / 4:g}s"
        betas = dict.fromkeys(self.config.assets, "1")
        return {
            "kind": "price_shock", "name": "observed move", "at": quarter,
            "over": f"{self.config.run.horizon / 2:g}s", "size": f"{100 * move:.10f}%", "betas": betas,
        }  # fmt: skip

    @property
    def open_interest(self) -> np.ndarray:
        """By venue: USD."""
        venues = self.config.venues.values()
        return np.array([sum(m.open_interest for m in venue.markets.values()) for venue in venues])


def percentages(shares: Mapping[str, float]) -> dict[str, str]:
    """Shares as a config writes them: they add up to 100% exactly."""
    parts = {tier: round(share * 10**8) for tier, share in shares.items()}
    parts[max(parts, key=parts.__getitem__)] += 10**8 - sum(parts.values())
    return {tier: f"{part / 10**6:.6f}%" for tier, part in parts.items()}


def design(falls: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Weights of the simulated falls in each observed one, linear between neighbours: [observation, grid]."""
    order = np.argsort(grid)
    return np.stack([np.interp(falls, grid[order], row[order]) for row in np.eye(len(grid))], axis=1)


def mix(
    config: str,
    name: str,
    observed: Observations,
    factors: Mapping[str, float] | None = None,
    paths: int = 200,
    threads: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Mix:
    """Fit the two shape parameters of a mix.

    config : a small run config without overlays; its mix `name` says which tiers there are, and what of them
             is never forced
    factors: share of the true flow that each venue reports; 1 where not named

    raises: ConfigError, CompileError, BackendError
    """
    deepest, slightest = float(observed.fall.max()), float(observed.fall.min())
    grid = np.geomspace(max(slightest / 3, deepest / 50), deepest, N_MOVE)
    market = Market(config, name, -grid, paths, threads)
    venues = list(market.config.venues)
    for venue in observed.venue:
        if venue and venue not in venues:
            problem = f"{config} has no venue {quoted(venue)}"
            raise ConfigError.of([Problem(None, observed.file, problem, *suggest(venue, venues))])
    for venue in factors or {}:
        if venue not in venues:
            problem = f"{config} has no venue {quoted(venue)}"
            raise ConfigError.of([Problem(None, "--reporting", problem, *suggest(venue, venues))])
    place = np.array([venues.index(v) if v else len(venues) for v in observed.venue])
    seen = np.array(list(reported(dict.fromkeys(venues, 1.0), factors or {}).values()))
    held = market.open_interest / market.open_interest.sum()
    rows, target, trials = np.arange(len(place)), np.log(observed.share), 0

    def response(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eq. (29): logarithms of reported shares [observation]; effects of paths [path, observation]."""
        nonlocal trials
        trials += 1
        say(f"mix, trial {trials}: median {math.exp(theta[0]):.2f}x, sigma {math.exp(theta[1]):.2f}")
        shares, falls = market.forced(theta)
        shown = shares * seen
        each = np.concatenate([shown, (shown * held).sum(axis=2, keepdims=True)], axis=2)
        mean = np.maximum(each.mean(axis=1), LEAST)
        weight = design(observed.fall, falls)
        spread = np.einsum("og,gpo->po", weight, (each / mean[:, None, :] - 1)[:, :, place])
        return (weight @ np.log(mean))[rows, place], spread

    found = optimize.least_squares(
        lambda theta: response(theta)[0] - target,
        x0=np.log([3.0, 0.8]),
        bounds=(np.log([0.2, 0.1]), np.log([100.0, 3.0])),
        diff_step=0.02,
        xtol=1e-4,
        ftol=1e-6,
        max_nfev=25,
    )
    theta = found.x
    central, simulation = response(theta)
    slopes = np.stack([
        (response(theta + step)[0] - response(theta - step)[0]) / (2 * step[k])
        for k in range(2)
        for step in (0.02 * np.eye(2)[k],)
    ], axis=1)  # fmt: skip
    rest = target - central
    covariance = sandwich(slopes, rest, simulation)
    width = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(rest) - 2))
    errors = np.sqrt(np.diag(covariance))
    median, sigma = np.exp(theta)
    ends = [
        [np.array(list(market.shares(theta + step).values())) for step in (1e-4 * axis, -1e-4 * axis)]
        for axis in np.eye(2)
    ]
    slope = np.stack([(up - down) / 2e-4 for up, down in ends], axis=1)
    error = np.sqrt(np.einsum("tk,kl,tl->t", slope, covariance, slope))
    shares = {
        tier: within(share, float(e), width)
        for (tier, share), e in zip(market.shares(theta).items(), error, strict=True)
    }
    return Mix(
        median=within(float(median), float(median * errors[0]), width, LOG),
        sigma=within(float(sigma), float(sigma * errors[1]), width, LOG),
        shares=shares,
        residual=float(math.sqrt((rest**2).sum() / (len(rest) - 2))),
        simulated=np.exp(central),
        paths=paths,
    )


def sandwich(slopes: np.ndarray, rest: np.ndarray, simulation: np.ndarray) -> np.ndarray:
    """Eq. (31): covariance of the parameters, [2, 2].

    slopes    : derivatives of the simulated moments [observation, parameter]
    rest      : observed less simulated, logarithms [observation]
    simulation: what each path does to the moments [path, observation]

    raises: ConfigError where the observations cannot tell the two parameters apart
    """
    inner = slopes.T @ slopes
    if np.linalg.cond(inner) > 1e8:
        why = "their moves are too much alike, or nothing is forced at them"
        raise ConfigError.of([Problem(None, "", "the observations do not tell the parameters", why)])
    bread = np.linalg.inv(inner) @ slopes.T
    leverage = np.einsum("ok,ko->o", slopes, bread)
    meat = np.diag((rest / (1 - np.minimum(leverage, 0.9))) ** 2)
    if len(simulation) > 1:
        meat = meat + np.cov(simulation.T) / len(simulation)
    return bread @ meat @ bread.T

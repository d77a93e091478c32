"""A run config becomes a scenario: NumPy float64 arrays, built once, the same for every engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.exogenous.step_numpy import mixing_edges
from kernels.parts.table import N_EDGE
from kernels.scenario import (
    ADL_NONE,
    ADL_PRO_RATA,
    ADL_QUEUE,
    GBM,
    JUMP_COUNTS,
    JUMP_DIFFUSION,
    MAX_GROUP,
    STUDENT_T_PATH,
    STUDENT_T_STEP,
    Scenario,
    ScenarioArrays,
    ScenarioShape,
)
from stress import positions
from stress.config.check import LARGEST_MOVE, LEAST_DEPTH
from stress.units import YEAR_SECONDS

if TYPE_CHECKING:
    from stress.config import RunConfig

CONTINUITY = 0.5825971579
"""-zeta(1/2)/sqrt(2 pi): what a step misses of an extreme, in step deviations (Broadie et al. 1997)."""

WINDOW_SECONDS = 12 * 60
"""The worst window of forced flow is the largest whole number of steps within it, at least one."""

MOST_JUMPS = 0.5
"""Jumps of one kind expected in a step, at most: no more than `JUMP_COUNTS` are ever drawn."""

POLICIES = {"none": ADL_NONE, "queue": ADL_QUEUE, "pro_rata": ADL_PRO_RATA}


def compile_config(config: RunConfig) -> Scenario:
    """Scenario of a run config.

    raises: ConfigError where the positions of a market cannot be (located in the config's files)
    """
    shape = scenario_shape(config)
    arrays = exogenous(config) | overlays(config, shape) | books(config, shape) | marks(config)
    arrays |= held(config, shape) | rules(config, shape)
    arrays["monitoring"] = np.full(
        shape.n_asset, CONTINUITY if config.run.monitoring == "continuous" else 0.0
    )
    return Scenario(shape, ScenarioArrays(**arrays))


def scenario_shape(config: RunConfig) -> ScenarioShape:
    dynamics = config.dynamics
    process = {"gbm": GBM, "jump_diffusion": JUMP_DIFFUSION, "student_t": STUDENT_T_PATH}[dynamics.kind]
    if dynamics.kind == "student_t" and dynamics.mixing == "step":
        process = STUDENT_T_STEP
    groups = [
        len(market.maintenance) + bool(venue.liquidation.ladder)
        for venue in config.venues.values()
        for market in venue.markets.values()
    ]
    return ScenarioShape(
        n_step=config.run.n_step,
        dt_seconds=config.run.step,
        assets=tuple(config.assets),
        venues=tuple(config.venues),
        tiers=config.tier_names,
        n_group=min(max(groups, default=1), MAX_GROUP),
        process=process,
        # A millionth of a step is rounding: 0.1s is not a binary fraction.
        window_steps=max(1, math.floor(WINDOW_SECONDS / config.run.step + 1e-6)),
    )


# Exogenous prices


def exogenous(config: RunConfig) -> dict[str, np.ndarray]:
    """Drift, volatility, correlation, Student-t scale and jumps of one step."""
    dynamics, assets = config.dynamics, list(config.assets)
    years = config.run.step / YEAR_SECONDS
    drift = np.array([dynamics.drift.get(a, 0.0) for a in assets]) * years
    arrays = {
        "volatility": np.array([config.assets[a].volatility for a in assets]) * math.sqrt(years),
        "cholesky": np.linalg.cholesky(np.array(config.correlation_matrix())),
        "mixing": mixing_table(dynamics.degrees_of_freedom)
        if dynamics.kind == "student_t"
        else np.ones((2, len(mixing_edges()))),
    }
    jump, compensator = jumps(config, years)
    return arrays | jump | {"drift": drift - compensator}


def mixing_table(degrees_of_freedom: float) -> np.ndarray:
    """Student-t scale sqrt((nu - 2) / chi2_nu) at the tail probabilities of `mixing_edges`.

    returns: float64 [half, mixing_edge]; the lower half holds small chi-squares, large scales
    """
    from scipy.special import chdtri

    nu, tail = degrees_of_freedom, mixing_edges()
    # chdtri inverts the upper tail; the lower one comes from the gamma distribution directly.
    from scipy.special import gammaincinv

    low = 2 * gammaincinv(nu / 2, tail)
    high = chdtri(nu, tail)
    return np.sqrt((nu - 2) / np.stack([low, high]))


def count_thresholds(rate: float) -> np.ndarray:
    """Thresholds on a 32-bit word whose exceedances count Poisson(rate) events: uint64 [jump]."""
    terms = np.array([math.exp(-rate) * rate**k / math.factorial(k) for k in range(JUMP_COUNTS)])
    return np.minimum(np.ceil(np.cumsum(terms) * 2.0**32), 2.0**32).astype(np.uint64)


def drawable(config: RunConfig, path: tuple[str, ...], expected: float) -> None:
    """Raise where so many jumps are `expected` in a step that too many would not be drawn."""
    if expected > MOST_JUMPS:
        raise config.error(
            path,
            f"{expected:.3g} jumps are expected in a step",
            f"at most {JUMP_COUNTS} a step are drawn, so at most {MOST_JUMPS:g} may be expected",
            "Make the step shorter or the jumps rarer.",
        )


def jumps(config: RunConfig, years: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Jump arrays, and the log drift that compensates them where the config asks for it."""
    dynamics, assets = config.dynamics, list(config.assets)
    n = len(assets)
    arrays = {
        "common_jump_count": count_thresholds(0.0),
        "own_jump_count": np.tile(count_thresholds(0.0), (n, 1)),
        **{f"{who}_jump_{what}": np.zeros(n) for who in ("common", "own") for what in ("mean", "sd")},
    }
    compensator = np.zeros(n)
    if dynamics.kind != "jump_diffusion":
        return arrays, compensator
    if dynamics.common is not None:
        common = dynamics.common
        drawable(config, ("dynamics", "common", "rate"), common.rate * years)
        beta = np.array([common.betas.get(a, 1.0) for a in assets])
        arrays["common_jump_count"] = count_thresholds(common.rate * years)
        arrays["common_jump_mean"] = beta * common.mean
        arrays["common_jump_sd"] = beta * common.deviation
        compensator += (
            common.rate * years * np.expm1(arrays["common_jump_mean"] + arrays["common_jump_sd"] ** 2 / 2)
        )
    for i, asset in enumerate(assets):
        if asset in dynamics.own:
            own = dynamics.own[asset]
            drawable(config, ("dynamics", "own", asset, "rate"), own.rate * years)
            arrays["own_jump_count"][i] = count_thresholds(own.rate * years)
            arrays["own_jump_mean"][i], arrays["own_jump_sd"][i] = own.mean, own.deviation
            compensator[i] += own.rate * years * math.expm1(own.mean + own.deviation**2 / 2)
    return arrays, compensator if dynamics.compensated else np.zeros(n)


# Overlays


def overlap(config: RunConfig, at: float, over: float) -> np.ndarray:
    """Share of every step that lies within [at, at + over): float64 [step]."""
    starts = np.arange(config.run.n_step) * config.run.step
    inside = np.minimum(starts + config.run.step, at + over) - np.maximum(starts, at)
    return np.maximum(inside, 0.0) / config.run.step


def overlays(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Shocks by step; volatility and depth levels as few distinct rows with a row number by step."""
    shock = np.zeros((shape.n_step, shape.n_asset))
    volatility = np.ones((shape.n_step, shape.n_asset))
    depth = np.ones((shape.n_step, shape.n_asset, shape.n_venue))
    for overlay in config.overlays:
        share = overlap(config, overlay.at, overlay.over)
        if overlay.kind == "price_shock":
            beta = np.array([overlay.betas.get(a, 1.0) for a in shape.assets])
            weight = share * config.run.step / overlay.over
            shock += weight[:, None] * beta * math.log1p(overlay.size)
            continue
        factor = 1 + share * (overlay.multiplier - 1)
        assets = chosen(shape.assets, overlay.assets)
        if overlay.kind == "volatility":
            volatility *= np.where(assets, factor[:, None], 1.0)
        else:
            markets = assets[:, None] & chosen(shape.venues, overlay.venues)
            depth *= np.where(markets, factor[:, None, None], 1.0)
    computable(config, shock, depth)
    volatility_level, volatility_row = np.unique(volatility, axis=0, return_inverse=True)
    depth_level, depth_row = np.unique(depth.reshape(shape.n_step, -1), axis=0, return_inverse=True)
    return {
        "shock": shock,
        "volatility_level": volatility_level,
        "volatility_row": volatility_row.reshape(-1).astype(np.int32),
        "depth_level": depth_level.reshape(-1, shape.n_asset, shape.n_venue),
        "depth_row": depth_row.reshape(-1).astype(np.int32),
    }


def computable(config: RunConfig, shock: np.ndarray, depth: np.ndarray) -> None:
    """Raise where events, each of which is possible, together leave no price or no book to compute."""
    rounding = 1e-9
    if depth.min() < LEAST_DEPTH * (1 - rounding):
        problem = f"together multiply a depth by {depth.min():.3g}"
        why = f"a book this thin cannot be computed; it must be at least {LEAST_DEPTH:g}"
        raise config.error(("overlays",), problem, why)
    move = float(np.abs(np.cumsum(shock, axis=0)).max())
    if move > LARGEST_MOVE * (1 + rounding):
        problem = f"together move a log price by {move:.3g}"
        raise config.error(("overlays",), problem, f"at most {LARGEST_MOVE:g} can be computed")


def chosen(names: tuple[str, ...], some: tuple[str, ...] | None) -> np.ndarray:
    """Which of `names` are among `some`; all of them where none are named: bool."""
    return np.array([some is None or name in some for name in names])


# Books and marks


def markets(config: RunConfig):
    """(asset index, venue index, asset, venue, market) of every market."""
    for v, (venue_name, venue) in enumerate(config.venues.items()):
        for a, asset in enumerate(config.assets):
            if asset in venue.markets:
                yield a, v, asset, venue_name, venue.markets[asset]


def halving(step: float, half_life: float | None) -> float:
    """Factor of one step of decay with a half-life in seconds; None never decays."""
    return 1.0 if half_life is None else 2.0 ** (-step / half_life)


def books(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Order books of all markets; those that do not exist have depth zero and are never read."""
    size = (shape.n_asset, shape.n_venue)
    step, years = config.run.step, config.run.step / YEAR_SECONDS
    listed = np.zeros(size, bool)
    one = ("alpha", "refill", "withdrawal_decay", "depth_floor")
    arrays = {name: np.ones(size) for name in one}
    arrays |= {name: np.zeros(size) for name in ("depth", "withdrawal", "calm_memory")}
    arrays |= {name: np.full(size, np.inf) for name in ("band", "hard_end")}
    for a, v, asset, venue, market in markets(config):
        book = config.book(venue, asset)
        listed[a, v] = True
        decay = halving(step, book.withdrawal.half_life)
        values = {
            "depth": market.depth,
            "alpha": book.shape,
            "refill": halving(step, book.refill_half_life),
            "withdrawal": book.withdrawal.sensitivity**2,
            "withdrawal_decay": decay,
            "calm_memory": config.assets[asset].calm_volatility ** 2 * years / (1 - decay),
            "depth_floor": book.withdrawal.floor,
            "hard_end": np.inf if book.hard_end is None else 100 * book.hard_end,
            "band": 100 * book.band if book.shape > 1 and book.band is not None else np.inf,
        }
        for name, value in values.items():
            arrays[name][a, v] = value
    total = arrays["depth"].sum(axis=1)
    impact = config.books.permanent_impact * 0.01
    return arrays | {
        "listed": listed,
        "arbitrage": np.full(shape.n_asset, 1 - halving(step, config.books.arbitrage_half_life)),
        "permanent": np.where(total > 0, impact / np.where(total > 0, total, 1.0), 0.0),
    }


def normalised(weights: np.ndarray) -> np.ndarray:
    """Weights that sum to one along the last axis, or zeros."""
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def marks(config: RunConfig) -> dict[str, np.ndarray]:
    """Weights of every venue's mark price and of the market-wide index."""
    names = list(config.venues)
    depth = np.zeros((len(config.assets), len(names)))
    for a, v, _, _, market in markets(config):
        depth[a, v] = market.depth
    by_depth = normalised(depth)
    weight = np.zeros((len(config.assets), len(names), len(names)))
    for v, venue in enumerate(config.venues.values()):
        index = by_depth
        if venue.mark.index is not None:
            given = np.array([venue.mark.index.get(name, 0.0) for name in names])
            given = given * (depth > 0)
            # An index none of whose venues lists the asset falls back on all that do.
            index = normalised(np.where(given.sum(axis=1, keepdims=True) > 0, given, depth))
        own = np.where(depth[:, v] > 0, venue.mark.own, 0.0)
        weight[:, v] = (1 - own)[:, None] * index
        weight[:, v, v] += own
    return {"mark_weight": weight, "index_weight": by_depth}


# Positions and rules


def held(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Distance tables and maintenance classes of every market and side."""
    groups = (shape.n_asset, 2, shape.n_group, shape.n_venue)
    arrays = {name: np.zeros(groups) for name in ("group_rate", "group_deduction")}
    arrays |= {name: np.zeros((*groups, N_EDGE, shape.n_tier)) for name in ("forced", "margin")}
    partial = np.zeros(groups, bool)
    notional = np.zeros((shape.n_asset, 2, shape.n_venue, shape.n_tier))
    for a, v, asset, venue, market in markets(config):
        # Loading fills these in from the venue.
        assert market.mix is not None
        assert market.maximum_leverage is not None
        mix = config.mixes[market.mix]
        # Nobody holds more than the market allows, also where its limit cuts through a tier.
        bands = [(tier.from_, min(tier.to, market.maximum_leverage)) for tier in config.tiers]
        closes = [rung.close for rung in config.venues[venue].liquidation.ladder]
        classes = [(c.share, c.rate, c.deduction) for c in market.maintenance]
        sides = ((mix.long, mix.never_forced.long), (mix.short, mix.never_forced.short))
        for side, (shares, never) in enumerate(sides):
            held = np.array([market.open_interest * shares.get(t, 0.0) for t in config.tier_keys])
            forced = held * np.array([1 - never.get(t, 0.0) for t in config.tier_keys])
            notional[a, side, v] = held
            try:
                table = positions.market_tables(bands, forced, classes, closes, side, shape.n_group)
            except ValueError as error:
                tier = config.tier_names[error.args[0]]
                raise config.error(
                    ("venues", venue, "markets", asset, "maintenance"),
                    f"nobody in tier {tier} is solvent under any of the maintenance rates",
                    f"the mix {market.mix} puts open interest there, and all of it would be forced at once",
                    "lower a rate, or take that tier out of the mix",
                ) from None
            arrays["forced"][a, side, :, v], arrays["margin"][a, side, :, v] = table[:2]
            arrays["group_rate"][a, side, :, v], arrays["group_deduction"][a, side, :, v] = table[2:4]
            partial[a, side, :, v] = table[4]
    return arrays | {
        "group_partial": partial,
        "tier_notional": notional,
        "forced_total": arrays["forced"].sum(axis=(2, 5)),
    }


def rules(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Venue rules: engine, fees, fund, auto-deleveraging."""
    venues = list(config.venues.values())

    def each(value):
        return np.array([value(venue) for venue in venues], float)

    throughput = each(lambda v: np.inf if v.liquidation.throughput is None else v.liquidation.throughput)
    fund = each(lambda v: v.insurance_fund)
    return {
        "throughput": np.tile(throughput * config.run.step, (shape.n_asset, 1)),
        "fee_rate": each(lambda v: v.liquidation.fee),
        "surplus_share": each(lambda v: v.liquidation.surplus_to_fund),
        "fund": fund,
        "adl_policy": np.array([POLICIES[venue.adl.policy] for venue in venues], np.int32),
        "adl_below": fund * each(lambda v: v.adl.fund_below),
        "adl_drawdown": each(lambda v: 1.0 if v.adl.drawdown is None else v.adl.drawdown),
        "closing_share": each(lambda v: v.closing_share),
    }

"""A run config becomes a scenario: NumPy float64 arrays, built once, the same for every engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.account import Account
from kernels.scenario import (
    BOOTSTRAP,
    GBM,
    JUMP_DIFFUSION,
    MAX_GROUP,
    REGIME_SWITCHING,
    STOCHASTIC_VOLATILITY,
    STUDENT_T_PATH,
    STUDENT_T_STEP,
    Parts,
    Scenario,
    ScenarioArrays,
    ScenarioShape,
)
from stress.compile import (
    accounts,
    books,
    cover,
    crowds,
    events,
    exits,
    exogenous,
    flows,
    funding,
    history,
    loans,
    maintenance,
    margin,
    margin_raises,
    marks,
    overlays,
    positions,
    processes,
    rules,
    trading,
    vaults,
    winners,
)

if TYPE_CHECKING:
    from stress.config import RunConfig

CONTINUITY = 0.5825971579
"""-zeta(1/2)/sqrt(2 pi): what a step misses of an extreme, in step deviations (Broadie et al. 1997)."""

PROCESSES = {
    "gbm": GBM,
    "student_t": STUDENT_T_PATH,
    "jump_diffusion": JUMP_DIFFUSION,
    "stochastic_vol": STOCHASTIC_VOLATILITY,
    "regime_switching": REGIME_SWITCHING,
    "bootstrap": BOOTSTRAP,
}

WINDOW_SECONDS = 12 * 60
"""The worst window of forced flow is the largest whole number of steps within it, at least one."""


def compile_config(config: RunConfig) -> Scenario:
    """Scenario of a run config.

    raises: ConfigError where the positions of a market cannot be (located in the config's files)
    """
    shape = scenario_shape(config)
    positioned, early = exits.apart(config, positions.of_markets(config, shape))
    arrays = exogenous.arrays(config) | overlays.arrays(config, shape) | books.arrays(config, shape)
    arrays |= marks.arrays(config) | positions.arrays(positioned, shape) | rules.arrays(config, shape)
    arrays["monitoring"] = np.full(
        shape.n_asset, CONTINUITY if config.run.monitoring == "continuous" else 0.0
    )
    parts = processes.parts(config) | flows.parts(config, shape) | funding.parts(config, shape)
    parts |= margin_raises.parts(config, shape) | crowds.parts(config, shape, arrays)
    if config.dynamics.kind == "bootstrap":
        found, parts["bootstrap"] = history.compiled(config)
        arrays |= found
    held = Parts(
        event=events.part(config, shape),
        account=account(config, shape, early),
        adl=winners.part(config, shape, positioned),
        marking=marks.part(config),
        waterfall=rules.waterfall(config, shape),
        clearing=rules.clearing(config),
        cover=cover.part(config, arrays["fund"]),
        feed=trading.feed(config, shape),
        halt=trading.halt(config, shape),
        outage=trading.outage(config, shape),
        vault=vaults.part(config, shape, arrays["forced"]),
        **parts,
    )
    return Scenario(shape, ScenarioArrays(**arrays), held)


def account(config: RunConfig, shape: ScenarioShape, early: exits.Exits) -> Account | None:
    """All kinds of accounts, side by side; None where there are none."""
    entries = [*margin.entries(config, shape), *loans.entries(config, shape)]
    entries += exits.entries(config, shape, early)
    try:
        return accounts.pack(entries, shape)
    except ValueError as error:
        why = "kinds of one sort on different venues count once"
        raise config.error(entries[-1].where, str(error), why) from None


def scenario_shape(config: RunConfig) -> ScenarioShape:
    dynamics = config.dynamics
    process = PROCESSES[dynamics.kind]
    if dynamics.kind == "student_t" and dynamics.mixing == "step":
        process = STUDENT_T_STEP
    groups = [
        maintenance.n_class(market, bool(venue.liquidation.ladder)) + bool(venue.liquidation.ladder)
        for venue in config.venues.values()
        for market in venue.markets.values()
    ]
    return ScenarioShape(
        n_step=config.run.n_step,
        dt_seconds=config.run.step,
        assets=tuple(config.assets),
        venues=tuple(config.places),
        tiers=config.tier_names,
        n_group=min(max(groups, default=1), MAX_GROUP),
        process=process,
        # A millionth of a step is rounding: 0.1s is not a binary fraction.
        window_steps=max(1, math.floor(WINDOW_SECONDS / config.run.step + 1e-6)),
    )

"""Tiny scenarios made by hand, for tests: a quiet market in which a test switches on what it is about.

By default every venue lists every asset, prices stand still, books are linear and come back to rest
never, nobody is forced, marks are own prices, and there are no fees, funds or deleveraging.
"""

import dataclasses
import os

import numpy as np
import pytest

from kernels import engines, selling_numpy
from kernels.mechanisms.adl import Adl
from kernels.mechanisms.cascade import step_numpy as cascade
from kernels.mechanisms.clearing import Clearing
from kernels.mechanisms.exogenous.step_numpy import mixing_edges
from kernels.mechanisms.funding import Funding
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.mark import step_numpy as mark
from kernels.mechanisms.waterfall import Waterfall
from kernels.outcome import Layout
from kernels.parts.table.table_numpy import EDGES, N_EDGE
from kernels.scenario import GBM, JUMP_COUNTS, Parts, Scenario, ScenarioArrays, ScenarioShape
from stress.compile.tiers import margin_table

ENGINES = ("numpy", "cpu")

LIMIT = "limit"
"""The reference with rounds that go on to the limit: for answers that are sharper than the stopping rule."""

DEEP = 1e18
"""Dollars of depth that no order in a test displaces."""

NO_JUMPS = np.full(JUMP_COUNTS, 1 << 32, np.uint64)


def uniform(density, low=0.0, high=np.inf):
    """Cumulative notional of `density` dollars per unit of log distance in [low, high]: [edge]."""
    return density * (np.clip(EDGES, low, high) - low)


def mass(amount, margin, side=LONG):
    """Cumulative notional of holders around one start margin, exactly so on average: [edge].

    They fill the two bins on either side of their trigger price, for a maintenance rate of zero.
    """
    sign = 1 if side == LONG else -1
    means = sign * (1 - (np.exp(-sign * EDGES[1:]) + np.exp(-sign * EDGES[:-1])) / 2)
    i = np.searchsorted(means, margin)
    share = (margin - means[i - 1]) / (means[i] - means[i - 1])
    forced = np.zeros(N_EDGE)
    forced[i] = amount * (1 - share)
    forced[i + 1 :] = amount
    return forced


def quiet(n_step=1, n_asset=1, n_venue=1, n_tier=1, n_group=1, process=GBM, **changes):
    """A scenario with nothing in it but `changes`, arrays that broadcast to their shapes.

    `forced` may be given per tier and group as {(asset, side, group, venue, tier): [edge]}; margins,
    totals and notional of tiers follow from it.
    """
    shape = ScenarioShape(
        n_step=n_step, dt_seconds=60.0, assets=tuple("ABCDEFGHIJKLMNOP"[:n_asset]),
        venues=tuple(f"v{i}" for i in range(n_venue)), tiers=tuple(f"t{i}" for i in range(n_tier)),
        n_group=n_group, process=process, window_steps=12,
    )  # fmt: skip
    market, group = (n_asset, n_venue), (n_asset, 2, n_group, n_venue)
    forced = np.zeros((*group, N_EDGE, n_tier))
    for (a, side, g, v, t), amount in changes.pop("forced", {}).items():
        forced[a, side, g, v, :, t] = amount
    arrays = {
        "drift": np.zeros(n_asset), "volatility": np.zeros(n_asset), "cholesky": np.eye(n_asset),
        "mixing": np.ones((2, len(mixing_edges()))),
        "common_jump_count": NO_JUMPS, "common_jump_mean": np.zeros(n_asset),
        "common_jump_sd": np.zeros(n_asset),
        "own_jump_count": np.tile(NO_JUMPS, (n_asset, 1)), "own_jump_mean": np.zeros(n_asset),
        "own_jump_sd": np.zeros(n_asset),
        "shock": np.zeros((n_step, n_asset)),
        "volatility_row": np.zeros(n_step, np.int32), "volatility_level": np.ones((1, n_asset)),
        "depth_row": np.zeros(n_step, np.int32), "depth_level": np.ones((1, *market)),
        "listed": np.ones(market, bool), "depth": np.full(market, 1e8), "alpha": np.ones(market),
        "band": np.full(market, np.inf), "hard_end": np.full(market, np.inf), "refill": np.ones(market),
        "arbitrage": np.zeros(n_asset), "withdrawal": np.zeros(market),
        "withdrawal_decay": np.full(market, 0.5),
        "calm_memory": np.zeros(market), "depth_floor": np.full(market, 0.01), "permanent": np.zeros(n_asset),
        "mark_weight": np.tile(np.eye(n_venue), (n_asset, 1, 1)),
        "index_weight": np.full(market, 1 / n_venue), "monitoring": np.zeros(n_asset),
        "group_rate": np.zeros(group), "group_deduction": np.zeros(group),
        "group_partial": np.zeros(group, bool),
        "throughput": np.full(market, np.inf), "fee_rate": np.zeros(n_venue),
        "surplus_share": np.zeros(n_venue),
        "fund": np.zeros(n_venue), "adl_policy": np.zeros(n_venue, np.int32), "adl_below": np.zeros(n_venue),
        "adl_drawdown": np.ones(n_venue), "closing_share": np.ones(n_venue),
        "tier_notional": forced[..., -1, :].sum(axis=2),
    }  # fmt: skip
    for name, value in changes.items():
        arrays[name] = np.broadcast_to(np.asarray(value, arrays[name].dtype), arrays[name].shape).copy()
    margin = np.zeros_like(forced)
    for at in np.ndindex(*group):
        margin[at] = margin_table(forced[at], at[1], arrays["group_rate"][at], arrays["group_deduction"][at])
    arrays |= {"forced": forced, "margin": margin, "forced_total": forced.sum(axis=(2, 5))}
    return Scenario(shape, ScenarioArrays(**arrays), Parts(adl=winners(shape)))


def winners(shape, **changes):
    """Winners with equity of 1/1, 1/2, 1/3 ... by tier, who entered at the start and hedge nothing."""
    size = (shape.n_asset, 2, shape.n_venue, shape.n_tier)
    values = {
        "equity": 1 / np.arange(1, shape.n_tier + 1), "entry": 1.0, "hedged": 0.0,
    }  # fmt: skip
    arrays = {name: np.broadcast_to(changes.get(name, value), size).copy() for name, value in values.items()}
    at_mark = np.broadcast_to(changes.get("at_mark", 0), shape.n_venue).astype(np.int32)
    return Adl(**arrays, at_mark=at_mark)


def marking(scenario, **changes):
    """Rules of marks like the scenario's means, but for `changes`, arrays that broadcast to their shapes."""
    part = mark.means(scenario.arrays)
    changed = {
        name: np.broadcast_to(np.asarray(value, getattr(part, name).dtype), getattr(part, name).shape).copy()
        for name, value in changes.items()
    }
    return dataclasses.replace(part, **changed)


def replaced(scenario, **changes):
    """The scenario with other arrays."""
    return Scenario(scenario.shape, scenario.arrays.replace(**changes), scenario.parts)


def waterfall(shape, **changes):
    """One fund in cash for each venue, and what is special about it."""
    share = np.zeros((shape.n_asset, shape.n_venue))
    share[0] = 1.0
    arrays = {"share": np.asarray(changes.pop("share", share), float)}
    arrays["coin_share"] = np.broadcast_to(changes.pop("coin_share", 0.0), shape.n_venue).astype(float)
    for name in ("split", "coin", "window", "claim", "socialise"):
        arrays[name] = np.broadcast_to(changes.get(name, 0), shape.n_venue).astype(np.int32)
    return Waterfall(**arrays)


def clearing(shape, *layers):
    """Central clearing with these layers of dollars, the same at every venue or [venue]."""
    return Clearing(np.stack([np.broadcast_to(layer, shape.n_venue).astype(float) for layer in layers]))


def with_parts(scenario, **parts):
    """The scenario with some parts put in."""
    return Scenario(scenario.shape, scenario.arrays, scenario.parts.replace(**parts))


def funded(scenario, spike=0.0, **changes):
    """The scenario with funding: paid in full every step, at no premium the spike alone."""
    shape = scenario.shape
    a, v, n = shape.n_asset, shape.n_venue, shape.n_step
    rate = scenario.arrays.group_rate[:, :, 0]
    arrays = {
        "premium": np.tile(np.eye(v) - 1 / v, (a, 1, 1)), "interest": np.zeros(v), "clamp": np.zeros(v),
        "cap": np.ones(v), "share": np.ones(v),
        "weight": 1 / np.stack([1 - rate[:, LONG], 1 + rate[:, SHORT]], axis=1),
        "open_interest": scenario.arrays.tier_notional[:, 0].sum(axis=-1),
        "spike": np.broadcast_to(np.asarray(spike, float).reshape(-1, 1, 1), (n, a, v)).copy(),
    }  # fmt: skip
    arrays |= {name: np.broadcast_to(value, arrays[name].shape).copy() for name, value in changes.items()}
    return with_parts(scenario, funding=Funding(row=np.arange(n, dtype=np.int32), **arrays))


def mirrored(scenario):
    """The scenario with longs and shorts exchanged and every shock turned round."""
    arrays = scenario.arrays
    sides = (
        "forced",
        "margin",
        "forced_total",
        "tier_notional",
        "group_rate",
        "group_deduction",
        "group_partial",
    )
    swapped = {name: np.ascontiguousarray(getattr(arrays, name)[:, ::-1]) for name in sides}
    return replaced(scenario, shock=-arrays.shock, **swapped)


DOLLARS = ("depth", "forced", "margin", "forced_total", "tier_notional", "throughput", "fund", "adl_below")


def scaled(scenario, factor):
    """The scenario with every amount of dollars multiplied."""
    arrays = scenario.arrays
    parts = {f.name: getattr(scenario.parts, f.name) for f in dataclasses.fields(scenario.parts)}
    for name, part in parts.items():
        if part is not None:
            dollars = [f.name for f in dataclasses.fields(part) if f.metadata["unit"] == "USD"]
            parts[name] = dataclasses.replace(part, **{n: getattr(part, n) * factor for n in dollars})
    other = replaced(
        scenario, permanent=arrays.permanent / factor, **{n: getattr(arrays, n) * factor for n in DOLLARS}
    )
    return with_parts(other, **parts)


class Outcome:
    """Rows of a batch by field name: `outcome.loss` [path, component, venue+, tier+] and so on."""

    def __init__(self, scenario, batch):
        self.batch, self.status, self._layout = batch, batch.status, Layout(scenario.shape)

    def __getattr__(self, name):
        return self._layout.view(self.batch.rows, name).astype(float)


def require(engine):
    """Skip the test where an engine is missing, unless the environment forbids that."""
    reason = engines.missing(engine)
    if reason and not os.environ.get("STRESS_REQUIRE_FUSED"):
        pytest.skip(reason)


def simulate(engine, scenario, seed=0, first=0, count=1):
    """Outcome of a range of paths by an engine, or by the reference at its limit."""
    if engine == LIMIT:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cascade, "TOLERANCE", 1e-12)
            patch.setattr(cascade, "MAX_ROUNDS", 20_000)
            patch.setattr(selling_numpy, "LATER", 1e-12)
            patch.setattr(selling_numpy, "MAX_PASS", 500)
            return simulate("numpy", scenario, seed, first, count)
    require(engine)
    return Outcome(scenario, engines.run_paths(engine, scenario, seed, first, count))


__all__ = [
    "DEEP", "DOLLARS", "ENGINES", "LIMIT", "LONG", "SHORT", "Outcome", "clearing", "marking", "mass",
    "mirrored", "quiet", "replaced", "require", "scaled", "simulate", "uniform", "waterfall",
    "winners", "with_parts",
]  # fmt: skip

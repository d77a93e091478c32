"""How far two engines are apart, path by path, and whether that can be explained."""

import dataclasses
from unittest import mock

import numpy as np

from kernels import selling_numpy
from kernels.mechanisms.account import LATER
from kernels.outcome import FIELDS
from kernels.scenario import Scenario
from tests.scenarios import simulate

TOLERANCE = 1e-4
"""Of gross quantities: float32 against float64 through hundreds of steps and rounds."""

SHARE = 0.999
"""Paths within the tolerance, at least."""

STEEP = 0.95
"""Branching ratio beyond which a step may have two ends, and one last bit decides between them."""

DISTURBANCES = 24
"""How often the reference is run again, with other digits, for a path that engines see differently."""

SEVENTH_DIGIT = 1e-6

THRESHOLD = 0.01
"""Change of the least order that accounts still send in a step: orders are small differences of large sums,
and float32 knows the sums to seven digits."""

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)

EXACT = ("exhaustion_time", "venues_exhausted")

ROUGH = {"branching_ratio": 1e-2}
"""Bounds of their own, with a reason: the first round's flow over a step's flow is a ratio of two small
differences of cumulative notionals, and steps count from a threshold on, which a last bit can decide."""


def gross(scenario, outcome):
    """Scale of a path's dollars: what was forced, and what its books hold at rest within 1%: [path]."""
    return outcome.liquidated[:, -1, -1, -1] + outcome.backlog[:, -1] + scenario.arrays.depth.sum()


def gaps(scenario, one, other):
    """Largest difference of each field as a share of its gross quantity: {name: [path]}."""
    found = {}
    dollars = np.maximum(gross(scenario, one), gross(scenario, other))
    for field in FIELDS:
        a, b = (getattr(o, field.name).reshape(len(dollars), -1) for o in (one, other))
        scale = dollars
        if field.unit != "USD":
            # Falls and ratios are measured against the price itself: 1e-4 is one basis point.
            scale = np.maximum(np.abs(a).max(axis=1), 0.0 if field.name in EXACT else 1.0)
            scale = scale * ROUGH.get(field.name, TOLERANCE) / TOLERANCE
        gap = np.abs(a - b).max(axis=1)
        found[field.name] = np.where(gap > 0, gap / np.where(scale > 0, scale, 1.0), 0.0)
    return found


def steep(one, other):
    """Paths with a step so close to its tipping point that rounding decides: bool [path]."""
    return np.maximum(one.branching_ratio[:, -1], other.branching_ratio[:, -1]) > STEEP


def disturbed(scenario, number):
    """The scenario with other seventh digits: of every step's price, of depths, and of what can be forced."""
    random, arrays = np.random.default_rng(number), scenario.arrays

    def factor(*shape):
        return 1 + SEVENTH_DIGIT * random.standard_normal(shape)

    _, n_side, _, n_venue, *_ = arrays.forced.shape
    held = factor(len(arrays.depth), n_side, n_venue)
    changed = arrays.replace(
        shock=arrays.shock + SEVENTH_DIGIT / 10 * random.standard_normal(arrays.shock.shape),
        depth=arrays.depth * factor(*arrays.depth.shape),
        forced=arrays.forced * held[:, :, None, :, None, None],
        margin=arrays.margin * held[:, :, None, :, None, None],
        forced_total=arrays.forced_total * held[..., None],
    )
    parts, account = scenario.parts, scenario.parts.account
    if account is not None:
        forced = account.forced * factor(*account.forced.shape[:2], 1, 1)
        parts = parts.replace(account=dataclasses.replace(account, forced=forced))
    return Scenario(scenario.shape, changed, parts)


def tied(scenario, seed, path, tolerance=TOLERANCE):
    """Whether a last digit decides what happens on a path, so that engines may differ by as much.

    It does where the reference, with other seventh digits (and another least order), gives what the fused
    engine does, or moves at least half as far away from itself.
    """
    reference, fused = (simulate(engine, scenario, seed, first=path) for engine in ("numpy", "cpu"))

    def gap(one, other):
        return max(values[0] for values in gaps(scenario, one, other).values())

    apart = gap(reference, fused)
    for number in range(DISTURBANCES):
        later = LATER * (1 + THRESHOLD * np.random.default_rng(number).uniform(-1, 1))
        with mock.patch.object(selling_numpy, "LATER", later):
            other = simulate("numpy", disturbed(scenario, number), seed, first=path)
        if gap(other, fused) <= tolerance or gap(other, reference) >= apart / 2:
            return True
    return False


def assert_same_distribution(scenario, one, other):
    """Quantiles of losses, liquidations and falls agree."""
    for name in ("loss", "liquidated", "fall", "index_fall"):
        a, b = (getattr(o, name).reshape(len(o.status), -1) for o in (one, other))
        low, high = (np.quantile(x, QUANTILES, axis=0) for x in (a, b))
        scale = np.maximum(
            np.abs(low), scenario.arrays.depth.sum() if name in ("loss", "liquidated") else 0.01
        )
        assert np.all(np.abs(low - high) <= 1e-3 * scale), name

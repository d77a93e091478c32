"""Gradients by the floats of mechanisms that a run may do without, against the reference's limit."""

import dataclasses

import numpy as np
import pytest

from kernels.mechanisms.exogenous import StochasticVolatility
from kernels.mechanisms.exogenous.step_numpy import mixing_edges
from kernels.mechanisms.feed import Feed
from kernels.mechanisms.halt import Halt
from kernels.mechanisms.outage import Outage
from kernels.mechanisms.overlay import Event, MarginRaise
from kernels.mechanisms.waterfall import SOCIALISE_STEP
from kernels.scenario import STOCHASTIC_VOLATILITY
from tests.gradients import gradient
from tests.scenarios import (
    LIMIT,
    funded,
    marking,
    quiet,
    require,
    simulate,
    uniform,
    waterfall,
    with_parts,
)

pytestmark = pytest.mark.parity

SEED, N_PATH = 11, 48
STEP = 1e-5
N_STEP = 6


def rows(*values):
    """An int32 row by step."""
    return np.array(values, np.int32)


def everything():
    """A crash on two venues with every mechanism of markets whose numbers have slopes."""
    forced = {
        (0, side, 0, venue, tier): uniform(amount * (1 + venue), low, high)
        for venue in range(2)
        for side in range(2)
        for tier, (amount, low, high) in enumerate([(1e8, 0.08, 0.3), (2e8, 0.02, 0.1)])
    }
    scenario = quiet(
        n_step=N_STEP, n_venue=2, n_tier=2, process=STOCHASTIC_VOLATILITY, volatility=0.01,
        depth=[[30e6, 60e6]], alpha=0.6, refill=0.95, arbitrage=0.3, withdrawal=30.0, calm_memory=1e-4,
        withdrawal_decay=0.9, permanent=5e-11, monitoring=0.3, group_rate=0.005, fee_rate=0.002,
        surplus_share=0.5, fund=[1e5, 5e5], throughput=[[8e6, 25e6]],
        shock=np.array([0, -0.03, -0.03, -0.02, 0, 0])[:, None], forced=forced,
    )  # fmt: skip
    edges, one = mixing_edges(), np.ones(1)
    market = (1, 2)
    late = np.array([0, 0, 1, 1, 1, 1.0])
    parts = {
        "stochastic_volatility": StochasticVolatility(
            decay=0.9 * one, innovation=0.3 * one, start=0.1 * one, start_sd=0.2 * one, centre=0.1 * one,
            leverage=-0.5 * one, remainder=np.sqrt(0.75) * one, loading=np.ones(1),
        ),
        "event": Event(
            quantile=np.stack([0.5 + edges, 1.5 - edges])[None], share=np.array([[0, 0.5, 1, 0.5, 0, 0]]),
            shock=np.array([0, -0.004, -0.008, -0.004, 0, 0])[None, :, None], volatility=np.full((1, 1), 0.4),
            depth=np.full((1, *market), -0.3), rate=np.full((1, *market), 0.004),
        ),
        "margin_raise": MarginRaise(
            row=rows(0, 0, 0, 1, 1, 1),
            level=np.array([0, 0.006])[:, None, None, None] * np.ones((1, 1, 2, 2)),
            rate=np.zeros((2, *market)),
        ),
        "marking": marking(
            scenario, own=[[0.7, 0.2]], index=[[[0.6, 0.3], [0.4, 0.7]]], second=[[[0.2, 1], [0.8, 0]]],
            median=[[1, 0]], decay=0.7,
        ),
        "waterfall": waterfall(scenario.shape, coin_share=[0.4, 0.2], socialise=SOCIALISE_STEP),
        "feed": Feed(
            row=rows(0, 0, 1, 1, 0, 0), wrong=rows(0, 1), error=np.array([0, -0.002])[:, None, None, None]
            * np.array([1.0, 0, 1])[:, None, None] * np.ones((1, 1, *market)),
            stale=np.zeros((2, *market), np.int32),
            lag=np.array([[[0, 0]], [[0, 1]]], np.int32),
        ),
        "outage": Outage(
            row=rows(0, 0, 0, 1, 1, 1), down=np.array([[0, 0], [0, 1]], np.int32),
            throughput=np.array([[1, 1], [1, 0.5]]), depth=np.array([[1, 1], [0.8, 0.7]]),
            hazard=np.zeros(2), decay=np.full(2, 0.9), recovery=np.ones(2), failed_throughput=np.ones(2),
            failed_depth=np.ones(2),
        ),
        "halt": Halt(
            row=rows(0, 0, 0, 0, 1, 0), closed=np.array([[[0, 0]], [[1, 0]]], np.int32),
            fall=np.full((1, *market), [[0.1, 0.13]]), rise=np.full((1, *market), np.inf),
            steps=np.ones((1, *market), np.int32), decay=np.full(market, 0.9),
        ),
    }  # fmt: skip
    return funded(with_parts(scenario, **parts), late * 0.002, interest=[0.001, 0.002], clamp=1e-4, cap=0.5)


def measured(loss, funding, fall, backlog, worst):
    """Losses of the worst paths, what winners gave counted twice, funding, falls and lines that wait."""
    total, socialised = loss[:, 0, -1, -1], loss[:, 7, -1, -1]
    each = total + socialised + 3 * funding[:, -1].sum(-1) + 1e7 * fall[:, 0].sum(-1)
    return worst(each + 0.1 * backlog[:, -1]).mean()


def moved(scenario, name, by):
    """The scenario with one of its parts' arrays multiplied by 1 + `by`."""
    part, leaf = name.split(".")
    held = getattr(scenario.parts, part)
    changed = dataclasses.replace(held, **{leaf: getattr(held, leaf) * (1 + by)})
    return with_parts(scenario, **{part: changed})


def reference(scenario):
    found = simulate(LIMIT, scenario, SEED, 0, N_PATH)
    return measured(
        found.loss, found.funding, found.fall, found.backlog, lambda x: np.sort(x)[-N_PATH // 2 :]
    )


@pytest.fixture(scope="module")
def slopes():
    """The measure, and its gradient."""
    require("jax")
    import jax.numpy as jnp

    def measure(found):
        return measured(
            found["loss"], found["funding"], found["fall"], found["backlog"],
            lambda x: jnp.sort(x)[-N_PATH // 2 :],
        )  # fmt: skip

    return gradient(everything(), measure, SEED, N_PATH)


DIRECTIONS = (
    "stochastic_volatility.innovation", "stochastic_volatility.leverage", "event.quantile", "event.shock",
    "event.depth", "event.rate", "margin_raise.level", "marking.own", "marking.decay",
    "waterfall.coin_share", "feed.error", "outage.depth", "outage.throughput", "halt.fall",
    "funding.interest", "funding.premium",
)  # fmt: skip


def test_the_point_is_the_references(slopes):
    value, slope = slopes
    assert value == pytest.approx(reference(everything()), rel=1e-9)
    assert {name for name, x in slope.items() if not np.isfinite(x).all()} == set()


@pytest.mark.parametrize("name", DIRECTIONS)
def test_against_central_differences_of_the_reference(slopes, name):
    """A number per log of the array."""
    scenario, (part, leaf) = everything(), name.split(".")
    held = getattr(getattr(scenario.parts, part), leaf)
    above, below = (reference(moved(scenario, name, by)) for by in (STEP, -STEP))
    along = (slopes[1][name] * np.where(np.isfinite(held), held, 0.0)).sum()
    assert above != below
    assert along == pytest.approx((above - below) / (2 * STEP), rel=1e-4)

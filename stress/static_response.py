"""How a market at rest answers one sudden common shock: before any path is drawn.

Every asset falls at once by its beta times the shock; the cascade runs to its end within one step,
at calm depth and with no further news. docs/methods/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels import engine_numpy, outcome
from kernels.parts.record.record_numpy import Record
from kernels.scenario import Scenario
from kernels.state import initial

SHOCKS = np.geomspace(0.0005, 0.20, 60)
"""Falls of the first asset, as shares."""

CRITICAL_AMPLIFICATION = 3.0
SUPERCRITICAL_FALL = 0.01


@dataclass(frozen=True)
class StaticResponse:
    """The response of a market at rest."""

    shock: np.ndarray
    """Fall of an asset with beta 1, as a share [shock]."""
    betas: np.ndarray
    """Betas to the first asset, from the scenario's volatilities and correlations [asset]."""
    index_fall: np.ndarray
    """Fall of every asset's index, as a share [shock, asset]."""
    amplification: np.ndarray
    """Log fall of the index over log fall of the shock [shock, asset]."""
    critical_shock: float
    """Smallest shock that is amplified more than threefold in any asset or exhausts a book; NaN: none."""
    supercritical: bool
    """Whether one step's standard deviation is enough to start a cascade that feeds itself."""
    reason: str
    """Why, in words; empty where it is not."""


def betas(scenario: Scenario) -> np.ndarray:
    """Betas of all assets to the first one: float64 [asset]."""
    arrays = scenario.arrays
    correlation = (arrays.cholesky @ arrays.cholesky.T)[:, 0]
    first = arrays.volatility[0]
    return correlation * arrays.volatility / first if first > 0 else np.ones_like(correlation)


def respond(scenario: Scenario, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step from rest with given exogenous log returns.

    moves  : [case, asset]
    returns: log index prices after the cascade [case, asset]; whether a book was exhausted, or the
             cascade had not ended after all its rounds [case]
    """
    arrays = scenario.arrays
    calm = arrays.replace(
        shock=np.zeros_like(arrays.shock),
        depth_level=np.ones_like(arrays.depth_level[:1]),
        depth_row=np.zeros_like(arrays.depth_row),
        # To its end: nothing waits, nobody is spared.
        throughput=np.full_like(arrays.throughput, np.inf),
    )
    # What is imposed, or stops markets from trading, is no answer of the market.
    scenario = Scenario(
        scenario.shape, calm, scenario.parts.replace(flow=None, feed=None, halt=None, outage=None)
    )
    state, record = initial(scenario, len(moves)), Record(scenario, len(moves))
    counters = dict.fromkeys(outcome.COUNTERS, 0)
    engine_numpy.step(scenario, state, record, counters, 0, moves, np.zeros_like(moves))
    index = (state.price * arrays.index_weight).sum(axis=-1)
    return index, (state.status & (outcome.EXHAUSTED | outcome.UNCONVERGED)) > 0


def static_response(scenario: Scenario) -> StaticResponse:
    """Response to common shocks of 0.05% to 20%, the critical one, and whether rest is stable."""
    beta = betas(scenario)
    moves = np.log1p(-SHOCKS)[:, None] * beta
    index, exhausted = respond(scenario, moves)
    falling = moves < 0
    amplification = np.where(falling, index / np.where(falling, moves, -1.0), 1.0)
    critical = exhausted | (amplification > CRITICAL_AMPLIFICATION).any(axis=1)
    supercritical, reason = at_rest(scenario)
    return StaticResponse(
        shock=SHOCKS,
        betas=beta,
        index_fall=1 - np.exp(index),
        amplification=amplification,
        critical_shock=float(SHOCKS[critical][0]) if critical.any() else float("nan"),
        supercritical=supercritical,
        reason=reason,
    )


def at_rest(scenario: Scenario) -> tuple[bool, str]:
    """Whether a shock of one step's standard deviation, down or up, ends more than 1% beyond itself."""
    move = np.stack([-scenario.arrays.volatility, scenario.arrays.volatility])
    index, endless = respond(scenario, move)
    beyond = (index - move) * np.sign(move)
    case, asset = np.unravel_index(int(beyond.argmax()), beyond.shape)
    word = ("fall", "rise")[case]
    if beyond[case, asset] > SUPERCRITICAL_FALL:
        name, shock = scenario.shape.assets[asset], abs(move[case, asset])
        return True, (
            f"a {word} of {shock:.2%} in {name}, one standard deviation of a step, "
            f"ends {beyond[case, asset]:.1%} beyond itself"
        )
    if endless.any():
        word = ("fall", "rise")[int(endless.argmax())]
        return True, f"a {word} of one standard deviation of a step runs off the end of a book, or has no end"
    return False, ""

"""Exogenous prices: drift, volatility, correlation, Student-t scale and jumps of one step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.exogenous.step_numpy import mixing_edges
from kernels.scenario import JUMP_COUNTS
from stress.units import YEAR_SECONDS

if TYPE_CHECKING:
    from stress.config import RunConfig

MOST_JUMPS = 0.5
"""Jumps of one kind expected in a step, at most: no more than `JUMP_COUNTS` are ever drawn."""


def arrays(config: RunConfig) -> dict[str, np.ndarray]:
    """Drift, volatility, correlation, Student-t scale and jumps of one step."""
    dynamics, assets = config.dynamics, list(config.assets)
    years = config.run.step / YEAR_SECONDS
    drift = np.array([dynamics.drift.get(a, 0.0) for a in assets]) * years
    found = {
        "volatility": np.array([config.assets[a].volatility for a in assets]) * math.sqrt(years),
        "cholesky": np.linalg.cholesky(np.array(config.correlation_matrix())),
        "mixing": mixing_table(dynamics.degrees_of_freedom)
        if dynamics.kind == "student_t"
        else np.ones((2, len(mixing_edges()))),
    }
    jump, compensator = jumps(config, years)
    return found | jump | {"drift": drift - compensator}


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

"""Exogenous processes that remember: their parts of the scenario."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.exogenous import StochasticVolatility

if TYPE_CHECKING:
    from stress.config import RunConfig


def parts(config: RunConfig) -> dict[str, Any]:
    """Parts of the exogenous process, by name; none for processes without memory."""
    if config.dynamics.kind == "stochastic_vol":
        return {"stochastic_volatility": stochastic_volatility(config)}
    return {}


def stochastic_volatility(config: RunConfig) -> StochasticVolatility:
    """Eqs. (5) to (7) of docs/methods/exogenous.md for steps of the run's length."""
    dynamics = config.dynamics
    assert dynamics.kind == "stochastic_vol"
    decay, settled = 2 ** (-config.run.step / dynamics.half_life), dynamics.deviation
    innovation = settled * math.sqrt(-math.expm1(2 * math.log(decay)))
    drawn = dynamics.start is None
    numbers = {
        "decay": decay,
        "innovation": innovation,
        "start": 0.0 if drawn else math.log(dynamics.start) + settled**2,
        "start_sd": settled if drawn else 0.0,
        "centre": settled**2,
        "leverage": dynamics.leverage,
        "remainder": math.sqrt(1 - dynamics.leverage**2),
    }
    loading = common_loading(np.linalg.cholesky(np.array(config.correlation_matrix())))
    return StochasticVolatility(**{name: np.array([x]) for name, x in numbers.items()}, loading=loading)


def common_loading(cholesky: np.ndarray) -> np.ndarray:
    """Weights of a step's normals in the assets' common return, of unit variance: float64 [asset]."""
    loading = cholesky.sum(axis=0)
    return loading / np.linalg.norm(loading)

"""What an estimate is, and how sure it is: batches of time, and Student's t over them.

docs/methods/calibration.md, Eqs. (1) to (3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

N_BATCH = 20
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scale:
    """Where an estimator is nearly normal: g, its inverse, and the derivative of g."""

    name: str
    to: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


LINEAR = Scale("as it is", float, float, lambda x: 1.0)
LOG = Scale("logarithm", math.log, math.exp, lambda x: 1 / x)
FISHER = Scale("Fisher's z", math.atanh, math.tanh, lambda x: 1 / (1 - x * x))
LOGIT = Scale(
    "logit", lambda x: math.log(x / (1 - x)), lambda x: 1 / (1 + math.exp(-x)), lambda x: 1 / (x * (1 - x))
)
ABOVE_TWO = Scale(
    "log of the excess over two",
    lambda x: math.log(x - 2),
    lambda x: 2 + math.exp(min(x, 700.0)),
    lambda x: 1 / (x - 2),
)


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and its 95% interval."""

    value: float
    error: float
    lower: float
    upper: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON: null for what is not known."""
        known = {"value": self.value, "standard_error": self.error, "lower": self.lower, "upper": self.upper}
        return {name: number if math.isfinite(number) else None for name, number in known.items()}


def batch_means(influence: np.ndarray, n_batch: int = N_BATCH) -> np.ndarray:
    """Means over `n_batch` stretches of time of nearly the same length: [time, ...] to [batch, ...]."""
    edges = np.linspace(0, len(influence), n_batch + 1).astype(int)
    return np.add.reduceat(influence, edges[:-1], axis=0) * (n_batch / len(influence))


def standard_error(influence: np.ndarray, n_batch: int = N_BATCH) -> np.ndarray:
    """Eq. (2): standard error of a mean of dependent influences, [time, ...] to [...]."""
    return batch_means(influence, n_batch).std(axis=0, ddof=1) / math.sqrt(n_batch)


def quantile(n_batch: int = N_BATCH) -> float:
    """Half-width of the interval in standard errors."""
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, n_batch - 1))


def estimate(value: float, influence: np.ndarray, scale: Scale = LINEAR) -> Estimate:
    """Eqs. (1) to (3): the interval of an estimator with these influences.

    influence: [time], so that estimate - truth is nearly their mean
    scale    : in which the interval is symmetric
    """
    return within(float(value), float(standard_error(influence)), quantile(), scale)


def within(value: float, error: float, width: float, scale: Scale = LINEAR) -> Estimate:
    """An estimate with this standard error; the interval is symmetric on `scale`."""
    try:
        centre, half = scale.to(value), width * error * abs(scale.slope(value))
        lower, upper = scale.back(centre - half), scale.back(centre + half)
    except (ValueError, ZeroDivisionError, OverflowError):
        lower, upper = math.nan, math.nan
    return Estimate(value, error, lower, upper)


def unknown(value: float) -> Estimate:
    """A number without an interval."""
    return Estimate(float(value), math.nan, math.nan, math.nan)


Equations = Callable[[np.ndarray], np.ndarray]
"""Estimating functions at a parameter: [parameter] to [time, parameter]; their means are zero at the
estimate."""


def influences(equations: Equations, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Eq. (4): influence of every moment of time on every parameter, [time, parameter].

    step: how far each parameter is moved to take derivatives
    """
    at = equations(theta)
    jacobian = np.empty((len(theta), len(theta)))
    for k in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[k] += step[k]
        down[k] -= step[k]
        jacobian[:, k] = (equations(up).mean(axis=0) - equations(down).mean(axis=0)) / (2 * step[k])
    # Scaled before it is solved: parameters differ by orders of magnitude.
    rows = np.abs(jacobian * step).max(axis=1)
    rows[rows == 0] = 1.0
    scaled = jacobian * step / rows[:, None]
    return -np.linalg.lstsq(scaled, (at / rows).T, rcond=1e-12)[0].T * step


def scores(log_likelihood: Equations, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Derivatives of the log likelihood of every moment: [time, parameter]."""
    columns = []
    for k in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[k] += step[k]
        down[k] -= step[k]
        columns.append((log_likelihood(up) - log_likelihood(down)) / (2 * step[k]))
    return np.stack(columns, axis=1)

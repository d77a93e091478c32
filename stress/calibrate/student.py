"""Student-t degrees of freedom, of a scale that is one for a window of returns.

docs/methods/calibration.md, Eqs. (11) and (12). Windows of one bar: `mixing: step`; of the run's length:
`mixing: path`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize
from scipy.special import gammaln

from stress.calibrate.intervals import ABOVE_TWO, Estimate, estimate, influences, scores

MOST = 200.0
"""Degrees of freedom that are told from a normal law, at most."""


def windows(returns: np.ndarray, n_bar: int) -> np.ndarray:
    """Second moments of the returns within each whole window: [window, asset, asset].

    returns: [time, asset], none missing; the mean is taken away
    """
    count = len(returns) // n_bar
    cut = (returns - returns.mean(axis=0))[: count * n_bar].reshape(count, n_bar, -1)
    return np.einsum("wta,wtb->wab", cut, cut)


def log_likelihood(theta: np.ndarray, lengths: np.ndarray, d: int) -> np.ndarray:
    """Eq. (11) of every window, constants left out.

    theta  : logarithm of (nu - 2), logarithm of the scale
    lengths: squared Mahalanobis length of a window's returns
    d      : numbers in a window, bars times assets
    """
    excess, scale = np.exp(theta)
    nu = 2 + excess
    constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - 0.5 * d * (math.log(excess) + theta[1])
    return constant - 0.5 * (nu + d) * np.log1p(lengths / (excess * scale))


def degrees_of_freedom(returns: np.ndarray, n_bar: int = 1) -> Estimate:
    """Maximum likelihood over windows of `n_bar` bars.

    Shape and degrees of freedom are orthogonal, so the shape is held at its estimate; the scale is not.
    """
    moments = windows(returns, n_bar)
    d = n_bar * returns.shape[1]
    covariance, theta = moments.sum(axis=0) / (len(moments) * n_bar), np.array([math.log(4.0), 0.0])
    for _ in range(6):
        lengths = np.einsum("wab,ab->w", moments, np.linalg.inv(covariance))
        theta = fitted(theta, lengths, d)
        excess, scale = np.exp(theta)
        weight = (2 + excess + d) / (excess + lengths / scale)
        covariance = np.einsum("w,wab->ab", weight / len(weight) / n_bar, moments)
    lengths = np.einsum("wab,ab->w", moments, np.linalg.inv(covariance))
    theta = fitted(theta, lengths, d)
    step = np.array([1e-4, 1e-5])
    influence = influences(
        lambda t: scores(lambda u: log_likelihood(u, lengths, d), t, step), theta, 10 * step
    )
    nu = 2 + math.exp(theta[0])
    return estimate(nu, (nu - 2) * influence[:, 0], ABOVE_TWO)


def fitted(theta: np.ndarray, lengths: np.ndarray, d: int) -> np.ndarray:
    """Where the likelihood of these lengths is largest, from near `theta` on."""
    return optimize.minimize(
        lambda t: -log_likelihood(t, lengths, d).mean(),
        np.array([theta[0], 0.0]),
        method="L-BFGS-B",
        bounds=[(math.log(1e-3), math.log(MOST)), (-10, 10)],
        options={"ftol": 1e-14, "gtol": 1e-9},
    ).x

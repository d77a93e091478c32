"""Exogenous processes that remember: their parts of the scenario."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.exogenous import Correlation, Regimes, StochasticVolatility
from stress.compile.overlays import overlap
from stress.units import YEAR_SECONDS

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.dynamics import Regime


def parts(config: RunConfig) -> dict[str, Any]:
    """Parts of the exogenous process, by name; none where one correlation and no memory do."""
    found: dict[str, Any] = {}
    if config.dynamics.kind == "stochastic_vol":
        found["stochastic_volatility"] = stochastic_volatility(config)
    if config.dynamics.kind == "regime_switching":
        found["regimes"] = regimes(config)
    if (levels := correlation(config)) is not None:
        found["correlation"] = levels
    return found


def stochastic_volatility(config: RunConfig) -> StochasticVolatility:
    """Eqs. (5) to (7) of docs/methods/exogenous.md for steps of the run's length."""
    dynamics = config.dynamics
    assert dynamics.kind == "stochastic_vol"
    decay, settled = 2 ** (-config.run.step / dynamics.half_life), dynamics.deviation
    innovation = settled * math.sqrt(-math.expm1(-2 * math.log(2) * config.run.step / dynamics.half_life))
    numbers = {
        "decay": decay,
        "innovation": innovation,
        "start": 0.0 if dynamics.start is None else math.log(dynamics.start) + settled**2,
        "start_sd": settled if dynamics.start is None else 0.0,
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


def regimes(config: RunConfig) -> Regimes:
    """Eq. (7): a chain in continuous time, seen at the ends of steps."""
    from scipy.linalg import expm

    dynamics, assets = config.dynamics, list(config.assets)
    assert dynamics.kind == "regime_switching"
    rates, years = generator(dynamics.regimes), config.run.step / YEAR_SECONDS
    if dynamics.start == "stationary":
        start = stationary(config, rates)
    else:
        start = np.array([float(name == dynamics.start) for name in dynamics.regimes])
    drift = [[r.drift.get(a, 0.0) * years for a in assets] for r in dynamics.regimes.values()]
    return Regimes(
        start=thresholds(start),
        transition=thresholds(expm(rates * config.run.step)),
        volatility=np.array([factors(config, name) for name in dynamics.regimes]),
        drift=np.array(drift),
    )


def generator(found: dict[str, Regime]) -> np.ndarray:
    """Rates of change between regimes, 1/second: float64 [regime, next]; rows add up to zero."""
    names = list(found)
    rates = np.zeros((len(names), len(names)))
    for i, regime in enumerate(found.values()):
        follows = regime.next or {name: 1.0 for name in names if name != names[i]}
        for name, share in follows.items():
            rates[i, names.index(name)] = share / regime.mean_duration
        rates[i, i] = -1 / regime.mean_duration
    return rates


def stationary(config: RunConfig, rates: np.ndarray) -> np.ndarray:
    """Shares of time in the long run: float64 [regime].

    raises: ConfigError where they depend on the start
    """
    values, vectors = np.linalg.eig(rates.T)
    still = np.abs(values) < 1e-9 * np.abs(rates).max()
    if still.sum() != 1:
        why = "some regimes never lead to the others, so the long run depends on the start"
        raise config.error(("dynamics", "start"), "there is no one stationary state", why, "Name a regime.")
    share = np.real(vectors[:, still][:, 0])
    return np.maximum(share / share.sum(), 0.0)


def thresholds(probability: np.ndarray) -> np.ndarray:
    """Thresholds on a 32-bit word, of which it reaches as many as there are outcomes before its own.

    probability: [..., outcome], adding up to 1
    returns    : uint64 [..., outcome], the last one beyond every word
    """
    edges = np.ceil(np.cumsum(probability, axis=-1) * 2.0**32)
    edges[..., -1] = 2.0**32
    return np.clip(edges, 0, 2.0**32).astype(np.uint64)


def factors(config: RunConfig, name: str) -> list[float]:
    """Factors of one regime on the stated volatilities, by asset."""
    assert config.dynamics.kind == "regime_switching"
    regime, found = config.dynamics.regimes[name], []
    for asset, stated in config.assets.items():
        volatility = regime.volatilities.get(asset)
        if volatility and not stated.volatility:
            path = ("dynamics", "regimes", name, "volatilities", asset)
            why = "a regime's volatility is kept as a factor on it"
            raise config.error(path, f"the stated volatility of {asset} is 0%", why, "State one above it.")
        found.append(regime.volatility if volatility is None else volatility / (stated.volatility or 1.0))
    return found


def correlation(config: RunConfig) -> Correlation | None:
    """Correlations by step and regime; None where one holds throughout.

    A step that lies partly within an overlay has the mean of the two, weighted by time.
    """
    assets, overlays = tuple(config.assets), [o for o in config.overlays if o.kind == "correlation"]
    own = [config.correlation]
    if config.dynamics.kind == "regime_switching":
        own = [regime.correlation or config.correlation for regime in config.dynamics.regimes.values()]
    if not overlays and all(found == config.correlation for found in own):
        return None
    base = np.array([found.ordered(assets) for found in own])
    none = np.zeros(config.run.n_step)
    shares = np.stack([*(overlap(config, o.at, o.over) for o in overlays), none], axis=1)
    distinct, row = np.unique(shares, axis=0, return_inverse=True)
    levels = []
    for share in distinct:
        level = base
        for weight, overlay in zip(share, overlays, strict=False):
            level = (1 - weight) * level + weight * np.array(overlay.correlation.ordered(assets))
        levels.append(np.linalg.cholesky(level))
    return Correlation(row=row.reshape(-1).astype(np.int32), cholesky=np.array(levels))

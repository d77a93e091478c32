"""Exogenous returns of one step: the specification. Equations of docs/methods/exogenous.md."""

import numpy as np

from kernels import sites
from kernels.mechanisms.exogenous.memory_numpy import regime, resampled, volatility_factor
from kernels.parts.normal.normal_numpy import normal, tail
from kernels.parts.philox.philox_numpy import words
from kernels.scenario import (
    BOOTSTRAP,
    JUMP_DIFFUSION,
    REGIME_SWITCHING,
    STOCHASTIC_VOLATILITY,
    STUDENT_T_PATH,
    STUDENT_T_STEP,
)

MIXING_LOWEST, MIXING_BITS = -33, 5


def mixing_edges():
    """Tail probabilities at which the Student-t scale is tabulated: float64 [mixing_edge]."""
    per_octave = 1 << MIXING_BITS
    octave = 2.0 ** np.repeat(np.arange(MIXING_LOWEST, -1), per_octave)
    fraction = np.tile(1 + np.arange(per_octave) / per_octave, -1 - MIXING_LOWEST)
    return np.append(octave * fraction, 0.5)


def scale(scenario, seed, path, step):
    """Scale of all returns of the step, Eq. (2): float64 [path]; ones unless `student_t`."""
    shape, arrays = scenario.shape, scenario.arrays
    if shape.process == STUDENT_T_PATH:
        step = 0
    elif shape.process != STUDENT_T_STEP:
        return np.ones(len(path))
    return by_tail(arrays.mixing, words(seed, path, step, sites.MIXING, 1)[:, 0])


def by_tail(table, word):
    """What a table over tail probabilities says to a word: float64, the shape of `word`.

    table: [half, mixing_edge]
    """
    probability, upper = tail(word)
    edges = mixing_edges()
    bits = probability.astype(np.float32).view(np.int32)
    index = (bits >> (23 - MIXING_BITS)) - ((127 + MIXING_LOWEST) << MIXING_BITS)
    index = np.minimum(index, len(edges) - 2)
    fraction = (probability - edges[index]) / (edges[index + 1] - edges[index])
    half = upper.astype(int)
    lower = table[half, index]
    return lower + fraction * (table[half, index + 1] - lower)


def jumps(scenario, seed, path, step):
    """Log size of the jumps of one step, Eq. (3): float64 [path, asset]."""
    arrays, n_asset = scenario.arrays, scenario.shape.n_asset

    def size(count, z, mean, deviation):
        return count * mean + np.sqrt(count) * deviation * z

    common = words(seed, path, step, sites.COMMON_JUMP, 2)
    count = (common[:, :1] >= arrays.common_jump_count).sum(axis=1, keepdims=True)
    total = size(count, normal(common[:, 1:]), arrays.common_jump_mean, arrays.common_jump_sd)
    own = words(seed, path, step, sites.OWN_JUMP_COUNT, n_asset)
    count = (own[..., None] >= arrays.own_jump_count).sum(axis=-1)
    z = normal(words(seed, path, step, sites.OWN_JUMP_SIZE, n_asset))
    return total + size(count, z, arrays.own_jump_mean, arrays.own_jump_sd)


def correlated(scenario, step, state, z):
    """Normals with the correlation in force, L epsilon: float64 [path, asset].

    state: regime [path], or None
    """
    levels = scenario.parts.correlation
    if levels is None:
        return z @ scenario.arrays.cholesky.T
    cholesky = levels.cholesky[levels.row[step]]
    return z @ cholesky[0].T if state is None else np.einsum("pab,pb->pa", cholesky[state], z)


def step(scenario, seed, path, step, volatility, memory=None):
    """Log returns of one step, Eq. (1), and the volatility in force.

    path      : int64 [path], identities
    volatility: float64 [asset], multiplier in force
    memory    : `Memory` of processes that have one; moves on to the next step
    returns   : returns [path, asset], standard deviation of the step's return [path, asset]
    """
    arrays = scenario.arrays
    if scenario.shape.process == BOOTSTRAP:
        factor, standard = resampled(scenario.parts.bootstrap, memory, seed, path, step)
        deviation = factor * (arrays.volatility * volatility)
        return arrays.drift + deviation * standard, deviation
    z = normal(words(seed, path, step, sites.NORMAL, scenario.shape.n_asset))
    factor, state = scale(scenario, seed, path, step)[:, None], None
    if scenario.shape.process == STOCHASTIC_VOLATILITY:
        factor = volatility_factor(scenario.parts.stochastic_volatility, memory, seed, path, step, z)[:, None]
    elif scenario.shape.process == REGIME_SWITCHING:
        regimes = scenario.parts.regimes
        state = regime(regimes, memory, seed, path, step)
        factor = regimes.volatility[state]
    deviation = factor * (arrays.volatility * volatility)
    returns = arrays.drift + deviation * correlated(scenario, step, state, z)
    if state is not None:
        returns = returns + regimes.drift[state]
    if scenario.shape.process == JUMP_DIFFUSION:
        returns = returns + jumps(scenario, seed, path, step)
    return returns, deviation

"""Made-up outcomes, for tests that need rows but no market."""

import numpy as np

from kernels.outcome import COUNTERS, Layout
from kernels.parts import histogram
from kernels.parts.histogram import histogram_numpy
from kernels.scenario import ScenarioShape
from stress.measures.distribution import Distribution, bin_edges
from stress.tally import Tally

SHAPE = ScenarioShape(
    n_step=30,
    dt_seconds=60.0,
    assets=("BTC", "ETH"),
    venues=("alpha", "beta", "gamma"),
    tiers=("[0,5)", "[5,20)", "[20,100]"),
    n_group=1,
    process=0,
    window_steps=12,
)


def rows(first, count, shape=SHAPE, seed=7):
    """Rows float32 [path, cell]: a third of the values zero, the others log-normal and wide enough to
    meet every kind of bin. A path's row depends on (seed, path) alone."""
    layout = Layout(shape)
    made = np.empty((count, layout.n_cell), np.float32)
    scale = np.where(layout.exponent > 0, 1e7, 0.05)
    for i in range(count):
        generator = np.random.default_rng([seed, first + i])
        sizes = np.exp(3 * generator.standard_normal(layout.n_cell)) * scale
        made[i] = np.where(generator.random(layout.n_cell) < 1 / 3, 0.0, sizes)
    sides = layout.view(made, "liquidated")
    sides[..., 2] = sides[..., 0] + sides[..., 1]
    return made


def tally(first=0, count=300, status=None, shape=SHAPE, n_thread=1):
    """The tally of such rows."""
    made = Tally(shape)
    status = np.zeros(count, np.uint32) if status is None else status
    made.add_batch(first, rows(first, count, shape), status, np.ones(len(COUNTERS), np.int64), n_thread)
    return made


def distribution_of(values, exponent=10):
    """The distribution of a cell with these values."""
    values = np.asarray(values, np.float32)
    arrays = np.zeros((1, histogram.N_BIN), np.int64), np.zeros((1, histogram.N_BIN), np.int64)
    words = np.zeros((1, 2), np.uint64), np.zeros((1, 2), np.uint64)
    histogram_numpy.add(values[:, None], np.array([exponent], np.int32), *arrays, *words)
    lower, upper, offset, unit = bin_edges(exponent)
    place = np.nonzero(arrays[0][0])[0]
    count, remainder = arrays[0][0, place], arrays[1][0, place]
    sums = [int(low) + (int(high) << 64) for low, high in (words[0][0], words[1][0])]
    return Distribution(
        len(values),
        count,
        count * offset[place] + remainder * unit[place],
        lower[place],
        upper[place],
        np.cumsum(count) - count,
        *sums,
        2.0 ** (exponent - histogram.MOMENT_BITS),
    )

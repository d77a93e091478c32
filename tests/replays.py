"""Paths that are told without a run."""

from kernels import engines
from stress.replays import dataset
from tests.scenarios import quiet


def calm():
    """Steps, rounds and row of ten minutes on which nothing happens: two assets, two venues, two tiers."""
    scenario = quiet(n_step=10, n_asset=2, n_venue=2, n_tier=2, depth=1e7)
    told = engines.Engine("numpy", scenario).replay(1, 0)
    steps = dataset.steps(told, scenario).load()
    return steps, dataset.rounds(told.rounds, scenario.shape), dataset.row(told.batch.rows[0], scenario.shape)

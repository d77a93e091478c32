"""The reference: a path is a path, in whatever batch it is simulated."""

import numpy as np
import pytest

from kernels import engine_numpy
from tests.parity.variants import compiled


@pytest.mark.parametrize("name", ["as it is", "backlog, queue", "jump diffusion", "shape 1.05 that ends"])
def test_any_path_alone(name):
    scenario = compiled(name)
    whole = engine_numpy.run_paths(scenario, 3, 0, 8)
    for i in (0, 5):
        alone = engine_numpy.run_paths(scenario, 3, i, 1)
        # Products of matrices may be summed in another order for another batch.
        assert alone.rows[0] == pytest.approx(whole.rows[i], rel=1e-9, abs=1e-6)
        assert alone.status[0] == whole.status[i]


def test_counters_add_up():
    scenario = compiled("as it is")
    whole, parts = (
        sum(engine_numpy.run_paths(scenario, 3, low, high - low).counters for low, high in ranges)
        for ranges in ([(0, 6)], [(0, 2), (2, 6)])
    )
    assert np.array_equal(whole, parts)

"""Overlays: what is in force in a step, and that both engines obey."""

import numpy as np
import pytest

from kernels.mechanisms.overlay.step_numpy import depth, shock, volatility
from kernels.scenario import GBM
from tests.scenarios import ENGINES, LONG, mass, quiet, simulate


def test_rows():
    arrays = quiet(n_step=3, n_asset=2, shock=[[0, 0], [-0.01, 0.02], [0, 0]]).arrays.replace(
        volatility_row=np.array([0, 1, 0], np.int32), volatility_level=np.array([[1, 1], [3, 2.0]]),
        depth_row=np.array([0, 0, 1], np.int32), depth_level=np.array([[[1.0], [1]], [[0.5], [1]]]),
    )  # fmt: skip
    assert [list(volatility(arrays, n)) for n in range(3)] == [[1, 1], [3, 2], [1, 1]]
    assert [depth(arrays, n)[0, 0] for n in range(3)] == [1, 1, 0.5]
    assert list(shock(arrays, 1)) == [-0.01, 0.02]


@pytest.mark.parametrize("engine", ENGINES)
def test_shock_is_what_the_exogenous_price_does(engine):
    scenario = quiet(n_step=3, n_asset=2, shock=[[-0.01, 0.02], [-0.02, -0.05], [0.01, 0]])
    outcome = simulate(engine, scenario)
    assert outcome.exogenous_fall[0] == pytest.approx(-np.expm1([-0.03, -0.03]), rel=1e-6)
    assert outcome.index_fall[0] == pytest.approx(-np.expm1([-0.03, -0.03]), rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_volatility_scales_the_draws_of_its_steps(engine):
    """Zero everywhere but in step 2, where the same normal counts once or three times."""
    falls = []
    for factor in (1.0, 3.0):
        scenario = quiet(
            n_step=3, process=GBM, volatility=0.01, shock=[[0], [-1.0], [0]],
            volatility_row=[0, 1, 0], volatility_level=[[0.0]],
        )  # fmt: skip
        arrays = scenario.arrays.replace(volatility_level=np.array([[0.0], [factor]]))
        falls.append(
            simulate(engine, type(scenario)(scenario.shape, arrays), seed=5, count=50).exogenous_fall[:, 0]
        )
    one, three = (np.log1p(-fall) + 1 for fall in falls)
    assert one.std() > 0.005
    assert three == pytest.approx(3 * one, abs=2e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_depth_scales_the_impact(engine, factor):
    scenario = quiet(shock=-0.05, depth=1e8, depth_level=factor, forced={(0, LONG, 0, 0, 0): mass(1e8, 0.02)})
    outcome = simulate(engine, scenario)
    assert -100 * np.log1p(-outcome.fall[0, 0, 0]) == pytest.approx(5 + 1 / factor, rel=1e-5)

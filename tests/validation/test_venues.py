"""Known answers 3 and 10: venues that are coupled through index marks and through arbitrage."""

import numpy as np
import pytest

from kernels.mechanisms.cascade import TOLERANCE
from stress.compile import compile_config
from stress.config import load
from tests.scenarios import ENGINES, LIMIT, LONG, quiet, simulate, uniform

DEPTH = 1e8
OWN, WEIGHTS = 0.5, np.array([0.75, 0.25])
MARKS = OWN * np.eye(2) + (1 - OWN) * WEIGHTS
SHOCK = 5.0

CASES = [
    # kr by venue, marks, prices, spectral radius of W K
    ((0.0, 0.8), (6.0, 10.0), (5.0, 13.0), 0.5),
    ((0.4, 0.8), (9.6774, 12.9032), (8.87096, 15.32256), 0.56861),
]


def coupled(gains):
    forced = {(0, LONG, 0, v, 0): uniform(gain * DEPTH * 100) for v, gain in enumerate(gains)}
    return quiet(n_venue=2, shock=-SHOCK / 100, depth=DEPTH, mark_weight=MARKS, forced=forced)


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
@pytest.mark.parametrize(("gains", "marks", "prices", "radius"), CASES)
def test_index_marks(engine, gains, marks, prices, radius):
    left = 1e-4 if engine == LIMIT else 2 * TOLERANCE
    outcome = simulate(engine, coupled(gains))
    fall = -100 * np.log1p(-outcome.fall[0, 0])
    assert fall == pytest.approx(prices, abs=left)
    assert MARKS @ fall == pytest.approx(marks, abs=left)
    # Everybody whose threshold a mark has passed is forced, nobody else.
    assert outcome.liquidated_coins[0, :2, 0] == pytest.approx(
        np.multiply(gains, marks) * DEPTH, abs=left * DEPTH
    )


@pytest.mark.parametrize(("gains", "marks", "prices", "radius"), CASES)
def test_closed_form(gains, marks, prices, radius):
    """u = (1 - W K)^-1 1 x0, and the branching ratio is the spectral radius of W K."""
    matrix = MARKS * np.array(gains)
    assert np.linalg.solve(np.eye(2) - matrix, np.full(2, SHOCK)) == pytest.approx(marks, abs=1e-4)
    assert max(abs(np.linalg.eigvals(matrix))) == pytest.approx(radius, abs=1e-5)


@pytest.mark.parametrize("engine", [LIMIT, *ENGINES])
def test_branching_ratio_is_what_later_rounds_add(engine):
    """1 - (flow of round 1) / (all flow), for one venue exactly its gain."""
    scenario = quiet(shock=-0.05, depth=DEPTH, forced={(0, LONG, 0, 0, 0): uniform(0.7 * DEPTH * 100)})
    left = 1e-6 if engine == LIMIT else TOLERANCE / 10
    assert simulate(engine, scenario).branching_ratio[0] == pytest.approx([0.7, 0.7], abs=left)


def test_compiled_marks(root):
    """Marks of a config: own price and index, weights over venues, or by depth where none are given."""
    arrays = compile_config(load(root / "tests/configs/small.yaml")).arrays
    by_depth = np.array([0.75, 0.25])
    assert arrays.mark_weight[0] == pytest.approx(np.array([MARKS[0], by_depth]))
    assert arrays.index_weight[0] == pytest.approx(by_depth)


@pytest.mark.parametrize("engine", ENGINES)
def test_arbitrage_conserves_volume(engine):
    """alpha .3, displacements (4, 0) percent: both become 2.76951, and 12.4 depths stay sold."""
    alpha, sold = 0.3, 12.4
    table = uniform(sold * DEPTH / 0.05, 0.0, 0.05)
    scenario = quiet(
        n_step=2, n_venue=2, depth=DEPTH, alpha=alpha, arbitrage=1.0, shock=[[-0.05], [-0.04]],
        index_weight=[[0, 1]], forced={(0, LONG, 0, 0, 0): table},
    )  # fmt: skip
    outcome = simulate(engine, scenario)
    assert outcome.liquidated_coins[0, -1, 0] == pytest.approx(sold * DEPTH, rel=1e-6)
    # Step 1 ends at 9% and 5%; in step 2 arbitrage comes before prices are seen.
    fall = -100 * np.log1p(-outcome.fall[0, 0])
    assert fall == pytest.approx([9 + 2.76951, 9 + 2.76951], abs=1e-4)

"""The distance table: edges, bins and what lies between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.parts.table import HIGHEST, LOWEST, N_EDGE, PER_OCTAVE
from kernels.parts.table.table_numpy import EDGES, amount, locate
from tests.scenarios import ENGINES, LONG, quiet, simulate

distances = st.floats(0, 6)


def test_edges():
    assert len(EDGES) == N_EDGE
    assert EDGES[0] == 0
    assert EDGES[1] == 2.0**LOWEST
    assert EDGES[-1] == 2.0**HIGHEST
    assert np.all(np.diff(EDGES) > 0)
    assert EDGES[1 + PER_OCTAVE] == 2 * EDGES[1]


def test_edges_start_their_bins():
    index, fraction = locate(EDGES[:-1])
    assert np.array_equal(index, np.arange(N_EDGE - 1))
    assert not fraction.any()


def test_the_last_edge_ends_the_last_bin():
    assert [x.item() for x in locate(np.array(EDGES[-1]))] == [N_EDGE - 2, 1.0]
    assert [x.item() for x in locate(np.array(100.0))] == [N_EDGE - 2, 1.0]
    assert [x.item() for x in locate(np.array(-1.0))] == [0, 0.0]


@given(distances)
def test_locate_inverts(distance):
    """Bin and fraction give the distance back, to the last float32 bit that chooses the bin."""
    index, fraction = locate(np.array(distance))
    assert 0 <= index <= N_EDGE - 2
    back = amount(EDGES[index], EDGES[index + 1], fraction)
    assert back == pytest.approx(min(distance, 2.0**HIGHEST), rel=1e-12, abs=1e-15)
    assert -1e-6 <= fraction <= 1 + 1e-6


@given(distances, distances)
def test_amounts_never_fall_with_distance(a, b):
    cumulative = np.cumsum(np.arange(N_EDGE) % 7)
    x, y = (
        amount(cumulative[i], cumulative[i + 1], f) for i, f in (locate(np.array(d)) for d in sorted((a, b)))
    )
    assert x <= y + 1e-6


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("distance", [EDGES[1] / 3, EDGES[1], 0.0371, 0.2, EDGES[40 % N_EDGE] * 1.01, 1.7])
def test_engines_read_the_same_table(engine, distance):
    """A fall of `distance` in a market without impact forces what the table says."""
    rng = np.random.default_rng(4)
    table = np.cumsum(rng.uniform(0, 1e7, N_EDGE))
    table[0] = 0
    outcome = simulate(engine, quiet(depth=1e18, shock=-distance, forced={(0, LONG, 0, 0, 0): table}))
    expected = np.interp(distance, EDGES, table)
    assert outcome.liquidated_coins[0, 0, 0] == pytest.approx(expected, rel=2e-6)

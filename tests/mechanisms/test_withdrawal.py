"""Market makers' withdrawal: depth and its memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.withdrawal.step_numpy import depth, remember
from tests.scenarios import ENGINES, LONG, quiet, simulate, uniform


def arrays(theta=30.0, calm=1e-4, floor=0.02):
    return quiet(
        withdrawal=theta**2, calm_memory=calm, depth_floor=floor, withdrawal_decay=0.5, depth=100.0
    ).arrays


def test_by_hand():
    """theta 30, S0 1%, S 5%: (1 + 900 x .0001) / (1 + 900 x .0025) = 1.09 / 3.25 of the depth."""
    assert depth(arrays(), np.array([[0.0025]]), 1.0) == pytest.approx(100 * 1.09 / 3.25)
    assert depth(arrays(), np.array([[0.0025]]), 0.5) == pytest.approx(50 * 1.09 / 3.25)
    assert remember(arrays(), np.array([[0.0025]]), 0.03) == pytest.approx(0.0025 / 2 + 0.0009)


def test_calm_markets_have_full_depth_and_no_more():
    assert depth(arrays(), np.array([[1e-4]]), 1.0) == 100
    assert depth(arrays(), np.array([[0.0]]), 1.0) == 100


def test_floor():
    assert depth(arrays(), np.array([[10.0]]), 1.0) == pytest.approx(2.0)


memories = st.floats(0, 1)


@given(memories, memories, st.floats(0, 100), st.floats(0.01, 1))
def test_more_memory_never_more_depth(a, b, theta, floor):
    one = arrays(theta, floor=floor)
    low, high = (depth(one, np.array([[x]]), 1.0)[0, 0] for x in (min(a, b), max(a, b)))
    assert 100 * floor * (1 - 1e-12) <= high <= low <= 100


@given(memories, st.floats(-0.5, 0.5))
def test_memory_of_moves_is_blind_to_their_sign(memory, move):
    after = remember(arrays(), memory, move)
    assert after == remember(arrays(), memory, -move)
    assert (after >= 0.5 * memory).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_move_thins_the_next_step_not_its_own(engine):
    """A crash of 10% meets the full book; the order of the next step meets what is left of it."""
    amount = 2.0**26
    table = uniform(64 * amount, 1 / 64, 1 / 32) + uniform(32 * amount, 1 / 8, 5 / 32)
    scenario = quiet(
        n_step=2, depth=amount, withdrawal=900.0, withdrawal_decay=1.0, depth_floor=0.001,
        shock=[[-0.10], [-0.05]], forced={(0, LONG, 0, 0, 0): table},
    )  # fmt: skip
    outcome = simulate(engine, scenario)
    thin = 1 / (1 + 900 * 0.11**2)
    assert -100 * np.log1p(-outcome.fall[0, 0, 0]) == pytest.approx(15 + 1 + 1 / thin, rel=1e-5)

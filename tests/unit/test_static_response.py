"""The answer of a market at rest to one shock."""

import numpy as np
import pytest

from kernels.scenario import Scenario
from stress.static_response import SHOCKS, betas, respond, static_response
from tests.scenarios import LONG, SHORT, quiet, uniform

DEPTH = 1e8


def linear(gain, volatility=1e-4, side=LONG, **changes):
    table = uniform(gain * DEPTH * 100)
    return quiet(depth=DEPTH, volatility=volatility, forced={(0, side, 0, 0, 0): table}, **changes)


def test_shocks():
    assert SHOCKS[0] == pytest.approx(0.0005)
    assert SHOCKS[-1] == pytest.approx(0.20)


def test_betas_by_hand():
    """Correlation times the ratio of volatilities; zero volatility of the first asset gives correlations."""
    cholesky = np.array([[1, 0], [0.8, 0.6]])
    scenario = quiet(n_asset=2, volatility=[0.01, 0.03], cholesky=cholesky)
    assert betas(scenario) == pytest.approx([1, 2.4])
    assert betas(quiet(n_asset=2, cholesky=cholesky)) == pytest.approx([1, 1])


def test_without_positions_a_market_falls_by_the_shock():
    response = static_response(quiet(n_asset=2, volatility=[0.01, 0.02], cholesky=[[1, 0], [0.5, 0.75**0.5]]))
    assert response.amplification == pytest.approx(np.ones((60, 2)))
    assert response.index_fall[:, 0] == pytest.approx(SHOCKS)
    assert response.index_fall[:, 1] == pytest.approx(SHOCKS)  # beta .5 x 2 = 1
    assert np.isnan(response.critical_shock)
    assert not response.supercritical
    assert response.reason == ""


@pytest.mark.parametrize("gain", [0.3, 0.6])
def test_linear_market(gain):
    """Amplification 1 / (1 - kr) for every shock, but for what the rounds leave of small ones."""
    response = static_response(linear(gain))
    large = SHOCKS > 0.01
    assert response.amplification[large, 0] == pytest.approx(np.full(large.sum(), 1 / (1 - gain)), rel=0.02)
    assert np.isnan(response.critical_shock)
    assert not response.supercritical


def test_critical_shock_is_the_first_with_threefold_amplification():
    """Nobody within 2%, then kr .8: A(x) = 1 + .8 / .2 (1 - d / x), threefold at x = 2 d."""
    distance = 0.03125
    table = uniform(0.8 * DEPTH * 100, low=distance)
    response = static_response(quiet(depth=DEPTH, volatility=1e-4, forced={(0, LONG, 0, 0, 0): table}))
    critical = response.critical_shock
    assert -np.log1p(-critical) >= 0.98 * 2 * distance
    i = int(np.searchsorted(SHOCKS, critical * 0.999))
    assert response.amplification[i, 0] > 3
    assert np.all(response.amplification[:i, 0] <= 3)
    assert -np.log1p(-SHOCKS[i - 1]) < 2 * distance * 1.01


def test_exhausted_book_is_critical():
    response = static_response(linear(0.9, alpha=1.05, band=4.0, hard_end=4.0))
    _, exhausted = respond(linear(0.9, alpha=1.05, band=4.0, hard_end=4.0), np.log1p(-SHOCKS)[:, None])
    assert exhausted.any()
    assert response.critical_shock <= SHOCKS[exhausted][0]


def test_supercritical_at_rest():
    """kr 1.2: one standard deviation of a step, 0.5%, runs away."""
    response = static_response(linear(1.2, volatility=0.005))
    assert response.supercritical
    assert "0.50%" in response.reason
    assert " A," in response.reason


def test_overlays_and_fat_tails_do_not_matter():
    """The response is of the market at rest: a shock in the first step is not part of it."""
    one, two = (static_response(linear(0.5, shock=s)) for s in (0.0, -0.1))
    assert np.array_equal(one.index_fall, two.index_fall)


def test_respond_is_one_step_from_rest():
    index, exhausted = respond(linear(0.5), np.array([[-0.02], [0.01], [0.0]]))
    assert index[:, 0] == pytest.approx([-0.04, 0.01, 0.0], abs=2e-4)
    assert not exhausted.any()


def test_a_squeeze_makes_it_supercritical_too():
    """Dense shorts: one standard deviation upwards runs away, downwards nothing happens."""
    response = static_response(linear(1.2, side=SHORT, volatility=0.005))
    assert response.supercritical
    assert response.reason.startswith("a rise")


def test_throughput_cannot_hide_it():
    arrays = linear(1.2, volatility=0.005).arrays
    slow = arrays.replace(throughput=np.full_like(arrays.throughput, 1e3))
    assert static_response(Scenario(linear(1.2).shape, slow)).supercritical

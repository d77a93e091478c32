"""Known answer 13: moments of Merton's jumps, quantiles of Student's t, correlation in and out."""

import numpy as np
import pytest
from scipy.stats import norm, t

from kernels.mechanisms.exogenous import step_numpy as exogenous
from kernels.scenario import JUMP_DIFFUSION, STUDENT_T_PATH, STUDENT_T_STEP
from stress.compile import compile_config
from stress.compile.exogenous import count_thresholds, mixing_table
from stress.config import load
from tests.scenarios import quiet, replaced, simulate
from tests.statistics.failure_rate import DEVIATIONS, assert_mean, assert_share

N = 200_000
ENGINES = ("numpy", "cpu")


def returns(engine, scenario, seed=17, count=N):
    """Log returns of one step, [path, asset]; of the fused engine through a shock that all paths fall by."""
    if engine == "numpy":
        paths = np.arange(count, dtype=np.uint64)
        return exogenous.step(scenario, seed, paths, 0, np.ones(scenario.shape.n_asset))[0]
    fallen = replaced(scenario, shock=np.full_like(scenario.arrays.shock, -1.0))
    return np.log1p(-simulate("cpu", fallen, seed, count=count).exogenous_fall) + 1


def merton(rate, mean, deviation, volatility):
    return quiet(
        process=JUMP_DIFFUSION, volatility=volatility, own_jump_count=count_thresholds(rate)[None],
        own_jump_mean=mean, own_jump_sd=deviation,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("rate", "mean", "deviation"), [(0.05, -0.03, 0.02), (0.2, 0.02, 0.01), (0.01, 0, 0.05)]
)
def test_merton_moments(engine, rate, mean, deviation):
    """Cumulants: lambda E[J^n] on top of the diffusion's."""
    volatility = 0.01
    r = returns(engine, merton(rate, mean, deviation, volatility))[:, 0]
    moments = [mean, mean**2 + deviation**2, mean**3 + 3 * mean * deviation**2]
    moments.append(mean**4 + 6 * mean**2 * deviation**2 + 3 * deviation**4)
    first, second, third, fourth = rate * np.array(moments) + [0, volatility**2, 0, 0]
    assert_mean(r, first)
    assert_mean((r - first) ** 2, second)
    assert_mean((r - first) ** 3, third)
    assert_mean((r - first) ** 4, fourth + 3 * second**2)


@pytest.mark.parametrize("engine", ENGINES)
def test_jump_counts(engine):
    """With jumps of one size, the return counts them."""
    rate = 0.3
    count = np.rint(returns(engine, merton(rate, -0.2, 0.0, 0.0))[:, 0] / -0.2).astype(int)
    for n, p in enumerate([np.exp(-rate) * x for x in (1, rate, rate**2 / 2, rate**3 / 6)]):
        assert_share(int((count == n).sum()), N, p)


@pytest.mark.parametrize("compensated", ["true", "false"])
def test_compensator(root, compensated):
    """Compensated jumps leave the mean price where the diffusion puts it."""
    dynamics = (
        "dynamics={kind: jump_diffusion, "
        "common: {rate: 20000/y, mean: -2%, deviation: 3%, betas: {ETH: 1.5}}, "
        f"own: {{ETH: {{rate: 9000/y, mean: 1%, deviation: 2%}}}}, compensated: {compensated}}}"
    )
    scenario = compile_config(load(root / "tests/configs/small.yaml", [dynamics]))
    growth = np.exp(returns("numpy", scenario)) - np.exp(scenario.arrays.volatility**2 / 2)
    error = growth.std(axis=0) / np.sqrt(N)
    years = scenario.shape.dt_seconds / (365 * 86400)
    common, own = (
        np.expm1(m + s**2 / 2) for m, s in ((np.array([-0.02, -0.03]), np.array([0.03, 0.045])), (0.01, 0.02))
    )
    drift = years * (20000 * common + 9000 * own * np.array([0, 1]))
    expected = 0 if compensated == "true" else np.expm1(drift)
    assert np.all(np.abs(growth.mean(axis=0) - expected) <= DEVIATIONS * error)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("process", [STUDENT_T_PATH, STUDENT_T_STEP])
@pytest.mark.parametrize("nu", [2.5, 4.0, 9.0])
def test_student_t_quantiles(engine, process, nu):
    """Scaled to the stated volatility; by quantiles, since a sample variance of t(2.5) says nothing."""
    r = returns(engine, quiet(process=process, volatility=0.01, mixing=mixing_table(nu)))[:, 0]
    z = r / 0.01 / np.sqrt((nu - 2) / nu)
    for p in (1e-4, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999):
        assert_share(int((z < t.ppf(p, nu)).sum()), N, p)


def test_student_t_has_the_stated_volatility():
    r = returns("numpy", quiet(process=STUDENT_T_STEP, volatility=0.01, mixing=mixing_table(12.0)))[:, 0]
    assert_mean(r**2, 1e-4)


def test_student_t_of_a_path_is_one_t_over_any_number_of_steps():
    """With mixing by path the return over all steps is t again; by steps it is nearly normal."""
    nu, n_step = 4.0, 30
    paths, total = np.arange(N, dtype=np.uint64), {}
    for process in (STUDENT_T_PATH, STUDENT_T_STEP):
        scenario = quiet(process=process, volatility=1.0, mixing=mixing_table(nu))
        steps = (exogenous.step(scenario, 5, paths, n, np.ones(1))[0][:, 0] for n in range(n_step))
        total[process] = sum(steps) / np.sqrt(n_step)
    z = total[STUDENT_T_PATH] / np.sqrt((nu - 2) / nu)
    for p in (0.001, 0.01, 0.1, 0.5, 0.99, 0.999):
        assert_share(int((z < t.ppf(p, nu)).sum()), N, p)
    middle = np.abs(total[STUDENT_T_STEP]) < norm.ppf(0.75)
    assert middle.mean() == pytest.approx(0.5, abs=0.02)


CORRELATION = np.array([[1, 0.8, -0.3], [0.8, 1, 0.1], [-0.3, 0.1, 1]])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("process", [None, STUDENT_T_STEP])
def test_correlation_out_is_correlation_in(engine, process):
    """When nobody is forced. For Student's t by nu 12, so that fourth moments exist."""
    changes = {} if process is None else {"process": process, "mixing": mixing_table(12.0)}
    scenario = quiet(
        n_asset=3, volatility=[0.01, 0.02, 0.005], cholesky=np.linalg.cholesky(CORRELATION), **changes
    )
    z = returns(engine, scenario) / scenario.arrays.volatility
    for a in range(3):
        for b in range(a + 1):
            assert_mean(z[:, a] * z[:, b], CORRELATION[a, b])


def test_correlation_of_a_config(root):
    """Through the whole engine: traded prices of a run without positions move as the config says."""
    empty = [f"venues.{v}.markets.{a}.open_interest=$0" for v in ("alpha", "beta") for a in ("BTC", "ETH")]
    overrides = [*empty, "overlays=[]", "dynamics={kind: gbm}", "run.horizon=60s"]
    scenario = compile_config(load(root / "tests/configs/small.yaml", overrides))
    z = returns("cpu", scenario) / scenario.arrays.volatility
    assert_mean(z[:, 0] * z[:, 1], 0.8)
    assert_mean(z[:, 0] ** 2, 1.0)
    assert_mean(z[:, 1] ** 2, 1.0)

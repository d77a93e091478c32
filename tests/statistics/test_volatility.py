"""Known answer 13, processes that remember: moments of log-normal volatility and of regimes."""

import numpy as np
import pytest

from kernels.mechanisms.exogenous import step_numpy as exogenous
from kernels.mechanisms.exogenous.memory_numpy import Memory
from stress.compile import compile_config
from stress.config import load
from tests.scenarios import replaced, simulate
from tests.statistics.failure_rate import assert_mean, assert_share

N = 100_000
ENGINES = ("numpy", "cpu")

EMPTY = [f"venues.{v}.markets.{a}.open_interest=$0" for v in ("alpha", "beta") for a in ("BTC", "ETH")]
NOBODY = [*EMPTY, "overlays=[]", "run.horizon=20m"]


def scenario_of(root, dynamics, *more):
    """The small config with nobody in it: prices are what the process makes them."""
    return compile_config(load(root / "tests/configs/small.yaml", [*NOBODY, f"dynamics={dynamics}", *more]))


def returns(engine, scenario, step, seed=17):
    """Standardised log returns of one step, [path, asset]; other steps do not move prices in the fused form.

    There the exogenous trough is read, below a shock that all paths fall by.
    """
    arrays = scenario.arrays
    if engine == "numpy":
        paths, memory = np.arange(N, dtype=np.uint64), Memory()
        for n in range(step + 1):
            moved = exogenous.step(scenario, seed, paths, n, np.ones(scenario.shape.n_asset), memory)[0]
        return moved / arrays.volatility
    only = np.zeros(scenario.shape.n_step, np.int32)
    only[step] = 1
    shock = np.zeros_like(arrays.shock)
    shock[step] = -1.0
    one = replaced(
        scenario, shock=shock, volatility_row=only, volatility_level=np.array([[0.0] * 2, [1.0] * 2])
    )
    return (np.log1p(-simulate("cpu", one, seed, count=N).exogenous_fall) + 1) / arrays.volatility


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", [0, 19])
def test_settled_volatility_has_the_stated_root_mean_square(root, engine, step):
    """E[r^2] is as stated; E[r^4] = 3 exp(4 omega^2); correlation as stated; no drift."""
    settled = 0.3
    dynamics = f"{{kind: stochastic_vol, half_life: 10m, deviation: {settled:.0%}, leverage: -0.6}}"
    z = returns(engine, scenario_of(root, dynamics), step)
    for a in range(2):
        assert_mean(z[:, a], 0.0)
        assert_mean(z[:, a] ** 2, 1.0)
        assert_mean(z[:, a] ** 4, 3 * np.exp(4 * settled**2))
    assert_mean(z[:, 0] * z[:, 1], 0.8)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wild_start_calms_down_by_half_lives(root, engine):
    """ln E[r^2] after n steps from m times the volatility: 2 phi^n (ln m + omega^2) - 2 omega^2 phi^2n."""
    settled, start, decay = 0.25, 3.0, 0.5 ** (1 / 10)
    dynamics = f"{{kind: stochastic_vol, half_life: 10m, deviation: {settled:.0%}, start: {start:g}}}"
    scenario = scenario_of(root, dynamics)
    for n in (0, 10, 19):
        left = decay**n
        expected = np.exp(2 * left * (np.log(start) + settled**2) - 2 * settled**2 * left**2)
        assert_mean(returns(engine, scenario, n)[:, 0] ** 2, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_volatility_persists_over_the_half_life(root, engine):
    """Without leverage E[r_n^2 r_m^2] = exp(4 omega^2 phi^(m-n)); the same paths, two steps apart in time."""
    settled, decay = 0.3, 0.5 ** (1 / 10)
    scenario = scenario_of(root, f"{{kind: stochastic_vol, half_life: 10m, deviation: {settled:.0%}}}")
    early, late = (returns(engine, scenario, n)[:, 0] for n in (4, 18))
    assert_mean(early**2 * late**2, np.exp(4 * settled**2 * decay**14))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("leverage", [-0.8, 0.5])
def test_leverage_makes_falls_wilder(root, engine, leverage):
    """E[c_0 r_1^2] = 2 rho i E[v_1^2], with c_0 the common return of step 0 and i the size of an innovation.

    From a start that is not drawn v_0 is 1, so the first returns give c_0 (Stein's lemma does the rest).
    """
    settled, decay = 0.3, 0.5 ** (1 / 10)
    dynamics = (
        f"{{kind: stochastic_vol, half_life: 10m, deviation: {settled:.0%}, leverage: {leverage}, start: 1}}"
    )
    scenario = scenario_of(root, dynamics)
    first, second = (returns(engine, scenario, n) for n in (0, 1))
    common = first.sum(axis=1) / np.sqrt(2 + 2 * 0.8)
    innovation = settled * np.sqrt(1 - decay**2)
    square = np.exp(2 * decay * settled**2 - 2 * settled**2 + 2 * innovation**2)
    assert_mean(common, 0.0)
    assert_mean(common * second[:, 0] ** 2, 2 * leverage * innovation * square)


TWO = (
    "calm: {mean_duration: 30m, volatility: 0.6}, wild: {mean_duration: 10m, volatility: 2, correlation: 0.3}"
)
FACTORS, LONG_RUN = np.array([0.6, 2.0]), np.array([0.75, 0.25])


def after(n_step, minutes=(30, 10)):
    """Chances of being calm or wild a while after being either: a chain in continuous time, [from, to]."""
    rates = 1 / np.array(minutes)
    left = np.exp(-rates.sum() * n_step)
    return LONG_RUN + left * (np.eye(2) - LONG_RUN)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", [0, 19])
def test_moments_of_regimes(root, engine, step):
    """A mixture of normals by the long-run shares, at every step of a stationary start."""
    z = returns(engine, scenario_of(root, f"{{kind: regime_switching, regimes: {{{TWO}}}}}"), step)
    for a in range(2):
        assert_mean(z[:, a], 0.0)
        assert_mean(z[:, a] ** 2, LONG_RUN @ FACTORS**2)
        assert_mean(z[:, a] ** 4, 3 * LONG_RUN @ FACTORS**4)
    assert_mean(z[:, 0] * z[:, 1], LONG_RUN @ (FACTORS**2 * [0.8, 0.3]))


@pytest.mark.parametrize("engine", ENGINES)
def test_regimes_last_as_long_as_stated(root, engine):
    """From a calm start, and of squares some steps apart: shares x chances x factors."""
    started = f"{{kind: regime_switching, start: calm, regimes: {{{TWO}}}}}"
    scenario = scenario_of(root, started)
    for n in (0, 1, 19):
        assert_mean(returns(engine, scenario, n)[:, 0] ** 2, after(n)[0] @ FACTORS**2)
    scenario = scenario_of(root, f"{{kind: regime_switching, regimes: {{{TWO}}}}}")
    early, late = (returns(engine, scenario, n)[:, 0] for n in (3, 17))
    assert_mean(early**2 * late**2, (LONG_RUN * FACTORS**2) @ after(14) @ FACTORS**2)


@pytest.mark.parametrize("engine", ENGINES)
def test_regimes_follow_each_other_as_stated(root, engine):
    """Three regimes told apart by their drifts, without volatility: where paths are after a while."""
    from scipy.linalg import expm

    names, minutes = ("calm", "uneasy", "crash"), np.array([20.0, 10.0, 4.0])
    follow = np.array([[0, 0.9, 0.1], [0.5, 0, 0.5], [0.3, 0.7, 0]])
    members = [
        f"{name}: {{mean_duration: {minutes[i]:g}m, volatility: 0, drift: {{BTC: {-1000 * (i + 1)}%}}, "
        f"next: {{{', '.join(f'{n}: {p:.0%}' for n, p in zip(names, follow[i], strict=True) if p)}}}}}"
        for i, name in enumerate(names)
    ]
    dynamics = f"{{kind: regime_switching, start: calm, regimes: {{{', '.join(members)}}}}}"
    chance = expm(19 * (follow - np.eye(3)) / minutes[:, None])[0]
    # Prices only fall, so the trough of a run is its end; what a run of one step more adds is that step's.
    runs = [scenario_of(root, dynamics, f"run.horizon={n}m") for n in (19, 20)]
    ends = [np.log1p(-simulate(engine, one, 17, count=N // 10).exogenous_fall[:, 0]) for one in runs]
    regime = np.rint((ends[1] - ends[0]) / -(10 * 60 / (365 * 86400))).astype(int)
    for i in range(3):
        assert_share(int((regime == i + 1).sum()), N // 10, chance[i])


BLOCKS = "kind: bootstrap, file: returns.csv, interval: 60s, mean_block: 5m"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", [0, 19])
def test_every_row_of_history_is_as_likely_as_any(root, engine, step):
    """At every step: the stationary bootstrap of Politis and Romano. Returns tell rows apart."""
    scenario = scenario_of(root, f"{{{BLOCKS}}}")
    known = scenario.parts.bootstrap.returns
    apart = np.abs(returns(engine, scenario, step)[:, None] - known).sum(axis=-1)
    assert apart.min(axis=1).max() < 1e-3
    count = np.bincount(apart.argmin(axis=1), minlength=len(known))
    for n in count:
        assert_share(int(n), N, 1 / len(known))


@pytest.mark.parametrize("engine", ENGINES)
def test_blocks_keep_what_hangs_together(root, engine):
    """E[z_n z_{n+k}] = (1 - p)^k c_k, c_k the circular autocovariance: likewise of squares, which cluster."""
    scenario = scenario_of(root, f"{{{BLOCKS}}}")
    known = scenario.parts.bootstrap.returns[:, 0]
    early, late = (returns(engine, scenario, n)[:, 0] for n in (5, 8))
    goes_on = (1 - 1 / 5) ** 3
    for power in (1, 2):
        z = known**power
        together = (z * np.roll(z, -3)).mean()
        expected = goes_on * together + (1 - goes_on) * z.mean() ** 2
        assert_mean(early**power * late**power, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_filtered_history_has_the_stated_volatility(root, engine):
    """The path's own variance is a martingale: the mean square stays at what it was at the start."""
    one_row = BLOCKS.replace("5m", "60s")  # blocks of one row: nothing of the clusters is left in them
    scenario = scenario_of(root, f"{{{one_row}, filter: {{half_life: 20m}}}}")
    assert_mean(returns(engine, scenario, 12)[:, 0] ** 2, 1.0)

"""Exogenous returns: what goes into them."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import sites
from kernels.mechanisms.exogenous.memory_numpy import Memory
from kernels.mechanisms.exogenous.step_numpy import jumps, mixing_edges, scale, step
from kernels.parts.normal.normal_numpy import normal
from kernels.parts.philox.philox_numpy import words
from kernels.scenario import BOOTSTRAP, GBM, JUMP_DIFFUSION, STUDENT_T_PATH, STUDENT_T_STEP
from stress.compile import compile_config
from stress.compile.exogenous import count_thresholds, mixing_table
from stress.compile.history import weighted
from stress.config import load
from tests.scenarios import quiet

PATHS = np.arange(64, dtype=np.uint64)
CHOLESKY = np.array([[1, 0], [0.6, 0.8]])


def test_return_by_hand():
    """r = drift + sigma L z, with the normals of the step's words."""
    scenario = quiet(n_asset=2, drift=[0.01, -0.02], volatility=[0.1, 0.2], cholesky=CHOLESKY)
    returns, deviation = step(scenario, 7, PATHS, 3, np.array([1.0, 2.0]))
    z = normal(words(7, PATHS, 3, sites.NORMAL, 2))
    assert returns[:, 0] == pytest.approx(0.01 + 0.1 * z[:, 0])
    assert returns[:, 1] == pytest.approx(-0.02 + 0.4 * (0.6 * z[:, 0] + 0.8 * z[:, 1]))
    assert deviation == pytest.approx(np.tile([0.1, 0.4], (64, 1)))


def test_scale_of_a_path_is_one_for_all_its_steps_and_assets():
    table = mixing_table(4.0)
    path, each = (quiet(process=p, mixing=table) for p in (STUDENT_T_PATH, STUDENT_T_STEP))
    assert np.array_equal(scale(path, 1, PATHS, 0), scale(path, 1, PATHS, 9))
    assert not np.array_equal(scale(each, 1, PATHS, 0), scale(each, 1, PATHS, 9))
    assert np.array_equal(scale(path, 1, PATHS, 5), scale(each, 1, PATHS, 0))
    assert np.array_equal(scale(quiet(process=GBM), 1, PATHS, 0), np.ones(64))


@pytest.mark.parametrize("nu", [2.5, 4.0, 12.0])
def test_mixing_table_is_the_quantile_of_the_scale(nu):
    from scipy.stats import chi2

    tail, table = mixing_edges(), mixing_table(nu)
    assert table[0] == pytest.approx(np.sqrt((nu - 2) / chi2.ppf(tail, nu)), rel=1e-9)
    assert table[1] == pytest.approx(np.sqrt((nu - 2) / chi2.isf(tail, nu)), rel=1e-9)
    assert table[0, -1] == pytest.approx(table[1, -1])
    assert np.all(np.diff(table[0]) <= 0)
    assert np.all(np.diff(table[1]) >= 0)


def test_jumps_add_to_the_diffusion_and_do_not_scale_with_volatility():
    count = count_thresholds(0.5)
    scenario = quiet(
        n_asset=2, process=JUMP_DIFFUSION, volatility=0.1, common_jump_count=count,
        common_jump_mean=[-0.1, -0.2], common_jump_sd=[0.05, 0.1], own_jump_count=np.stack([count, count]),
        own_jump_mean=[0.0, 0.3], own_jump_sd=[0.0, 0.01],
    )  # fmt: skip
    plain = quiet(n_asset=2, volatility=0.1)
    for factor in (1.0, 5.0):
        level = np.full(2, factor)
        difference = step(scenario, 3, PATHS, 2, level)[0] - step(plain, 3, PATHS, 2, level)[0]
        assert difference == pytest.approx(jumps(scenario, 3, PATHS, 2), abs=1e-12)


def test_common_jumps_hit_all_assets_by_beta():
    scenario = quiet(
        n_asset=2, process=JUMP_DIFFUSION, common_jump_count=count_thresholds(1.0),
        common_jump_mean=[-0.1, -0.2], common_jump_sd=[0.05, 0.1],
    )  # fmt: skip
    size = jumps(scenario, 3, PATHS, 2)
    assert size[:, 1] == pytest.approx(2 * size[:, 0])
    assert 0 < (size[:, 0] != 0).mean() < 1


@given(st.floats(0, 2))
def test_jump_counts_are_poisson(rate):
    """Thresholds on 32-bit words; the last one takes in all higher counts."""
    from scipy.stats import poisson

    thresholds = count_thresholds(rate)
    assert thresholds / 2.0**32 == pytest.approx(poisson.cdf(np.arange(4), rate), abs=2.0**-31)
    assert np.all(np.diff(thresholds.astype(float)) >= 0)


def test_volatility_by_hand(root):
    """The number worked in docs/methods/exogenous.md: half-life 6 h, 40% of log volatility, steps of 60 s."""
    dynamics = "dynamics={kind: stochastic_vol, half_life: 6h, deviation: 40%, leverage: -0.5, start: 2}"
    part = compile_config(load(root / "tests/configs/small.yaml", [dynamics])).parts.stochastic_volatility
    assert part.decay[0] == pytest.approx(0.998076, abs=5e-7)
    assert part.innovation[0] == pytest.approx(0.024798, abs=5e-7)
    assert np.exp(part.start - part.centre)[0] == pytest.approx(2)
    x = part.decay * part.start + part.innovation * (-0.5 * -2 + np.sqrt(0.75) * 1)
    assert np.exp(x - part.centre)[0] == pytest.approx(2.0913, abs=5e-5)
    assert np.linalg.norm(part.loading) == pytest.approx(1)


def test_volatility_moves_on_by_the_common_return_and_its_own_normal(root):
    """x of the next step, from the words of this one, for a path at a time and for all."""
    dynamics = "dynamics={kind: stochastic_vol, half_life: 20m, deviation: 60%, leverage: -0.7}"
    scenario = compile_config(load(root / "tests/configs/small.yaml", [dynamics]))
    part, memory, ones = scenario.parts.stochastic_volatility, Memory(), np.ones(2)
    first = step(scenario, 7, PATHS, 0, ones, memory)[1][:, 0] / scenario.arrays.volatility[0]
    second = step(scenario, 7, PATHS, 1, ones, memory)[1][:, 0] / scenario.arrays.volatility[0]
    x = 0.6 * normal(words(7, PATHS, 0, sites.VOLATILITY_START, 1)[:, 0])
    assert np.log(first) == pytest.approx(x - 0.36)
    z = normal(words(7, PATHS, 0, sites.NORMAL, 2)) @ scenario.arrays.cholesky.T
    own = normal(words(7, PATHS, 0, sites.VOLATILITY, 1)[:, 0])
    innovation = -0.7 * z.sum(axis=1) / np.sqrt(2 + 2 * 0.8) + np.sqrt(1 - 0.49) * own
    assert np.log(second) == pytest.approx(0.5 ** (1 / 20) * x + part.innovation * innovation - 0.36)
    alone = Memory()
    for n in range(2):
        again = step(scenario, 7, PATHS[5:6], n, ones, alone)[1]
    assert again[0, 0] == second[5] * scenario.arrays.volatility[0]


def test_regimes_by_hand(root):
    """The number worked in docs/methods/exogenous.md: six calm hours and a wild one, steps of 60 s."""
    regimes = (
        "calm: {mean_duration: 6h}, wild: {mean_duration: 1h, volatility: 2.5, volatilities: {ETH: 300%}}"
    )
    dynamics = f"dynamics={{kind: regime_switching, regimes: {{{regimes}}}}}"
    part = compile_config(load(root / "tests/configs/small.yaml", [dynamics])).parts.regimes
    assert part.transition[0] == pytest.approx([4283152074, 1 << 32], abs=1)
    assert part.transition[1] == pytest.approx([70891334, 1 << 32], abs=1)
    assert part.start == pytest.approx([3681400540, 1 << 32], abs=1)
    assert part.volatility == pytest.approx(np.array([[1, 1], [2.5, 4]]))


def test_regime_of_a_path_is_chosen_by_its_words(root):
    """Step by step, for a path at a time and for all; the last threshold is beyond every word."""
    regimes = "calm: {mean_duration: 3m}, wild: {mean_duration: 2m, volatility: 3}"
    dynamics = f"dynamics={{kind: regime_switching, start: calm, regimes: {{{regimes}}}}}"
    scenario = compile_config(load(root / "tests/configs/small.yaml", [dynamics]))
    part, memory, alone, ones = scenario.parts.regimes, Memory(), Memory(), np.ones(2)
    wild = np.zeros(64, int)
    for n in range(6):
        deviation = step(scenario, 7, PATHS, n, ones, memory)[1]
        word = words(7, PATHS, n, sites.REGIME, 1)[:, 0]
        wild = (word >= part.transition[wild, 0]).astype(int) if n else np.zeros(64, int)
        assert deviation[:, 0] / scenario.arrays.volatility[0] == pytest.approx(1 + 2 * wild)
        again = step(scenario, 7, PATHS[9:10], n, ones, alone)[1]
        assert np.array_equal(again[0], deviation[9])
    assert 0 < wild.sum() < 64


def test_correlation_overlay_takes_the_place_of_all_others(root):
    """Over a regime's own and the config's; half a step of it counts half."""
    regimes = "calm: {mean_duration: 3m}, wild: {mean_duration: 2m, correlation: 0.2}"
    changes = [f"dynamics={{kind: regime_switching, regimes: {{{regimes}}}}}",
               "overlays=[{kind: correlation, at: 90s, over: 2m, correlation: -0.4}]"]  # fmt: skip
    part = compile_config(load(root / "tests/configs/small.yaml", changes)).parts.correlation
    level = np.einsum("rgab,rgcb->rgac", part.cholesky, part.cholesky)[part.row][..., 0, 1]
    assert level[0] == pytest.approx([0.8, 0.2])
    assert level[1] == pytest.approx([0.5 * 0.8 + 0.5 * -0.4, 0.5 * 0.2 + 0.5 * -0.4])
    assert level[2] == pytest.approx([-0.4, -0.4])
    assert level[3] == pytest.approx(level[1])
    assert level[4:] == pytest.approx(np.tile([0.8, 0.2], (26, 1)))


HISTORY = "kind: bootstrap, file: returns.csv, interval: 60s, mean_block: 5m"


def rows_of(scenario, memory, n, paths=PATHS):
    step(scenario, 7, paths, n, np.ones(2), memory)
    return memory.row


def test_blocks_of_history(root):
    """A path goes on row by row, begins anew where its word says so, and comes round at the end."""
    scenario = compile_config(load(root / "tests/configs/small.yaml", [f"dynamics={{{HISTORY}}}"]))
    part, memory, alone = scenario.parts.bootstrap, Memory(), Memory()
    assert part.returns.shape == (120, 2)
    assert part.block[0] == pytest.approx(2**32 / 5, abs=1)
    begun = 0
    for n in range(8):
        word = words(7, PATHS, n, sites.BLOCK, 2).astype(np.int64)
        before = memory.row
        row = rows_of(scenario, memory, n)
        begins = (word[:, 0] < 2**32 / 5) if n else np.ones(64, bool)
        assert np.array_equal(row[begins], (word[:, 1] * 120 // 2**32)[begins])
        if n:
            assert np.array_equal(row[~begins], (before[~begins] + 1) % 120)
            begun += begins.sum()
        assert rows_of(scenario, alone, n, PATHS[3:4])[0] == row[3]
    assert 0 < begun < 7 * 64


def test_history_is_standardised(root):
    """Mean zero and mean square one, in the order of the config's assets; scaled back as asked for."""
    raw = np.genfromtxt(root / "tests/configs/returns.csv", delimiter=",", skip_header=2)[:, [2, 1]]
    raw = raw - raw.mean(axis=0)
    size = np.sqrt((raw**2).mean(axis=0))
    stated = compile_config(load(root / "tests/configs/small.yaml", [f"dynamics={{{HISTORY}}}"]))
    as_was = compile_config(
        load(root / "tests/configs/small.yaml", [f"dynamics={{{HISTORY}, volatility: history}}"])
    )
    assert stated.parts.bootstrap.returns == pytest.approx(raw / size)
    assert stated.arrays.volatility == pytest.approx(np.array([0.45, 0.75]) * np.sqrt(1 / 525600))
    assert as_was.arrays.volatility == pytest.approx(size)
    correlation = as_was.arrays.cholesky @ as_was.arrays.cholesky.T
    assert correlation[0, 1] == pytest.approx(np.corrcoef(raw, rowvar=False)[0, 1], abs=1e-8)
    returns, deviation = step(as_was, 7, PATHS, 0, np.array([1.0, 2.0]), memory := Memory())
    assert returns == pytest.approx(raw[memory.row] * [1, 2])
    assert deviation == pytest.approx(np.tile(size * [1, 2], (64, 1)))


def test_filter_by_hand():
    """The number worked in docs/methods/exogenous.md: a half-life of two rows."""
    before, last = weighted(np.array([[2.0], [1.0]]), 0.5**0.5)
    assert before[:, 0] == pytest.approx([1, 1.3706], abs=5e-5)
    assert last[0] == pytest.approx(1.2733, abs=5e-5)


def test_filtered_volatility_follows_the_path(root):
    """What a step moved is remembered by its weight, at the path's own volatility; overlays are not."""
    dynamics = f"{{{HISTORY}, filter: {{half_life: 10m, start: last}}}}"
    scenario = compile_config(load(root / "tests/configs/small.yaml", [f"dynamics={dynamics}"]))
    part, memory, decay = scenario.parts.bootstrap, Memory(), 0.5**0.1
    assert np.mean(part.returns**2, axis=0) == pytest.approx([1, 1])
    variance = np.tile(part.start**2, (64, 1))
    for n in range(5):
        level = np.array([1.0, 3.0])
        deviation = step(scenario, 7, PATHS, n, level, memory)[1]
        assert deviation == pytest.approx(np.sqrt(variance) * level * scenario.arrays.volatility)
        standard = part.returns[memory.row]
        variance = decay * variance + (1 - decay) * variance * standard**2


def test_processes_are_refused_without_what_they_need():
    from kernels.packing import pack

    with pytest.raises(ValueError, match="needs the part bootstrap"):
        pack(quiet(process=BOOTSTRAP), [])


def test_the_example_history_is_what_its_tool_makes(root):
    """It says that it is synthetic, and can be made again."""
    text = (root / "configs/returns/synthetic.csv").read_text()
    assert text.startswith("# SYNTHETIC")
    known = np.loadtxt(text.splitlines()[3:], delimiter=",")
    spec = importlib.util.spec_from_file_location("synthetic", root / "tools/synthetic_returns.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert known == pytest.approx(tool.returns(), abs=1e-6)

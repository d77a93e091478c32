"""A config becomes a scenario."""

import dataclasses

import numpy as np
import pytest

from kernels.mechanisms.adl import ADL_NONE, ADL_PRO_RATA, ADL_QUEUE
from kernels.scenario import (
    GBM,
    JUMP_COUNTS,
    JUMP_DIFFUSION,
    LANES,
    MAX_TIER,
    STUDENT_T_PATH,
    STUDENT_T_STEP,
    ScenarioArrays,
)
from stress.compile import CONTINUITY, compile_config
from stress.config import load
from stress.errors import ConfigError
from tests.parity.variants import BOOKS_AS_SET, REAL, VARIANTS, compiled

MINUTES = 1 / (365 * 24 * 60)
"""Years in a step of the small config."""


@pytest.fixture
def build(root):
    """Scenario of the small config with overrides."""
    return lambda *overrides: compile_config(load(root / "tests/configs/small.yaml", overrides))


def sizes(scenario):
    """Length of every dimension of a scenario; edges of a table have one length, rows any."""
    shape, arrays = scenario.shape, scenario.arrays
    return {
        "asset": shape.n_asset, "venue": shape.n_venue, "tier": shape.n_tier, "group": shape.n_group,
        "step": shape.n_step, "side": 2, "half": 2, "jump": JUMP_COUNTS, "edge": arrays.forced.shape[4],
        "mixing_edge": arrays.mixing.shape[1],
    }  # fmt: skip


@pytest.mark.parametrize("name", [*VARIANTS, *REAL])
def test_every_array_is_what_it_declares(name):
    scenario = compiled(name)
    known = sizes(scenario)
    for field in dataclasses.fields(ScenarioArrays):
        value, dims = getattr(scenario.arrays, field.name), field.metadata["dims"]
        assert value.ndim == len(dims), field.name
        for size, dim in zip(value.shape, dims, strict=True):
            assert size == known.get(dim, size), field.name
        kinds = {"bool": "b", "int32": "i", "uint64": "u"}
        kind = next((k for word, k in kinds.items() if word in field.metadata["doc"]), "f")
        assert value.dtype.kind == kind, field.name
        limited = field.name not in ("hard_end", "band", "throughput")
        assert not np.isnan(value).any() if kind == "f" else True, field.name
        assert np.isfinite(value).all() or not limited, field.name


@pytest.mark.parametrize("name", [*VARIANTS, *REAL])
def test_what_holds_in_every_scenario(name):
    scenario = compiled(name)
    shape, arrays = scenario.shape, scenario.arrays
    listed = arrays.listed
    assert shape.n_venue <= LANES
    assert shape.n_tier <= MAX_TIER
    assert np.array_equal(arrays.depth > 0, listed)
    assert arrays.mark_weight.sum(axis=2) == pytest.approx(np.ones(listed.shape))
    assert arrays.index_weight.sum(axis=1) == pytest.approx(np.ones(shape.n_asset))
    assert not arrays.mark_weight[np.broadcast_to(~listed[:, None, :], arrays.mark_weight.shape)].any()
    assert np.all((arrays.refill > 0) & (arrays.refill <= 1))
    assert np.all((arrays.arbitrage >= 0) & (arrays.arbitrage < 1))
    assert np.all(np.diff(arrays.forced, axis=4) >= 0)
    assert arrays.forced_total == pytest.approx(arrays.forced.sum(axis=(2, 5)))
    assert np.all(arrays.forced[..., -1, :].sum(axis=2) <= arrays.tier_notional * (1 + 1e-9))
    # Longs equal shorts in every market.
    if scenario.parts.account is not None:
        return  # sides differ by what accounts hold: tests/unit/test_margin.py
    assert arrays.tier_notional[:, 0].sum(axis=-1) == pytest.approx(arrays.tier_notional[:, 1].sum(axis=-1))
    correlation = arrays.cholesky @ arrays.cholesky.T
    assert np.diag(correlation) == pytest.approx(np.ones(shape.n_asset))


def test_compiling_twice_gives_the_same_bits(build):
    one, two = build(), build()
    assert one.shape == two.shape
    for field in dataclasses.fields(ScenarioArrays):
        assert getattr(one.arrays, field.name).tobytes() == getattr(two.arrays, field.name).tobytes()


def test_names_and_counts(build):
    shape = build().shape
    assert (shape.n_step, shape.dt_seconds, shape.window_steps) == (30, 60, 12)
    assert shape.assets == ("BTC", "ETH")
    assert shape.venues == ("alpha", "beta")
    assert shape.tiers[0] == "[0,1)"
    assert shape.tiers[-1] == "[100,1001]"
    assert shape.n_group == 2  # two classes; one class and the rungs of a ladder


@pytest.mark.parametrize(
    ("step", "horizon", "steps"),
    [("60s", "30m", 12), ("50s", "30m", 14), ("7m", "28m", 1), ("30m", "1h", 1), ("0.1s", "30m", 7200)],
)
def test_worst_window_fits_into_twelve_minutes(build, step, horizon, steps):
    assert build(f"run.step={step}", f"run.horizon={horizon}").shape.window_steps == steps


@pytest.mark.parametrize(
    ("dynamics", "process"),
    [
        ("{kind: gbm}", GBM),
        ("{kind: student_t, degrees_of_freedom: 5}", STUDENT_T_PATH),
        ("{kind: student_t, degrees_of_freedom: 5, mixing: step}", STUDENT_T_STEP),
        ("{kind: jump_diffusion, common: {rate: 12/y, mean: -2%, deviation: 3%}}", JUMP_DIFFUSION),
    ],
)
def test_process(build, dynamics, process):
    assert build(f"dynamics={dynamics}").shape.process == process


def test_dynamics(build):
    arrays = build("dynamics={kind: gbm, drift: {ETH: -36.5%}}").arrays
    assert arrays.volatility == pytest.approx([0.45 * MINUTES**0.5, 0.75 * MINUTES**0.5])
    assert arrays.drift == pytest.approx([0, -0.365 * MINUTES])
    assert arrays.cholesky == pytest.approx(np.array([[1, 0], [0.8, 0.6]]))


@pytest.mark.parametrize("jumps", ["common: {%s}", "own: {ETH: {%s}}"])
def test_jumps_that_can_be_drawn(build, jumps):
    """Half a jump a step on average and no more, of each kind."""
    spec = "dynamics={kind: jump_diffusion, " + jumps % "rate: %s, mean: 0%%, deviation: 1%%" + "}"
    build(spec % "30/h")
    with pytest.raises(ConfigError, match=r"rate: 0\.517 jumps are expected in a step .*at most 4"):
        build(spec % "31/h")


def test_limits_of_overlays_are_possible(build):
    arrays = build(
        "overlays=[{kind: depth, at: 0s, over: 3m, multiplier: 1e-6}, "
        "{kind: price_shock, at: 5m, over: 10m, size: -50%, betas: {BTC: 7.2, ETH: -7.2}}]"
    ).arrays
    assert arrays.depth_level.min() == pytest.approx(1e-6)
    assert arrays.shock.sum(axis=0) == pytest.approx(7.2 * np.log([0.5, 2.0]))


def test_a_price_shock_is_spread_over_its_duration(build):
    """ln(.94) over ten minutes from the fifth, times 1.5 for Ether; and over parts of steps."""
    shock = build().arrays.shock
    assert shock[5:15, 0] == pytest.approx(np.full(10, np.log(0.94) / 10))
    assert shock[:, 1] == pytest.approx(1.5 * shock[:, 0])
    assert not shock[:5].any()
    assert not shock[15:].any()
    odd = build("overlays=[{kind: price_shock, at: 90s, over: 2m, size: 10%}]").arrays.shock[:, 0]
    assert odd[:5] == pytest.approx(np.log(1.1) * np.array([0, 0.25, 0.5, 0.25, 0]))


def test_volatility_and_depth_rows(build):
    arrays = build().arrays
    volatility = arrays.volatility_level[arrays.volatility_row]
    assert np.array_equal(volatility[:, 0], np.where((np.arange(30) >= 5) & (np.arange(30) < 25), 2.0, 1.0))
    depth = arrays.depth_level[arrays.depth_row]
    assert np.all(depth[:, :, 0] == 1)
    assert np.array_equal(depth[:, 0, 1], np.where((np.arange(30) >= 5) & (np.arange(30) < 15), 0.7, 1.0))


def test_overlapping_overlays_multiply(build):
    overlays = "overlays=[{kind: depth, at: 0s, over: 3m, multiplier: 0.5}, "
    overlays += "{kind: depth, at: 1m, over: 1m, multiplier: 0.5, assets: [ETH]}]"
    arrays = build(overlays).arrays
    assert arrays.depth_level[arrays.depth_row][:4, 1, 0] == pytest.approx([0.5, 0.25, 0.5, 1])
    assert arrays.depth_level[arrays.depth_row][:4, 0, 0] == pytest.approx([0.5, 0.5, 0.5, 1])


def test_books(build):
    arrays = build().arrays
    assert arrays.depth == pytest.approx(np.array([[120e6, 40e6], [60e6, 20e6]]))
    assert arrays.alpha == pytest.approx(np.array([[0.6, 0.6], [0.8, 0.6]]))
    assert arrays.refill == pytest.approx(np.full((2, 2), 2**-0.1))
    assert arrays.arbitrage == pytest.approx([1 - 2**-0.5] * 2)
    assert arrays.withdrawal == pytest.approx(np.full((2, 2), 900.0))
    # A venue's floor, unless a market has its own.
    assert arrays.depth_floor == pytest.approx(np.array([[0.05, 0.02], [0.03, 0.02]]))
    assert arrays.permanent == pytest.approx([0.2 * 0.01 / 160e6, 0.2 * 0.01 / 80e6])
    decay = 2 ** (-1 / 15)
    assert arrays.withdrawal_decay == pytest.approx(np.full((2, 2), decay))
    # What a calm market's memory settles at: a step's variance over what is forgotten of it.
    assert arrays.calm_memory[:, 0] == pytest.approx(np.array([0.3, 0.55]) ** 2 * MINUTES / (1 - decay))
    assert np.isinf(arrays.hard_end).all()
    assert np.isinf(arrays.band).all()


def test_standing_books(build):
    thinning = "venues.alpha.markets.ETH.book={shape: 1.05, band: 5%, hard_end: 20%}"
    arrays = build("books.hard_end=30%", thinning).arrays
    assert arrays.band[1] == pytest.approx([5, np.inf])
    assert arrays.hard_end[1] == pytest.approx([20, 30])
    assert arrays.alpha[1] == pytest.approx([1.05, 0.6])


@pytest.mark.parametrize(("shape", "band"), [(1.05, "9.975%"), (1.1, "5.225%"), (2, "0.95%")])
def test_widest_band_keeps_a_twentieth_of_the_density(build, shape, band):
    given = [f"books.shape={shape}", "books.hard_end=30%", *BOOKS_AS_SET]
    arrays = build(f"books.band={band}", *given).arrays
    assert np.all(arrays.alpha + 2 * (1 - arrays.alpha) * arrays.band >= 0.05 * arrays.alpha * (1 - 1e-9))
    with pytest.raises(ConfigError, match=r"books\.band: .* is too wide for shape"):
        build(f"books.band={float(band[:-1]) + 0.002}%", *given)


def test_never(build):
    arrays = build("books.refill_half_life=never", "books.arbitrage_half_life=never").arrays
    assert np.all(arrays.refill == 1)
    assert np.all(arrays.arbitrage == 0)


@pytest.mark.parametrize(("mode", "distance"), [("continuous", 0.5825971579), ("step", 0.0)])
def test_monitoring(build, mode, distance):
    assert np.all(build(f"run.monitoring={mode}").arrays.monitoring == distance)


def test_continuity_correction():
    """-zeta(1/2) / sqrt(2 pi), with zeta(1/2) = -1.4603545088..."""
    assert pytest.approx(1.4603545088095868 / np.sqrt(2 * np.pi), abs=1e-10) == CONTINUITY


def test_positions(build):
    """Open interest x share of the tier x what can be forced."""
    arrays = build().arrays
    assert arrays.tier_notional[0, 0, 0] == pytest.approx(
        6e9 * np.array([0.25, 0.30, 0.20, 0.15, 0.08, 0.015, 0.004, 0.001])
    )
    forced = arrays.forced[0, 0, :, 0, -1].sum(axis=0)
    assert forced[2:] == pytest.approx(arrays.tier_notional[0, 0, 0, 2:] * [0.6, 0.8, 1, 1, 1, 1])
    assert forced[0] == 0
    # 60% and 40% of a tier under the two classes.
    assert arrays.forced[0, 0, :, 0, -1, 3] == pytest.approx(6e9 * 0.15 * 0.8 * np.array([0.6, 0.4]))
    assert arrays.group_rate[0, 0, :, 0] == pytest.approx([0.005, 0.02])
    assert arrays.group_deduction[0, 0, :, 0] == pytest.approx([0, 0.005])
    # The ladder of the second venue: 40% of every position on its rungs, the rest at once.
    assert list(arrays.group_partial[0, 0, :, 1]) == [False, True]
    rungs = arrays.forced[0, 0, :, 1, -1, 3]
    assert rungs / rungs.sum() == pytest.approx([0.6, 0.4])


def test_rules(build):
    arrays = build(
        "venues.beta.adl={policy: none}", "venues.alpha.adl={policy: pro_rata, fund_below: 5%}"
    ).arrays
    assert list(arrays.adl_policy) == [ADL_PRO_RATA, ADL_NONE]
    assert arrays.adl_below == pytest.approx([1e6, 0])
    assert arrays.adl_drawdown == pytest.approx([1, 1])
    arrays = build().arrays
    assert list(arrays.adl_policy) == [ADL_QUEUE, ADL_PRO_RATA]
    assert arrays.fund == pytest.approx([20e6, 5e6])
    assert arrays.adl_below == pytest.approx([0.2e6, 0])
    assert arrays.adl_drawdown == pytest.approx([0.3, 1])
    assert arrays.throughput[:, 0] == pytest.approx([1e9, 1e9])
    assert np.isinf(arrays.throughput[:, 1]).all()
    assert arrays.fee_rate == pytest.approx([0.005, 0])
    assert arrays.surplus_share == pytest.approx([1, 0])
    assert arrays.closing_share == pytest.approx([0.7, 0.7])


def test_layers_of_clearing(build):
    """A default fund of $10M, a tenth of it the defaulters', and calls for 275% of the rest."""
    rules = "{own_capital: $2M, default_fund: $10M, defaulters: 10%, assessments: 275%}"
    part = build("venues.beta.adl={policy: none}", f"venues.beta.clearing={rules}").parts.clearing
    assert part.layer == pytest.approx(np.array([[0, 1e6], [0, 2e6], [0, 9e6], [0, 24.75e6]]))
    assert build().parts.clearing is None


def test_throughput_is_per_step(build):
    assert build("run.step=15s").arrays.throughput[0, 0] == pytest.approx(0.25e9)


def test_an_insolvent_tier_is_located(build):
    with pytest.raises(
        ConfigError, match=r"venues\.beta\.markets\.BTC\.maintenance: nobody in tier .* solvent"
    ):
        build("venues.beta.markets.BTC.maintenance=[{rate: 90%}]")


def test_a_window_as_long_as_allowed_is_the_whole_run(build):
    scenario = build("venues.beta.adl={policy: queue, drawdown: 10%, window: 36500d}")
    assert scenario.parts.waterfall.window.tolist() == [0, 0]  # the peak of the run so far


def test_the_shortest_half_life_forgets_at_once(build):
    part = build("dynamics={kind: stochastic_vol, half_life: 0.01s, deviation: 40%}").parts
    assert part.stochastic_volatility.decay.item() == 0
    assert part.stochastic_volatility.innovation.item() == pytest.approx(0.4)


@pytest.mark.parametrize("start", ["short", "stationary"])
def test_the_shortest_regime_is_left_at_once(build, start):
    regimes = "{short: {mean_duration: 0.01s}, long: {mean_duration: 30m}}"
    part = build(f"dynamics={{kind: regime_switching, start: {start}, regimes: {regimes}}}").parts
    assert part.regimes.transition[0, 0] / 2**32 == pytest.approx(0.01 / 1800, rel=1e-3)


def test_open_interest_counts_accounts(root):
    """What accounts hold is taken out of the isolated tables, not out of the market."""
    from stress.compile.books import open_interest

    config = load(root / "configs/cross-margin.yaml")
    scenario = compile_config(config)
    isolated = scenario.arrays.tier_notional[:, 0].sum(axis=-1)
    whole = open_interest(config, scenario.shape)
    assert (whole >= isolated * (1 - 1e-9)).all()
    assert whole.sum() > 1.01 * isolated.sum()
    assert whole.sum() == sum(m.open_interest for v in config.venues.values() for m in v.markets.values())

"""Gradients of the engine in JAX: one by hand, and against central differences of the reference's limit."""

import numpy as np
import pytest

from tests.scenarios import LIMIT, quiet, replaced, require, simulate, uniform

pytestmark = pytest.mark.parity

SEED, N_PATH = 7, 64
WORST = N_PATH // 4


@pytest.fixture(autouse=True)
def jax():
    require("jax")


def test_one_position_and_one_book_by_hand():
    """Longs of $62.5M between distances of 6.25% and 12.5%, a book of $40M a percent, and a fall of 8%.

    Forced flow is F = k (d - 6.25%), k = $1bn, and moves the mark by c F, c = 1 / $4bn: k c = 1/4. With
    d = 8% + c F, F = k (8% - 6.25%) / (1 - k c) = $23.33M. So dF by the shock is k / (1 - k c) = $1.333bn,
    by the log of k F / (1 - k c) = $31.11M, by the log of c F k c / (1 - k c) = $7.78M, and depth is 1 / c.
    """
    from kernels.engine_jax import Engine

    table = uniform(1e9, 0.0625, 0.125)
    scenario = quiet(forced={(0, 0, 0, 0, 0): table}, depth=40e6, shock=-0.08)
    engine = Engine(scenario, tolerance=1e-14, max_rounds=2000)
    value, slope = engine.gradient(lambda found: found["liquidated_coins"][0, 0, 0], 1, 0, 1)
    arrays = scenario.arrays
    assert value == pytest.approx(70e6 / 3, rel=1e-9)
    assert -slope["shock"].sum() == pytest.approx(4e9 / 3, rel=1e-9)
    assert (slope["depth"] * arrays.depth).sum() == pytest.approx(-70e6 / 9, rel=1e-9)
    assert (slope["forced"] * arrays.forced).sum() == pytest.approx(280e6 / 9, rel=1e-9)


def crash(**changes):
    """Two venues and two tiers, half of whose paths end with deficits that the funds do not cover."""
    forced = {
        (0, side, 0, venue, tier): uniform(amount * (1 + venue), low, high)
        for venue in range(2)
        for side in range(2)
        for tier, (amount, low, high) in enumerate([(1e8, 0.08, 0.3), (2e8, 0.02, 0.1)])
    }
    given = {
        "volatility": 0.01, "depth": [[30e6, 60e6]], "alpha": 0.6, "refill": 0.95, "arbitrage": 0.3,
        "withdrawal": 30.0, "calm_memory": 1e-4, "withdrawal_decay": 0.9, "permanent": 5e-11,
        "monitoring": 0.3, "group_rate": 0.005, "fee_rate": 0.002, "surplus_share": 0.5,
        "fund": [1e5, 5e5], "mark_weight": [[[0.7, 0.3], [0.2, 0.8]]],
        "shock": np.array([0, -0.03, -0.03, -0.02, 0, 0])[:, None], "forced": forced,
    } | changes  # fmt: skip
    return quiet(n_step=6, n_venue=2, n_tier=2, **given)


TABLES = ("forced", "margin", "forced_total", "tier_notional")


def tilted(table, step):
    """Open interest moved from the first tier to the second: the leverage mix."""
    held = table[..., -1, :]
    return table * (
        1 + step * np.stack([-np.ones(held.shape[:-1]), held[..., 0] / held[..., 1]], axis=-1)[..., None, :]
    )


@pytest.fixture(scope="module")
def worst():
    """Expected shortfall of the losses of the first venue, and its gradient."""
    require("jax")
    import jax.numpy as jnp

    from kernels.engine_jax import Engine

    def shortfall(found):
        return jnp.sort(loss(found["loss"]))[-WORST:].mean()

    engine = Engine(crash(), tolerance=1e-12, max_rounds=20_000)
    return engine.gradient(shortfall, SEED, 0, N_PATH)


def loss(rows):
    """Losses of the first venue, of which deficits beyond the fund count three times: [path]."""
    total, bad_debt = rows[:, 0, 0, -1], rows[:, 5, 0, -1]
    return total + 2 * bad_debt


def reference(scenario):
    rows = loss(simulate(LIMIT, scenario, SEED, 0, N_PATH).loss)
    return np.sort(rows)[-WORST:].mean()


def test_the_point_has_a_tail(worst):
    value, _ = worst
    assert value == pytest.approx(reference(crash()), rel=1e-9)
    assert value > 1e6


DIRECTIONS = ("fund", "depth", "shock", "open interest", "mix", "volatility", "alpha", "permanent",
              "withdrawal", "monitoring", "fee_rate", "mark_weight")  # fmt: skip


@pytest.mark.parametrize("name", DIRECTIONS)
def test_against_central_differences_of_the_reference(worst, name):
    """A number per log of the array, or along the mix; steps of 1e-5."""
    _, slope = worst
    arrays, step = crash().arrays, 1e-5

    def moved(by):
        if name == "open interest":
            return replaced(crash(), **{n: getattr(arrays, n) * (1 + by) for n in TABLES})
        if name == "mix":
            return crash_of(tilted(arrays.forced, by))
        return replaced(crash(), **{name: getattr(arrays, name) * (1 + by)})

    difference = (reference(moved(step)) - reference(moved(-step))) / (2 * step)
    if name == "mix":
        along = (slope["forced"] * (tilted(arrays.forced, 1.0) - arrays.forced)).sum()
    else:
        of = "forced" if name == "open interest" else name
        along = (slope[of] * getattr(arrays, of)).sum()
    assert difference != 0
    assert along == pytest.approx(difference, rel=1e-5)


def crash_of(forced):
    """The crash with other tables of positions."""
    at = {index: forced[(*index[:4], slice(None), index[4])] for index in np.ndindex(1, 2, 1, 2, 2)}
    return crash(forced=at)


def test_all_slopes_are_numbers(worst):
    _, slope = worst
    assert all(np.isfinite(x).all() for x in slope.values())

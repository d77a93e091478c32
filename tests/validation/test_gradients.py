"""Gradients of the engine in JAX: one by hand, and against central differences of the reference's limit."""

import numpy as np
import pytest

from kernels.mechanisms.adl import ADL_CAPPED_PRO_RATA, ADL_LEVERAGE_WATERFILL
from tests.gradients import gradient
from tests.scenarios import LIMIT, quiet, replaced, require, simulate, uniform, winners, with_parts

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
    table = uniform(1e9, 0.0625, 0.125)
    scenario = quiet(forced={(0, 0, 0, 0, 0): table}, depth=40e6, shock=-0.08)
    value, slope = gradient(scenario, lambda found: found["liquidated_coins"][0, 0, 0], 1, 1, 1e-14, 2000)
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

    def shortfall(found):
        return jnp.sort(loss(found["loss"]))[-WORST:].mean()

    return gradient(crash(), shortfall, SEED, N_PATH)


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
              "withdrawal", "monitoring", "fee_rate", "group_rate", "mark_weight")  # fmt: skip


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
        if name == "group_rate":  # margins follow from it
            return crash(group_rate=arrays.group_rate * (1 + by))
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


def deleveraged(**changes):
    """The crash with policies that close against winners, who entered at other prices."""
    policies = np.array([ADL_CAPPED_PRO_RATA, ADL_LEVERAGE_WATERFILL], np.int32)
    scenario = crash(adl_policy=policies, adl_below=1e4, adl_drawdown=0.1)
    given = {"entry": np.array([1.02, 0.97]), "hedged": 1e5} | changes
    return with_parts(scenario, adl=winners(scenario.shape, **given))


def taken(loss, notional, hedged, xp):
    """Losses of the worst paths, what winners paid counted again, and what was closed."""
    worst = xp.sort(loss[:, 0, :2, -1].sum(1) + 5 * loss[:, 4, 0, -1] + 3 * loss[:, 4, 1, -1])[-WORST:]
    return worst.mean() + notional[:, -1, 1].mean() + hedged[:, -1].mean()


@pytest.fixture(scope="module")
def closings():
    require("jax")
    import jax.numpy as jnp

    def measure(found):
        return taken(found["loss"], found["adl_notional"], found["adl_hedged"], jnp)

    return gradient(deleveraged(), measure, SEED, N_PATH)


@pytest.mark.parametrize("name", ["depth", "shock", "open interest", "adl.entry", "adl.equity", "adl.hedged"])
def test_deleveraging_against_central_differences(closings, name):
    value, slope = closings
    scenario, step = deleveraged(), 1e-6
    arrays, part = scenario.arrays, scenario.parts.adl

    def measured(by):
        if name == "open interest":
            moved = replaced(scenario, **{n: getattr(arrays, n) * (1 + by) for n in TABLES})
        elif name.startswith("adl."):
            leaf = name.removeprefix("adl.")
            moved = deleveraged(**{leaf: getattr(part, leaf) * (1 + by)})
        else:
            moved = replaced(scenario, **{name: getattr(arrays, name) * (1 + by)})
        found = simulate(LIMIT, moved, SEED, 0, N_PATH)
        return taken(found.loss, found.adl_notional, found.adl_hedged, np)

    assert value == pytest.approx(measured(0.0), rel=1e-9)
    if name == "open interest":
        along = sum((slope[n] * getattr(arrays, n)).sum() for n in ("forced", "tier_notional"))
    elif name.startswith("adl."):
        along = (slope[name] * getattr(part, name.removeprefix("adl."))).sum()
    else:
        along = (slope[name] * getattr(arrays, name)).sum()
    assert along == pytest.approx((measured(step) - measured(-step)) / (2 * step), rel=1e-4)
    assert along != 0
    assert all(np.isfinite(x).all() for x in slope.values())

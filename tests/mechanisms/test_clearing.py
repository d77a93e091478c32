"""Central clearing: the layers between the insurance fund and the winners."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.clearing import LAYERS, PREFUNDED
from kernels.mechanisms.clearing.step_numpy import clear, pay, prefunded
from kernels.mechanisms.waterfall import SOCIALISE_STEP
from kernels.outcome import COMPONENTS, OK, PAYERS
from tests.scenarios import (
    DEEP,
    ENGINES,
    LONG,
    SHORT,
    clearing,
    mass,
    quiet,
    simulate,
    waterfall,
    with_parts,
)

UNIT = 2.0**20
HOUSE = tuple(x * UNIT for x in (0.03, 0.05, 0.27, 0.135))
"""Default fund 0.30, of which defaulters 10%; own capital 0.05; assessments of 50%."""

dollars = st.floats(0, 1e10)


def falling(steps, layers=HOUSE, n_asset=1, special=None, **changes):
    """30 longs with a margin of .08 in every asset, closed in a deep book as prices step through `steps`;
    at .90 they lose .60 more than they have. The shorts, 4 units, make .40."""
    notional = np.zeros((n_asset, 2, 1, 1))
    notional[:, LONG], notional[:, SHORT] = 30 * UNIT, 4 * UNIT
    prices = np.asarray(steps, float).reshape(len(steps), -1)
    scenario = quiet(
        n_step=len(steps), n_asset=n_asset, depth=DEEP, tier_notional=notional,
        shock=np.diff(np.log(prices), prepend=0.0, axis=0), **changes,
        forced={(a, LONG, 0, 0, 0): mass(30 * UNIT, 0.08) for a in range(n_asset)},
    )  # fmt: skip
    special = {"socialise": SOCIALISE_STEP} | (special or {})
    parts = {"waterfall": waterfall(scenario.shape, **special), "clearing": clearing(scenario.shape, *layers)}
    return with_parts(scenario, **parts)


def paid(done):
    """Who paid, in units, by component; the deficit is what its payers paid."""
    assert done.status[0] == OK
    found = dict(zip(COMPONENTS, done.loss[0, :, 0, -1] / UNIT, strict=True))
    assert found["deficit"] == pytest.approx(sum(found[name] for name in PAYERS), rel=1e-5, abs=1e-5)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_layers_by_hand(engine):
    """.60: .03 from defaulters, .05 own capital, .27 from survivors, .135 called for, .115 from winners."""
    found = paid(simulate(engine, falling([0.9])))
    assert found["own_capital"] == pytest.approx(0.05, abs=1e-6)
    assert found["default_fund"] == pytest.approx(0.30, abs=1e-6)
    assert found["assessments"] == pytest.approx(0.135, abs=1e-6)
    assert found["socialised"] == pytest.approx(0.115, abs=3e-4)
    assert found["bad_debt"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_insurance_fund_pays_first(engine):
    """Of .60 the fund pays .50, defaulters .03, the clearing house .05, survivors .02."""
    found = paid(simulate(engine, falling([0.9], fund=0.5 * UNIT)))
    assert found["fund_draw"] == pytest.approx(0.5, abs=1e-5)
    assert found["own_capital"] == pytest.approx(0.05, abs=1e-5)
    assert found["default_fund"] == pytest.approx(0.05, abs=3e-4)
    assert found["assessments"] == found["socialised"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_layer_pays_once(engine):
    """The same longs again, a step later, in a second asset: .60 and then .60, from layers of .485 in all."""
    scenario = falling([[0.9, 1.0], [0.9, 0.9]], n_asset=2, special={"socialise": 0})
    found = paid(simulate(engine, scenario))
    assert found["deficit"] == pytest.approx(1.2, abs=1e-3)
    assert found["own_capital"] + found["default_fund"] + found["assessments"] == pytest.approx(0.485)
    assert found["bad_debt"] == pytest.approx(0.715, abs=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("layers", "minutes"), [(HOUSE, 2.0), ((UNIT, 0.0, 0.5 * UNIT, 0.0), 0.0)])
def test_a_cleared_venue_is_exhausted_when_nothing_prefunded_is_left(engine, layers, minutes):
    """Deficits of .30 and, a step later, .60 against .35 prefunded, and against 1.5."""
    done = simulate(engine, falling([[0.91, 1.0], [0.91, 0.9]], layers, 2))
    assert paid(done)["deficit"] == pytest.approx(0.9, abs=1e-3)
    assert done.exhaustion_time[0, 0] == minutes


@pytest.mark.parametrize("engine", ENGINES)
def test_layers_stand_behind_funds_of_all_markets(engine):
    """Funds of .50 and .10 against .60 each: .10 and .50 are left, and share layers of .30 alike."""
    special = {"split": 1, "share": [[5 / 6], [1 / 6]], "socialise": SOCIALISE_STEP}
    layers = (0.0, 0.30 * UNIT, 0.0, 0.0)
    found = paid(simulate(engine, falling([[0.9, 0.9]], layers, 2, special, fund=0.6 * UNIT)))
    assert found["fund_draw"] == pytest.approx(0.6, abs=1e-5)
    assert found["own_capital"] == pytest.approx(0.3, abs=1e-5)
    # .05 and .25 go to the winners of either market, who have made .40 each.
    assert found["socialised"] == pytest.approx(0.3, abs=1e-3)


def random_case(seed, layers, owed):
    """Layers of two venues and what three pots owe by tier: [1, layer, venue], [1, pot, venue, tier]."""
    rng = np.random.default_rng(seed)
    return np.array(layers)[None, :, None] * rng.random((1, 4, 2)), owed * rng.random((1, 3, 2, 2))


@given(st.integers(0, 1000), st.lists(dollars, min_size=4, max_size=4), dollars)
def test_every_dollar_is_paid_once_and_in_order(seed, layers, owed):
    held, deficits = random_case(seed, layers, owed)
    left = held.copy()
    by_component, rest = clear(left, deficits)
    drawn = held - left
    assert sum(x.sum() for x in by_component.values()) + rest.sum() == pytest.approx(deficits.sum(), abs=1e-3)
    assert drawn.sum() == pytest.approx(sum(x.sum() for x in by_component.values()), abs=1e-3)
    assert min(left.min(), rest.min(), *(x.min() for x in by_component.values())) >= 0
    # No layer pays while one before it has anything left, and none is spared while something is owed.
    later = drawn[:, ::-1].cumsum(axis=1)[:, ::-1] - drawn
    assert (later[left > 1e-3] <= 1e-3).all()
    assert (left.sum(axis=1) * rest.sum(axis=(1, 3)) <= 1e-3 * (1 + owed)).all()


@given(st.integers(0, 1000), st.lists(dollars, min_size=4, max_size=4), dollars, st.integers(0, 3), dollars)
def test_more_in_a_layer_never_leaves_more_to_winners(seed, layers, owed, which, more):
    held, deficits = random_case(seed, layers, owed)
    larger = held.copy()
    larger[:, which] += more
    _, rest = clear(held.copy(), deficits)
    _, less = clear(larger, deficits)
    assert (less.sum(axis=(1, 3)) <= rest.sum(axis=(1, 3)) * (1 + 1e-9) + 1e-3).all()
    _, one, _ = pay(held[:, 0], deficits)
    assert (rest <= one).all()


def test_assessments_are_not_prefunded():
    assert prefunded(np.array([[[1.0], [2.0], [4.0], [8.0]]])).item() == 7.0
    assert LAYERS[PREFUNDED:] == ("assessments",)

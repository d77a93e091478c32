"""Gradients of the engine in JAX by accounts, whales, vaults and clearing, against central differences."""

import dataclasses

import numpy as np
import pytest

from kernels.mechanisms.cascade import step_numpy as cascade
from kernels.outcome import COMPONENTS
from tests.accounts import accounts, long_portfolio
from tests.gradients import gradient
from tests.mechanisms.test_vault import vaults
from tests.mechanisms.test_whale import SURE, whales
from tests.scenarios import clearing, require, simulate, uniform, with_parts
from tests.validation.test_gradients import crash

pytestmark = pytest.mark.parity

SEED, N_PATH = 11, 16
WEIGHTS = {
    "total": 1.0,
    "fund_draw": 2.0,
    "default_fund": 5.0,
    "own_capital": 3.0,
    "bad_debt": 4.0,
    "adl": 2.0,
}


def actors():
    """The crash with longs whose collateral is a third in the coin, whales, vaults and layers of clearing."""
    longs = long_portfolio([1.0], 0.005) | {
        "value": 1 / 3, "value_fixed": 2 / 3, "worth": 1 / 3, "worth_fixed": 2 / 3, "throughput": 3e7,
    }  # fmt: skip
    table = {(0, venue, 1): uniform(3e8 * (1 + venue), 0.02, 0.2) for venue in range(2)}
    scenario = accounts(crash(), forced=table, **longs)
    scenario = whales(scenario, chance=[[[SURE, 0], [0, 0]]], margin=np.log(0.06))
    scenario = vaults(scenario, take=[0.4, 0.0], room=8e6, unwind=0.3, capital=1e5)
    return with_parts(scenario, clearing=clearing(scenario.shape, 1e5, 5e4, 2e5, 3e5))


def measure(found):
    """A number that all of them have a part in: NumPy's fields or JAX's."""
    paid = sum(weight * found("loss")[:, COMPONENTS.index(name), :-1, -1] for name, weight in WEIGHTS.items())
    return (paid.sum(1) + found("vault_loss")[:, -1] + 0.1 * found("sold_by").sum(1)).mean()


@pytest.fixture(scope="module")
def slopes():
    require("jax")
    return gradient(actors(), lambda found: measure(found.__getitem__), SEED, N_PATH)


def reference(scenario, monkeypatch):
    """The same of the reference, cascades at their limit; accounts leave the same small orders."""
    monkeypatch.setattr(cascade, "TOLERANCE", 1e-12)
    monkeypatch.setattr(cascade, "MAX_ROUNDS", 20_000)
    found = simulate("numpy", scenario, SEED, 0, N_PATH)
    return measure(lambda name: getattr(found, name))


DIRECTIONS = (
    "account.forced", "account.value_fixed", "account.worth", "account.throughput", "whale.margin",
    "whale.size", "vault.room", "vault.take", "vault.capital", "vault.unwind", "clearing.layer", "depth",
    "fund",
)  # fmt: skip


@pytest.mark.parametrize("name", DIRECTIONS)
def test_against_central_differences(slopes, name, monkeypatch):
    _, slope = slopes
    scenario, step = actors(), 1e-6
    part, _, leaf = name.rpartition(".")
    held = getattr(scenario.parts, part) if part else scenario.arrays

    def moved(by):
        changed = dataclasses.replace(held, **{leaf: getattr(held, leaf) * (1 + by)})
        whole = (
            with_parts(scenario, **{part: changed}) if part else dataclasses.replace(scenario, arrays=changed)
        )
        return reference(whole, monkeypatch)

    difference = (moved(step) - moved(-step)) / (2 * step)
    assert difference != 0
    assert (slope[name] * getattr(held, leaf)).sum() == pytest.approx(difference, rel=1e-6)


def test_the_point_is_that_of_the_reference(slopes, monkeypatch):
    value, slope = slopes
    assert value == pytest.approx(reference(actors(), monkeypatch), rel=1e-9)
    assert all(np.isfinite(x).all() for x in slope.values())

"""Cover: what the default of the largest one or two listed accounts would cost."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.cover import Cover
from kernels.mechanisms.cover.step_numpy import exposures, largest_accounts
from kernels.outcome import COMPONENTS, OK
from tests.scenarios import DEEP, ENGINES, LONG, SHORT, mass, quiet, simulate, with_parts

UNIT = 2.0**20


def listed(positions, prefunded):
    """The part of positions (account, asset, venue, side, notional, equity), in units."""
    columns = [np.array(column) for column in zip(*positions, strict=True)]
    integers = (column.astype(np.int32) for column in columns[:4])
    dollars = (column * UNIT for column in (*columns[4:], np.array(prefunded, float)))
    return Cover(*integers, *dollars)


def moving(steps, positions, prefunded, n_venue=1):
    """A deep market that steps through prices [step, asset], in which nobody is forced."""
    prices = np.asarray(steps, float)
    scenario = quiet(
        n_step=len(prices), n_asset=prices.shape[1], n_venue=n_venue, depth=DEEP,
        shock=np.diff(np.log(prices), prepend=0.0, axis=0),
    )  # fmt: skip
    return with_parts(scenario, cover=listed(positions, prefunded))


@pytest.mark.parametrize("engine", ENGINES)
def test_cover_by_hand(engine):
    """The first asset falls to .80, the second rises to 1.20 later. A, long 100 with 10 and short 50 with 5,
    leaves 10 and 5; B, long 80 with 4, leaves 12; C, long 10 with 1, leaves 1. Of 20, 7 are missing."""
    held = [
        (0, 0, 0, LONG, 100, 10), (0, 1, 0, SHORT, 50, 5), (1, 0, 0, LONG, 80, 4), (2, 0, 0, LONG, 10, 1),
    ]  # fmt: skip
    done = simulate(engine, moving([[0.8, 1.0], [1.0, 1.2], [0.9, 1.0]], held, [20]))
    assert done.status[0] == OK
    assert done.cover_listed[0, 0] / UNIT == pytest.approx([15, 27], rel=1e-5)
    assert done.cover_shortfall[0, 0] / UNIT == pytest.approx([0, 7], rel=1e-5)
    assert done.cover_listed[0, 1] / UNIT == pytest.approx([15, 27], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_holder_on_two_venues(engine):
    """At .80: A leaves 6 on either venue, B 10 on the first, C 9 on the second. Venue by venue B and C are
    the largest, over both A is: 12, and 22 with B. Of 8 and 5 they lack 6 - 5, and 16 - 8 besides."""
    held = [
        (0, 0, 0, LONG, 50, 4), (0, 0, 1, LONG, 50, 4), (1, 0, 0, LONG, 100, 10), (2, 0, 1, LONG, 50, 1),
    ]  # fmt: skip
    done = simulate(engine, moving([[0.8]], held, [8, 5], n_venue=2))
    assert done.cover_listed[0] / UNIT == pytest.approx(np.array([[10, 16], [9, 15], [12, 22]]), rel=1e-5)
    assert done.cover_shortfall[0] / UNIT == pytest.approx(np.array([[2, 8], [4, 10], [1, 9]]), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_list_there_is_nothing(engine):
    done = simulate(engine, quiet(shock=-0.5))
    assert not done.cover_listed.any()
    assert not done.cover_shortfall.any()


def random_part(seed, n, n_account=6, n_asset=2, n_venue=3):
    """Positions of a few accounts, some below water from the start."""
    rng = np.random.default_rng(seed)
    account = np.sort(rng.integers(0, n_account, n))
    place = (rng.integers(0, k, n) for k in (n_asset, n_venue, 2))
    notional = 100 * rng.random(n)
    return listed(
        list(zip(account, *place, notional, notional * rng.uniform(-0.02, 0.3, n), strict=True)),
        20 * rng.random(n_venue),
    )


@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0, 1))
def test_what_holds_of_cover(seed, n, more):
    part = random_part(seed, n)
    rng = np.random.default_rng(seed + 1)
    lowest, highest = -0.5 * rng.random((1, 2, 3)), 0.5 * rng.random((1, 2, 3))
    cover, shortfall = largest_accounts(part, lowest, highest)
    one, two = cover[..., 0], cover[..., 1]
    assert (one <= two).all()
    assert (two <= 2 * one * (1 + 1e-12)).all()
    assert (cover[:, :3].max(axis=1) <= cover[:, 3] * (1 + 1e-12)).all()
    each = exposures(part, lowest[0], highest[0])
    assert (two[0, :3] <= each.sum(axis=0) * (1 + 1e-12)).all()
    assert shortfall[0, :3] == pytest.approx(np.maximum(cover[0, :3] - part.prefunded[:, None], 0))
    # All that the venues lack if the same accounts default everywhere is at least what they lack together.
    assert (shortfall[0, 3] >= cover[0, 3] - part.prefunded.sum() - 1e-6).all()
    richer = dataclasses.replace(part, equity=part.equity + more * part.notional)
    assert (largest_accounts(richer, lowest, highest)[0] <= cover + 1e-6).all()
    calmer = largest_accounts(part, lowest * more, highest * more)[0]
    assert (calmer <= cover + 1e-6).all()


@pytest.mark.parametrize("seed", range(5))
def test_engines_agree(seed):
    prices = np.exp(np.random.default_rng(seed).normal(0, 0.1, (6, 2)))
    scenario = with_parts(moving(prices, [(0, 0, 0, 0, 1, 1)], [0], 3), cover=random_part(seed, 25))
    done = [simulate(engine, scenario) for engine in ENGINES]
    for name in ("cover_listed", "cover_shortfall"):
        assert getattr(done[1], name) == pytest.approx(getattr(done[0], name), rel=1e-4, abs=100)
    assert (done[0].cover_listed[0, :, 0] > 0).any()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("steps", [[0.95, 0.9, 0.86], [0.85, 1.0], [0.7]])
def test_cover_is_no_less_than_what_accounts_left(engine, steps):
    """The only two longs of a market that their own selling moves: what they leave as deficits, fills and
    all, is no more than at the worst price of the path."""
    held = [(0, 0, 0, LONG, 30, 30 * 0.08), (1, 0, 0, LONG, 20, 20 * 0.12)]
    scenario = quiet(
        n_step=len(steps), depth=10 * UNIT, shock=np.diff(np.log(steps), prepend=0.0)[:, None],
        forced={(0, LONG, 0, 0, 0): mass(30 * UNIT, 0.08) + mass(20 * UNIT, 0.12)},
    )  # fmt: skip
    done = simulate(engine, with_parts(scenario, cover=listed(held, [0])))
    deficit = done.loss[0, COMPONENTS.index("deficit"), 0, -1]
    assert 0 < deficit <= done.cover_listed[0, 0, 1] * 1.001

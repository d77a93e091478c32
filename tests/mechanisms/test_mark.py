"""Mark prices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.mark import step_numpy
from kernels.mechanisms.mark.step_numpy import mark
from tests.scenarios import ENGINES, LONG, marking, mass, quiet, simulate, with_parts

MARKS = 0.5 * np.eye(2) + 0.5 * np.array([0.75, 0.25])


def test_by_hand():
    """Own .5, weights (.75, .25); books at -1% and -13% around -4%: marks -6.5% and -12.5%."""
    marks = mark(np.array(-0.04), np.array([-1.0, -13.0]), MARKS)
    assert marks == pytest.approx(
        [-0.04 - 0.01 * (0.875 * 1 + 0.125 * 13), -0.04 - 0.01 * (0.375 + 0.625 * 13)]
    )


weights = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)
displacements = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


@given(st.lists(weights, min_size=3, max_size=3), displacements, st.floats(-1, 1))
def test_marks_lie_among_prices(rows, displaced, fundamental):
    weight = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    marks = mark(np.array(fundamental), np.array(displaced), weight)
    prices = fundamental + 0.01 * np.array(displaced)
    assert np.all(marks >= prices.min() - 1e-12)
    assert np.all(marks <= prices.max() + 1e-12)


@given(st.lists(weights, min_size=3, max_size=3), displacements, st.integers(0, 2))
def test_a_lower_price_never_raises_a_mark(rows, displaced, venue):
    lower = np.array(displaced)
    lower[venue] -= 1.0
    assert np.all(
        mark(np.array(0.0), lower, np.array(rows)) < mark(np.array(0.0), np.array(displaced), np.array(rows))
    )


@given(displacements, st.floats(-1, 1))
def test_mirror(displaced, fundamental):
    weight = np.full((3, 3), 1 / 3)
    one = mark(np.array(fundamental), np.array(displaced), weight)
    assert np.array_equal(mark(np.array(-fundamental), -np.array(displaced), weight), -one)


def frozen(scenario, part, price, basis=0.0, **more):
    """Rules of one path's marks, from log prices and bases [venue] of one asset."""
    price = np.asarray(price, float)[None, None]
    basis = np.broadcast_to(np.asarray(basis, float), price.shape)
    return step_numpy.freeze(scenario.arrays, part, basis, price, **more).at(([0], [0]))


def test_median_by_hand():
    """Books at -5% and -13%; the second venue: index -7% with a basis of -2%, own -13%, second index -5%."""
    scenario = quiet(n_venue=2)
    index = np.array([[0.75], [0.25]]) * np.ones((1, 2))
    part = marking(scenario, index=index, second=[[1, 1], [0, 0]], median=[0, 1], own=[0.5, 0])
    displaced = np.array([[-5.0, -13.0]])
    rules = frozen(scenario, part, displaced[0] / 100, basis=[0, -2])
    assert rules.price(np.zeros(1), displaced)[0] == pytest.approx([-0.06, -0.09])
    assert rules.order(np.zeros(1), displaced).tolist() == [[0, 1]]
    # Without the basis the index, without the second index's higher price the own one.
    rules = frozen(scenario, part, displaced[0] / 100, basis=[0, -9])
    assert rules.price(np.zeros(1), displaced)[0, 1] == pytest.approx(-0.13)
    assert rules.order(np.zeros(1), displaced).tolist() == [[0, 0]]


def test_basis_by_hand():
    """Half-life of one step: half of a basis of -2% is kept, and half of -13% against -7% is new: -4%."""
    scenario = quiet(n_venue=2)
    part = marking(scenario, index=np.array([[0.75], [0.25]]), median=[0, 1], decay=0.5)
    price = np.array([[[-0.05, -0.13]]])
    basis = np.array([[[0.0, -2.0]]])
    rules = step_numpy.freeze(scenario.arrays, part, basis, price)
    now = step_numpy.remember(part, basis, rules, np.array([[-0.04]]), price)
    assert now[0, 0] == pytest.approx([0, -4])


def test_a_source_far_from_the_others_is_left_out():
    """Of -1%, -2%, -8% the last is 6 points from the median: the index is the mean of the other two."""
    scenario = quiet(n_venue=3)
    index = np.full((3, 3), 1 / 3)
    for tolerance, mark_price in ((0.07, -11 / 3), (0.05, -1.5), (0.005, -2.0)):
        part = marking(scenario, own=0, index=index, tolerance=tolerance)
        rules = frozen(scenario, part, [-0.01, -0.02, -0.08])
        assert 100 * rules.price(np.zeros(1), np.array([[-1.0, -2, -8]])) == pytest.approx(mark_price)


def test_where_all_sources_are_far_none_is_left_out():
    scenario = quiet(n_venue=2)
    part = marking(scenario, own=0, index=[[0.5], [0.5]], tolerance=0.01)
    rules = frozen(scenario, part, [0.0, -0.08])
    assert rules.price(np.zeros(1), np.array([[0, -8.0]]))[0] == pytest.approx([-0.04, -0.04])


def test_a_halted_source_stands_still_or_is_left_out():
    """Prices -1% (halted there), and -9%: the index of equal parts is -5%, or -9% without the halted one."""
    scenario = quiet(n_venue=2)
    halted = np.array([[[True, False]]])
    for drops, mark_price in ((0, -0.05), (1, -0.09)):
        part = marking(scenario, own=[0, 0], index=[[0.5], [0.5]], drops=drops)
        rules = frozen(scenario, part, [-0.01, -0.09], halted=halted, out=halted)
        # The fundamental falls by another 4% within the step; what is halted does not follow.
        marks = rules.price(np.array([-0.08]), np.array([[-4.0, -5.0]]))
        assert marks[0, 1] == pytest.approx(mark_price + (0 if drops else 0.5) * -0.04 + (drops * -0.04))


@given(displacements, displacements, st.integers(0, 2))
def test_a_median_preserves_order(displaced, basis, venue):
    """Lower prices never raise a mark, whatever the bases: medians may be used within rounds."""
    scenario = quiet(n_venue=3)
    index = np.array([[0.5, 0.2, 0.3]] * 3).T
    part = marking(scenario, index=index, second=np.eye(3)[[1, 2, 0]], median=1)
    rules = frozen(scenario, part, np.array(displaced) / 100, basis)
    lower = np.array([displaced], float)
    lower[0, venue] -= 1.0
    assert np.all(rules.price(np.zeros(1), lower) <= rules.price(np.zeros(1), np.array([displaced])) + 1e-12)


@given(displacements)
def test_alike_candidates_are_a_mean(displaced):
    """A median of three that are the same is that price."""
    scenario = quiet(n_venue=3, mark_weight=np.full((3, 3), 1 / 3))
    plain = frozen(scenario, None, np.array(displaced) / 100)
    special = frozen(scenario, marking(scenario), np.array(displaced) / 100)
    x = np.array([displaced], float)
    assert special.price(np.zeros(1), x) == pytest.approx(plain.price(np.zeros(1), x), abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_median_stops_a_dislocation_at_one_venue(engine):
    """A book that is pushed 8% off forces the holders of a venue on its own price, of a median nobody."""
    sold = {(0, LONG, 0, 0, 0): mass(8e8, 0.005)}
    watching = {(0, LONG, 0, 1, 0): mass(1e6, 0.05)}
    scenario = quiet(
        n_step=2, n_venue=3, shock=[[-0.01], [0]], depth=1e8, forced=sold | watching,
        mark_weight=[[1, 0, 0], [1, 0, 0], [0, 0, 1]],
    )  # fmt: skip
    assert simulate(engine, scenario).liquidated_coins[0, 1, 0] == pytest.approx(1e6, rel=1e-6)
    part = marking(scenario, median=[0, 1, 0], second=np.full((3, 3), 1 / 3))
    assert simulate(engine, with_parts(scenario, marking=part)).liquidated_coins[0, 1, 0] == 0

"""Tallies: exact, the same in any order and any form."""

import dataclasses
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.outcome import COUNTERS, FIELDS, IDENTITY_BROKEN, NOT_FINITE, UNCONVERGED, Layout
from kernels.parts import histogram
from kernels.parts.histogram import histogram_numpy
from stress.io import compare_tallies
from stress.measures.distribution import bin_edges
from stress.tally import N_WORST, NO_PATH, Tally, add_words, words_to_int
from tests import samples

fused = pytest.importorskip("kernels._fused", reason="the fused engine is not built")
EXPONENT = np.array([10, -20, 10], np.int32)


def empty(n_cell):
    shapes = (n_cell, histogram.N_BIN), (n_cell, histogram.N_BIN), (n_cell, 2), (n_cell, 2)
    return [np.zeros(s, t) for s, t in zip(shapes, [np.int64] * 2 + [np.uint64] * 2, strict=True)]


def in_both_forms(rows, exponent):
    reference, fast = empty(rows.shape[1]), empty(rows.shape[1])
    bad = histogram_numpy.add(rows, exponent, *reference), fused.tally_add(rows, exponent, *fast, 2)
    assert bad[0] == bad[1]
    return reference, fast, bad[0]


@given(st.lists(st.floats(0, float(np.float32(3e38)), width=32), min_size=1, max_size=40))
def test_forms_agree_on_any_value(values):
    rows = np.repeat(np.array(values, np.float32)[:, None], 3, axis=1)
    reference, fast, bad = in_both_forms(rows, EXPONENT)
    assert bad == 0
    assert all(np.array_equal(a, b) for a, b in zip(reference, fast, strict=True))


@pytest.mark.parametrize("n_path", [1, 255, 4096, 9001])
def test_forms_agree_on_many_paths(n_path):
    rng = np.random.default_rng(n_path)
    rows = np.exp(rng.normal(10, 8, (n_path, 37))).astype(np.float32)
    rows[rng.random(rows.shape) < 0.3] = 0
    exponent = np.where(np.arange(37) % 2, 10, -20).astype(np.int32)
    reference, fast, _ = in_both_forms(rows, exponent)
    assert all(np.array_equal(a, b) for a, b in zip(reference, fast, strict=True))


def test_minutes_are_counted_from_a_second_to_a_year():
    exponents = {field.exponent for field in FIELDS if field.unit == "min"}
    for exponent in exponents:
        times = np.array([[1 / 60], [2880], [366 * 24 * 60]], np.float32)
        tallies = in_both_forms(times, np.array([exponent], np.int32))[:2]
        for counts, _, sums, _ in tallies:
            assert counts[0, histogram.UNDERFLOW] == counts[0, histogram.OVERFLOW] == 0
            mean = words_to_int(sums)[0] * 2.0 ** (exponent - histogram.MOMENT_BITS) / 3
            assert mean == pytest.approx(times.mean(dtype=float), rel=1e-6)


@pytest.mark.parametrize("value", [-1.0, -1e-42, np.nan, np.inf, -np.inf])
def test_bad_values_are_counted(value):
    rows = np.ones((5, 3), np.float32)
    rows[2, 1] = value
    assert in_both_forms(rows, EXPONENT)[2] == 1
    made = samples.rows(10, 4)
    made[3, 5] = value
    with pytest.raises(ValueError, match="1 negative or non-finite numbers in paths 10"):
        Tally(samples.SHAPE).add_batch(10, made, np.zeros(4, np.uint32), 0)


def test_bins_sit_where_they_say():
    lower, upper, _, _ = bin_edges(10)
    values = np.float32([0, -0.0, 1, 1023.9, 1024, 1031.9, 1032, 2048, 2.0**40, 3e38])
    places, _ = histogram_numpy.bins(np.abs(values), 10)
    assert places.tolist() == [0, 0, 1, 1, 2, 2, 3, 130, histogram.OVERFLOW, histogram.OVERFLOW]
    inside = places > 0
    assert (lower[places[inside]] <= values[inside]).all()
    assert (values[inside] < upper[places[inside]]).all()
    assert ((upper - lower)[2:-1] / lower[2:-1]).max() <= 2 * histogram.RELATIVE_ERROR < 0.01


def test_sums_are_exact():
    values = samples.rows(0, 200)[:, 0]
    values = np.clip(values, 2.0**10, 2.0**39)
    arrays = empty(1)
    histogram_numpy.add(values[:, None], EXPONENT[:1], *arrays)
    _, _, offset, unit = bin_edges(10)
    in_bins = sum(
        int(n) * Fraction(float(o)) + int(r) * Fraction(float(u))
        for n, r, o, u in zip(arrays[0][0], arrays[1][0], offset, unit, strict=True)
    )
    assert in_bins == sum(Fraction(float(v)) for v in values)
    whole = [round(Fraction(float(v)) * 2**6) for v in values]
    assert words_to_int(arrays[2]) == [sum(whole)]
    assert words_to_int(arrays[3]) == [sum(w * w for w in whole)]


@given(st.lists(st.integers(0, 2**126), min_size=2, max_size=5))
def test_words_carry(numbers):
    words = np.array([[n & (2**64 - 1), n >> 64] for n in numbers], np.uint64)
    total = words[0].copy()[None]
    for other in words[1:3]:
        add_words(total, other[None])
    assert words_to_int(total) == [sum(numbers[:3])]


def test_any_split_and_order_gives_the_same_bits():
    whole = samples.tally(0, 300)
    for cuts in ([0, 300], [0, 1, 299, 300], [0, 100, 200, 300]):
        parts = [samples.tally(a, b - a, n_thread=2) for a, b in pairwise(cuts)]
        for order in (parts, parts[::-1]):
            total = Tally(samples.SHAPE)
            for part in order:
                total += part
            total.counters[:] = whole.counters
            assert compare_tallies(total, whole) == []


def test_float64_rows_are_cast_first():
    made = samples.rows(0, 50)
    tallies = [Tally(samples.SHAPE), Tally(samples.SHAPE)]
    for tally, dtype in zip(tallies, (np.float32, np.float64), strict=True):
        tally.add_batch(0, made.astype(dtype), np.zeros(50, np.uint32), 0)
    assert compare_tallies(*tallies) == []


def test_worst_paths_by_loss_then_by_number():
    layout = Layout(samples.SHAPE)
    made = np.zeros((500, layout.n_cell), np.float32)
    losses = np.tile(np.arange(100, dtype=np.float32) * 1e6, 5)
    layout.view(made, "loss")[:, 0, -1, -1] = losses
    layout.view(made, "loss")[:10, 0, 1, 2] = 5.0
    tally = Tally(samples.SHAPE)
    for start in (400, 0, 200):
        part = made[start : start + 200] if start < 400 else made[400:]
        tally.add_batch(start, part, np.zeros(len(part), np.uint32), 0)
    order = np.lexsort((np.arange(500), -losses))[:N_WORST]
    assert tally.worst_path[-1, -1].tolist() == order.tolist()
    assert tally.worst_loss[-1, -1].tolist() == losses[order].tolist()
    assert tally.worst_path[1, 2].tolist() == [*range(10), *[NO_PATH] * (N_WORST - 10)]
    tally.worst_path[-1, -1] = tally.worst_path[1, 2] = NO_PATH
    assert (tally.worst_path == NO_PATH).all()


@given(st.lists(st.integers(1, 299), max_size=4, unique=True), st.integers(1, 40), st.randoms())
def test_worst_paths_of_every_venue_and_tier(cuts, n_kind, random):
    """Of losses of few kinds, so that many are equal, in parts in any order: as one sort finds them."""
    layout = Layout(samples.SHAPE)
    made = np.zeros((300, layout.n_cell), np.float32)
    drawn = np.random.default_rng(n_kind).integers(0, n_kind, (300, layout.slices["loss"].stop))
    made[:, layout.slices["loss"]] = drawn * np.float32(1000)
    parts, whole = [], Tally(samples.SHAPE)
    for first, last in pairwise([0, *sorted(cuts), 300]):
        parts.append(Tally(samples.SHAPE))
        parts[-1].add_batch(first, made[first:last], np.zeros(last - first, np.uint32), 0)
    random.shuffle(parts)
    for part in parts:
        whole += part
    total = layout.view(made, "loss")[:, 0]
    order = np.argsort(-total, axis=0, kind="stable")[:N_WORST]
    loss = np.take_along_axis(total, order, axis=0)
    assert np.array_equal(whole.worst_loss, np.moveaxis(loss, 0, -1))
    assert np.array_equal(whole.worst_path, np.moveaxis(np.where(loss > 0, order, NO_PATH), 0, -1))


def test_which_venues_were_exhausted_together_is_counted():
    made = np.zeros((6, Layout(samples.SHAPE).n_cell), np.float32)
    times = Layout(samples.SHAPE).view(made, "exhaustion_time")
    times[1], times[2], times[3], times[4] = (3, 0, 0), (9, 0, 1), (1, 0, 7), (2, 2, 2)
    status = np.array([0, 0, 0, 0, NOT_FINITE, UNCONVERGED], np.uint32)
    tally = Tally(samples.SHAPE)
    tally.add_batch(0, made, status, 0)
    assert tally.exhausted.tolist() == [2, 1, 0, 0, 0, 2, 0, 0]


def test_more_venues_than_subsets_are_kept_of_are_refused():
    shape = dataclasses.replace(samples.SHAPE, venues=tuple(f"v{i}" for i in range(17)))
    with pytest.raises(ValueError, match="16 venues at most, not of 17"):
        Tally(shape)


def test_failed_paths_are_left_out_and_named():
    status = np.zeros(20, np.uint32)
    status[[3, 7]] = IDENTITY_BROKEN, NOT_FINITE | UNCONVERGED
    made = samples.rows(100, 20)
    made[7] = np.nan
    tally = Tally(samples.SHAPE)
    tally.add_batch(100, made, status, np.zeros(len(COUNTERS), np.int64))
    assert (tally.n_path, tally.n_counted, tally.n_failed) == (20, 18, 2)
    assert tally.failed_path.tolist() == [103, 107]
    assert tally.status.tolist() == [18, 0, 1, 1, 1, 0]


def test_memory_does_not_grow():
    sizes = {
        sum(a.nbytes for a in vars(samples.tally(0, n)).values() if isinstance(a, np.ndarray))
        for n in (10, 200)
    }
    assert len(sizes) == 1

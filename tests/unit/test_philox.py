"""Random words: the published answers, the layout of counters, and the same words in the fused engine."""

from pathlib import Path

import numpy as np
import pytest

from kernels import sites
from kernels.parts.normal.normal_numpy import normal
from kernels.parts.philox.philox_numpy import philox, words
from tests.scenarios import quiet, replaced, simulate

ANSWERS = [
    [int(word, 16) for word in line.split()]
    for line in (Path(__file__).parent / "philox_known_answers.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("line", ANSWERS, ids=["zeros", "ones", "digits of pi"])
def test_known_answers(line):
    counter, key, answer = line[:4], line[4:6], line[6:]
    assert philox(counter, key).tolist() == answer


def test_known_answers_at_once():
    table = np.array(ANSWERS, np.uint64)
    drawn = [philox(row[:4], row[4:6]) for row in table]
    assert np.array_equal(drawn, table[:, 6:])


def test_reference_in_plain_integers():
    """Another implementation, in Python integers, on counters at random."""

    def plain(counter, key):
        (c0, c1, c2, c3), (k0, k1) = map(int, counter), map(int, key)
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
            c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        return [c0, c1, c2, c3]

    rng = np.random.default_rng(1)
    for _ in range(200):
        counter, key = rng.integers(0, 2**32, 4), rng.integers(0, 2**32, 2)
        assert philox(counter, key).tolist() == plain(counter, key)


def test_layout_of_the_counter():
    """Path in words 0 and 1, step in word 2, site and block in word 3, seed in the key."""
    path, seed, step, site = (5 << 32) + 7, (3 << 32) + 11, 42, 6
    drawn = words(seed, [path], step, site, 6)[0]
    first, second = (philox((7, 5, step, site << 16 | block), (11, 3)) for block in (0, 1))
    assert drawn.tolist() == [*first, *second[:2]]


def test_words_do_not_depend_on_how_many_are_asked_for():
    few, many = words(1, np.arange(5), 2, 3, 3), words(1, np.arange(5), 2, 3, 11)
    assert np.array_equal(few, many[:, :3])


def test_sites_are_distinct():
    numbers = [value for name, value in vars(sites).items() if name.isupper()]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 200 for number in numbers)


def fused_return(seed, path, step, n_step=40, n_asset=6):
    """The exogenous log return that the fused engine draws in one step, from how far a path falls.

    The volatility is zero but in that step, in which a shock of -1 makes every path fall.
    """
    shock, row = np.zeros((n_step, n_asset)), np.zeros(n_step, np.int32)
    shock[step], row[step] = -1.0, 1
    scenario = replaced(
        quiet(n_step=n_step, n_asset=n_asset, volatility=0.02, shock=shock),
        volatility_row=row, volatility_level=np.stack([np.zeros(n_asset), np.ones(n_asset)]),
    )  # fmt: skip
    return np.log1p(-simulate("cpu", scenario, seed, first=path, count=3).exogenous_fall) + 1


@pytest.mark.parametrize("seed", [0, 20251010, (1 << 64) - 3])
@pytest.mark.parametrize("path", [0, (1 << 32) - 2, (1 << 40) + 9])
@pytest.mark.parametrize("step", [0, 15, 16, 39])
def test_fused_words(seed, path, step):
    """A wrong bit anywhere in a word, a counter or a key would give another normal altogether."""
    paths = np.arange(path, path + 3, dtype=np.uint64)
    z = normal(words(seed, paths, step, sites.NORMAL, 6))
    assert fused_return(seed, path, step) == pytest.approx(0.02 * z, abs=5e-7)

"""Differences between runs: by hand, paired and not, of runs that can be compared and that cannot."""

import dataclasses
import json
import re
from functools import partial
from shutil import copytree

import numpy as np
import pytest
from typer.testing import CliRunner

import stress
from stress import cli
from stress.comparison import page, runs
from stress.comparison.estimator import (
    Difference,
    Sections,
    above,
    groups,
    mean,
    paired,
    paired_share,
    quantile_at,
    unpaired,
)
from stress.comparison.runs import added, check_comparable, open_side
from stress.errors import ConfigError, ResultError
from stress.io import encode, read_arrays, tally_groups
from stress.measures import Estimate
from stress.stored import Counts
from tests import samples
from tests.statistics.paired import sections_of

M = 2.0**20
"""A million dollars, in round binary: exact in its bin."""

EXACT = partial(pytest.approx, rel=1e-6)
PATHS = 1_000
FUND = "venues.alpha.insurance_fund"


def test_a_mean_by_hand():
    base = sections_of(M * np.array([1, 2, 3, 4, 5]), 5)
    other = sections_of(M * np.array([2, 2, 4, 4, 8]), 5)
    found = paired(base, other, mean, 0.95)
    assert found == Difference(EXACT(M), EXACT(M * (1 - 1.520722)), EXACT(M * (1 + 1.520722)), 5)


def test_unpaired_by_hand():
    base = Estimate(*map(np.asarray, (10.0, 8.0, 13.0)))
    other = Estimate(*map(np.asarray, (14.0, 13.0, 16.0)))
    expected = Difference(4.0, EXACT(4 - 10**0.5), EXACT(4 + 8**0.5), 0)
    assert unpaired(base, other) == expected


def test_a_rare_event_by_hand():
    """None of 1,000 paths against two, in different sections of fifty."""
    base, other = np.zeros(1_000), np.zeros(1_000)
    other[[70, 990]] = M
    found = paired_share(sections_of(base, 20), sections_of(other, 20), M / 2, 0.95)
    assert found.value == EXACT(0.002)
    assert found.lower == pytest.approx(0.002 - np.hypot(0.002 - 0.000242, 0.003682), abs=2e-6)
    assert found.upper == pytest.approx(0.007205, abs=2e-6)
    by_sections = paired(sections_of(base, 20), sections_of(other, 20), above(M / 2), 0.95)
    assert by_sections.upper == pytest.approx(0.002 + 2.093024 * 0.0013765, abs=1e-6)


def test_too_few_sections_or_paths_beyond_are_not_paired():
    base, other = (sections_of(x, 20) for x in np.random.default_rng(3).lognormal(20, 1, (2, 1_000)))
    four = sections_of(np.arange(400) * M, 4), sections_of(np.arange(400) * 2 * M, 4)
    assert paired(*four, mean, 0.95) is None
    assert paired(base, other, quantile_at(0.99), 0.95, 0.01) is None  # ten beyond: two sections
    assert paired(base, other, quantile_at(0.95), 0.95, 0.05).sections == 10
    assert paired(base, other, mean, 0.95).sections == 20


def test_a_quantile_is_known_better_than_its_bin():
    values = np.random.default_rng(4).uniform(1024, 1032, 20_000).astype(np.float32)  # one bin
    cell = sections_of(M * values, 5).whole()
    assert len(cell.count) == 1
    for level in (0.1, 0.5, 0.99):
        found, off = quantile_at(level)(cell)
        assert found / M == pytest.approx(np.quantile(values, level), abs=off / M)
        assert off / M < 0.1  # of a bin that is eight wide


def test_equal_counts_are_not_the_same_where_other_paths_make_them():
    """One path of every section spends its fund in both runs, but not the same one."""
    base, other, paid, paid_else = np.zeros((4, 1_000))
    base[::50], other[7::50] = 1, 1
    paid[::50], paid_else[7::50] = M, M + 1000.0 * np.arange(20)
    counts, others = sections_of(base, 20), sections_of(other, 20)
    assert paired_share(counts, others, 0.5, 0.95).same
    told, told_too = (
        dataclasses.replace(x, witness=sections_of(y, 20)) for x, y in ((counts, paid), (others, paid_else))
    )
    found = paired_share(told, told_too, 0.5, 0.95)
    assert (found.value, found.same) == (0, False)
    assert found.lower < 0 < found.upper
    assert paired_share(told, told, 0.5, 0.95).same
    nothing = [dataclasses.replace(sections_of(0 * base, 20), witness=x.witness) for x in (told, told_too)]
    assert paired_share(*nothing, 0.5, 0.95).same  # zero in every path, whatever funds pay


def test_groups_are_of_about_one_size():
    assert groups(range(7), 20) == [slice(i, i + 1) for i in range(7)]
    sizes = [which.stop - which.start for which in groups(range(17), 5)]
    assert sum(sizes) == 17
    assert set(sizes) == {3, 4}


def test_shards_together_are_the_whole():
    def counts(first, count):
        groups = tally_groups(samples.tally(first, count), samples_labels())
        return Counts.of(read_arrays(encode(groups, {}))["tally"])

    whole, together = counts(0, 120), added(added(counts(0, 50), counts(50, 1)), counts(51, 69))
    for name in ("first", "bin", "count", "remainder", "exponent", "sums", "squares"):
        np.testing.assert_array_equal(getattr(together, name), getattr(whole, name), name)


def samples_labels():
    from stress import cube

    return cube.coordinates(samples.SHAPE, (0.99,))


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    """Runs the small config; the folder."""
    out = tmp_path_factory.mktemp("results")

    def run(*overrides, paths=PATHS):
        return stress.run(root / "tests/configs/small.yaml", paths=paths, out=out, overrides=overrides).path

    return run


@pytest.fixture(scope="module")
def base(run):
    return run()


@pytest.fixture(scope="module")
def other(run):
    return run(f"{FUND}=$5M")


@pytest.fixture(scope="module")
def found(base, other):
    return stress.compare(base, other, level=0.9)


def test_against_itself_nothing_differs(base):
    same = stress.compare(base, base)
    for part in ("difference", "lower", "upper"):
        assert (same.differences[part].fillna(0) == 0).all()
    assert not same.changes
    numbers = [row.number for table in same.tables for row in table.rows]
    assert len(numbers) > 30
    assert all(number.difference.same for number in numbers if np.isfinite(number.base))


def test_both_sides_are_as_in_their_cubes(found, base, other):
    shown = found.mean(venue=slice(None))
    for part, path in (("base", base), ("other", other)):
        cube = stress.open_run(path).isel(scenario=0)
        expected = cube.loss_mean.sel(component="total", tier="all")
        np.testing.assert_array_equal(shown[part], expected)
        whole = {"component": "total", "venue": "all", "tier": "all", "level": 0.9}
        assert found.var(0.9)[part] == cube.loss_var.sel(whole)
        assert found.es(0.9)[part] == cube.loss_es.sel(whole)
    np.testing.assert_allclose(shown.difference, shown.other - shown.base, rtol=1e-9)
    assert shown.difference.attrs["units"] == "USD"
    draw = found.mean(component="fund_draw", venue="alpha")
    assert draw.upper < 0  # a smaller fund pays less


def test_common_draws_narrow_intervals(found, base, other):
    alone = stress.compare(base, other, level=0.9, unpaired=True)
    assert found.paired
    assert not alone.paired
    median = float(found.quantile(0.5).base)
    widths = [
        float((x.upper - x.lower).squeeze())
        for each in (found, alone)
        for x in (each.mean(), each.es(0.9), each.exceedance(median), each.mean(component="bad_debt"))
    ]
    for narrow, wide in zip(widths[:3], widths[4:7], strict=True):
        assert 0 < narrow < wide / 3
    assert widths[3] == pytest.approx(widths[7], rel=0.5)  # where the base has nothing, nothing is shared
    assert alone.mean().difference == pytest.approx(float(found.mean().difference))


def test_what_differs_between_the_configs(found):
    assert found.changes == [{"key": FUND, "base": "$20M", "other": "$5M"}]


def test_shards_of_other_sizes_and_runs_of_other_lengths(run, base, other, monkeypatch):
    coarse = run(f"{FUND}=$5M", "run.shard_paths=200")
    narrow, wide = (stress.compare(base, x).mean() for x in (other, coarse))
    assert wide.difference == pytest.approx(float(narrow.difference))
    assert stress.compare(base, coarse).parts[0][0].paths() == 200
    shorter = run(f"{FUND}=$5M", paths=400)
    found = stress.compare(base, shorter)
    assert found.paths == 400
    assert "all is of the 400 that both have" in found.notes[-1]
    alone = stress.compare(base, other / "cube.h5")  # without its shards
    assert not alone.paired
    assert alone.notes[-1].startswith(
        f"of {other.name} only the cube was given, so differences are not paired"
    )
    with pytest.raises(ConfigError, match=r"1,000 and 400 paths, and of \S+ only the cube was given"):
        stress.compare(other / "cube.h5", shorter)
    monkeypatch.setattr("stress.comparison.sections", lambda *sides: ([], []))  # as of runs of few shards
    assert "the runs have fewer than 5 shards of the same paths" in stress.compare(base, other).notes[-1]


def test_runs_that_cannot_be_compared(base, other, tmp_path):
    side = open_side(base)

    seeded = dataclasses.replace(side.stored, cube=side.cube.assign_attrs(seed="8"))
    with pytest.raises(ConfigError, match=r"seeds are 20251010 and 8 .* with --unpaired"):
        check_comparable(side, dataclasses.replace(side, stored=seeded), unpaired=False)
    assert check_comparable(side, dataclasses.replace(side, stored=seeded), unpaired=True) == []

    def changed(**settings):
        return dataclasses.replace(side, config={**side.config, "run": side.config["run"] | settings})

    with pytest.raises(ConfigError, match="losses over different times"):
        check_comparable(side, changed(horizon="1h"), unpaired=True)
    with pytest.raises(ConfigError, match="every step has draws of its own"):
        check_comparable(side, changed(step="30s"), unpaired=False)
    assert check_comparable(side, changed(step="30s"), unpaired=True) == []
    elsewhere = dataclasses.replace(side.stored.cells, venues=("gamma", "delta"))
    stranger = dataclasses.replace(side, stored=dataclasses.replace(side.stored, cells=elsewhere))
    with pytest.raises(ConfigError, match="they have no venues in common"):
        check_comparable(side, stranger, unpaired=False)
    unfinished = tmp_path / "unfinished"
    copytree(other, unfinished)
    (unfinished / "cube.h5").unlink()
    with pytest.raises(ResultError, match="no run was finished there"):
        stress.compare(base, unfinished)
    with pytest.raises(ConfigError, match="a level cannot be 99"):
        stress.compare(base, other, level=99)


def test_other_engines_are_told_and_other_labels_named(base, other, monkeypatch):
    side = open_side(base)
    attributes = side.cube.attrs | {"kernels_sha256": "0", "version": "9"}
    stored = dataclasses.replace(side.stored, cube=side.cube.assign_attrs(attributes))
    (note,) = check_comparable(side, dataclasses.replace(side, stored=stored), unpaired=False)
    assert "different engines computed the two" in note
    cells = dataclasses.replace(side.stored.cells, venues=("alpha", "gamma"))
    renamed = dataclasses.replace(side, stored=dataclasses.replace(side.stored, cells=cells))
    assert runs.unmatched(side, renamed) == {"venue": {"base": ["beta"], "other": ["gamma"]}}


def test_the_verb(base, other):
    def verb(*arguments):
        done = CliRunner().invoke(cli.app, ["compare", *map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    text = verb(base, other)
    assert f"{FUND}: $20M -> $5M" in text
    assert "Losses by venue" in text
    assert "would exclude zero by chance" in text
    assert max(map(len, text.splitlines())) <= 132
    (made,) = json.loads(verb(base, other, "--json", "--level", "0.95"))["comparisons"]
    assert made["paired"]
    assert made["level"] == 0.95
    draw = next(x for x in made["differences"] if x["name"] == "fund draw, mean")
    assert draw["excludes_zero"]
    assert draw["lower"] <= draw["difference"] <= draw["upper"]
    assert draw["difference"] == pytest.approx(draw["other"] - draw["base"])
    with pytest.raises(ConfigError, match="one run cannot be compared"):
        verb(base)
    with pytest.raises(ConfigError, match="could replace the run's own files"):
        verb(base, other, "--out", str(base / "cube.h5"))


def test_the_page(base, other, found, tmp_path):
    independent = dataclasses.replace(found, parts=([], []))
    done = CliRunner().invoke(
        cli.app, ["compare", str(base), str(other), "--level", "0.9", "--out", str(tmp_path / "page.html")]
    )
    assert done.exit_code == 0
    text = (tmp_path / "page.html").read_text()
    assert text.encode() == page.html([found])
    assert f'<th scope="row">{FUND}</th><td>$20M</td><td>$5M</td>' in text
    shown = json.loads(re.search(r'id="figures">(.*?)</script>', text)[1])
    assert {key.partition("-")[2] for key in shown} >= {
        "venues",
        "tiers",
        "payers",
        "forced",
        "funds",
        "falls",
    }
    how = text.partition("How to read it")[2].partition("</ul>")[0]
    assert "A filled mark: the interval excludes zero." in how
    assert "*" not in how
    assert "ranges of paths that both runs share" in text
    assert "ranges of paths that both runs share" not in page.html([independent]).decode()
    marks = shown["0-venues"]["views"][0]["data"][0]
    assert marks["y"] == ["alpha", "beta", "all"]
    expected = found.mean(venue=["alpha", "beta", "all"])
    np.testing.assert_allclose(marks["x"], expected.difference, rtol=1e-4)
    reach = np.add(marks["x"], marks["error_x"]["array"])
    np.testing.assert_allclose(reach, expected.upper, rtol=1e-3)


def test_sections_of_a_part_of_the_paths(found):
    """Fields that count over some paths only are compared over these."""
    cell = Sections.of(found.parts[0], found.base.stored.cells.cell("amplification", asset="BTC"))
    stressed = found.quantile(0.5, "amplification", asset="BTC")
    cube = stress.open_run(found.base.path).isel(scenario=0)
    assert stressed.base == cube.amplification_median.sel(asset="BTC")
    assert cell.whole().n == PATHS

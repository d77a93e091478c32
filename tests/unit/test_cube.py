"""The cube: every name defined, every number with its interval, the file readable by others."""

import dataclasses
import io
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mechanisms.clearing import Clearing
from kernels.outcome import COUNTERS, FIELDS, Layout
from stress import cube as cubes
from stress.cube import ALL, cube, definitions, describe, names
from stress.errors import StoreError
from stress.io import check_format, compare_tallies, encode, open_group, read_tally, tally_groups
from stress.tally import Tally
from tests import samples

LEVELS = (0.9, 0.99, 0.999)
N_ASSET, N_VENUE, N_TIER = 2, 3, 3
STATIC = SimpleNamespace(shock=np.array([0.01, 0.05]), index_fall=np.full((2, 2), 0.06), critical_shock=0.05)


def scenario():
    listed = np.ones((N_ASSET, N_VENUE), bool)
    listed[1, 2] = False
    notional = np.full((N_ASSET, 2, N_VENUE, N_TIER), 1e8) * listed[:, None, :, None]
    arrays = SimpleNamespace(tier_notional=notional, listed=listed, fund=np.array([1e6, 2e6, 4e6]))
    # The first two venues know their accounts; the second is cleared, with assessments of $7M besides.
    layer = np.array([[0, 0.1e6, 0], [0, 0.2e6, 0], [0, 0.4e6, 0], [0, 7e6, 0]])
    parts = SimpleNamespace(cover=SimpleNamespace(venue=np.array([0, 1])), clearing=Clearing(layer))
    return SimpleNamespace(shape=samples.SHAPE, arrays=arrays, parts=parts)


@pytest.fixture(scope="module")
def tally():
    return samples.tally(0, 400)


@pytest.fixture(scope="module")
def made(tally):
    return cube(tally, scenario(), "sample", LEVELS, 0.95, STATIC)


@pytest.fixture(scope="module")
def data(made, tally):
    groups = {"/": made, **tally_groups(tally, cubes.coordinates(samples.SHAPE, LEVELS))}
    return encode(groups, {"seed": "7"})


def test_every_name_is_there_and_no_other(made):
    ends = {f"{name}_{end}" for name in made for end in ("lower", "upper") if f"{name}_lower" in made}
    assert set(map(str, made)) - ends == set(names())


def test_fields_are_those_of_the_row():
    known = definitions()["fields"]
    assert {f.name: f.unit for f in FIELDS} == {name: entry["unit"] for name, entry in known.items()}
    for field in FIELDS:
        assert [d.rstrip("+") for d in field.dims] == known[field.name]["dims"]


def test_everything_is_described(made):
    for name, variable in made.variables.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["definition"], name
        assert variable.attrs["units"], name
    for name in made:
        if linked := made[name].attrs.get("ancillary_variables"):
            assert linked.split() == [f"{name}_lower", f"{name}_upper"]
            for end in linked.split():
                assert f"end of the 95% confidence interval of {name}. " in made[end].attrs["definition"]
                assert made[end].attrs["confidence"] == 0.95


@pytest.mark.parametrize("group", ["tally", "status", "worst", "exhausted"])
def test_groups_are_described(data, group):
    seen = open_group(data, group)
    for name, variable in seen.variables.items():
        assert all(variable.attrs[word] for word in ("definition", "units", "long_name")), name
    assert set(definitions()["groups"][group]) <= set(map(str, seen.variables))


def test_unknown_names_are_refused(tally):
    for name in ("loss_mode", "profit_mean", "loss"):
        with pytest.raises(KeyError, match=r"not defined in fields\.yml"):
            describe(name)
    builder = cubes.Builder(tally, samples.SHAPE, LEVELS, 0.95)
    with pytest.raises(KeyError):
        builder.add("profit", np.zeros(()))


def test_every_number_lies_in_its_interval(made):
    for name in made:
        if f"{name}_lower" in made:
            value = made[name].values
            lower, upper = made[f"{name}_lower"].values, made[f"{name}_upper"].values
            known = ~np.isnan(value)
            assert (np.isnan(lower) == ~known).all(), name
            slack = 1e-12 * np.abs(value[known])
            assert (lower[known] <= value[known] + slack).all(), name
            assert (value[known] <= upper[known] + slack).all(), name


def test_numbers_belong_to_their_labels(made, tally):
    layout = Layout(samples.SHAPE)
    rows = samples.rows(0, 400).astype(float)
    loss = layout.view(rows, "loss")
    at = {"component": "fund_draw", "venue": "beta", "tier": "[20,100]"}
    assert float(made.loss_mean.sel(at).item()) == pytest.approx(loss[:, 3, 1, 2].mean(), rel=1e-6)
    assert float(made.loss_mean.sel(venue=ALL, component="total", tier=ALL).item()) == pytest.approx(
        loss[:, 0, 3, 3].mean(), rel=1e-6
    )
    fall = np.minimum(layout.view(rows, "fall"), 2.0**10)  # a histogram ends there
    assert float(made.fall_mean.sel(asset="BTC", venue="gamma").item()) == pytest.approx(
        fall[:, 0, 2].mean(), rel=1e-6
    )
    assert made.loss_es.dims == ("scenario", "component", "venue", "tier", "level")
    assert made.scenario.values.tolist() == ["sample"]


def test_what_is_not_defined_is_nan_and_zero_is_zero(made):
    assert np.isnan(made.fall_mean.sel(venue=ALL)).all()
    assert np.isnan(made.fall_mean.sel(asset="ETH", venue="gamma")).all()
    assert np.isnan(made.liquidated_share_mean.sel(venue="gamma", asset="ETH")).all()
    assert not np.isnan(made.loss_mean).any()
    assert float(made.open_interest.sel(venue="gamma", asset="ETH").item()) == 0
    assert float(made.open_interest.sel(venue=ALL, asset=ALL).item()) == 5 * 3 * 1e8


def test_cover_next_to_what_is_prefunded(made):
    """Where accounts are listed: shares of paths with a shortfall, and NaN elsewhere."""
    rows = samples.rows(0, 400).astype(float)
    shortfall = Layout(samples.SHAPE).view(rows, "cover_shortfall")
    found = made.cover_shortfall_probability.isel(scenario=0)
    for venue, at in (("alpha", 0), ("beta", 1), (ALL, 3)):
        assert found.sel(venue=venue).values.tolist() == (shortfall[:, at] > 0).mean(axis=0).tolist()
    for name in ("cover_listed_mean", "cover_shortfall_es", "cover_shortfall_probability_lower"):
        assert np.isnan(made[name].sel(venue="gamma")).all(), name
        assert not np.isnan(made[name].sel(venue=ALL)).any(), name
    assert made.prefunded.isel(scenario=0).values.tolist() == pytest.approx([1e6, 2.7e6, 4e6, 7.7e6])


def test_conditional_fields_count_their_paths_only(made):
    rows = samples.rows(0, 400).astype(float)
    layout = Layout(samples.SHAPE)
    times = layout.view(rows, "exhaustion_time")[:, 1]
    assert float(made.exhaustion_time_mean.sel(venue="beta").item()) == pytest.approx(
        times[times > 0].mean(), rel=1e-4
    )
    probability = float(made.exhaustion_probability.sel(venue="beta").item())
    assert probability == (times > 0).mean()
    stressed = layout.view(rows, "stressed_exogenous_trough")[:, 0] > 0
    assert float(made.stressed_paths.sel(asset="BTC").item()) == stressed.sum()


def test_few_paths_beyond_a_level_are_warned_of(made):
    assert made.loss_es.attrs["warning"].startswith("fewer than 50 paths lie beyond level 0.9, 0.99, 0.999")


def test_the_warning_counts_the_paths_of_the_statistic():
    few = samples.rows(0, 2000)
    layout = Layout(samples.SHAPE)
    layout.view(few, "exhaustion_time")[30:, 1] = 0
    tally = Tally(samples.SHAPE)
    tally.add_batch(0, few, np.zeros(2000, np.uint32), np.zeros(len(COUNTERS), np.int64))
    made = cube(tally, scenario(), "sample", LEVELS, 0.95, STATIC)
    assert "beyond level 0.99, 0.999:" in made.loss_es.attrs["warning"]
    assert "beyond level 0.9, 0.99, 0.999:" in made.exhaustion_time_es.attrs["warning"]
    assert "warning" not in made.exhaustion_time_var.attrs


def test_file_reads_back_the_same(made, data):
    again = open_group(data)
    assert again.drop_attrs(deep=False).identical(made)
    assert again.attrs["seed"] == "7"
    assert encode({"/": made}, {}) == encode({"/": made}, {})


def test_file_is_netcdf(made, data):
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as seen:
        seen.load()
    assert dict(seen.sizes) == dict(made.sizes)
    xr.testing.assert_equal(seen, made)
    assert seen.loss_es.attrs["units"] == "USD"
    for group in ("tally", "status", "worst", "exhausted"):
        xr.open_dataset(io.BytesIO(data), engine="h5netcdf", group=group).close()


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(1, 40), st.floats(0, 1), st.randoms())
def test_subsets_of_venues_agree_with_what_is_known_of_each(n_venue, n_path, share, random):
    """Pairs with the probability of each venue and of any; how many fail at once, with the joint one."""
    shape = dataclasses.replace(samples.SHAPE, venues=tuple("abcde"[:n_venue]))
    layout, tally = Layout(shape), Tally(shape)
    rows = np.zeros((n_path, layout.n_cell), np.float32)
    times = layout.view(rows, "exhaustion_time")
    times[:] = [[random.uniform(1, 2880) * (random.random() < share) for _ in range(n_venue)] for _ in rows]
    layout.view(rows, "venues_exhausted")[:] = (times > 0).sum(axis=1)
    tally.add_batch(0, rows, np.zeros(n_path, np.uint32), 0)
    builder = cubes.Builder(tally, shape, LEVELS, 0.95)
    cubes.add_probabilities(builder)
    found = builder.dataset("sample").isel(scenario=0)
    for end in ("", "_lower", "_upper"):
        names = [f"{which}exhaustion_probability{end}" for which in ("pair_", "")]
        pair, alone = (found[name].values for name in names)
        assert np.array_equal(pair, pair.T)
        assert np.array_equal(pair.diagonal(), alone)
        assert np.array_equal(pair[-1], alone)
    both = [[((times[:, i] > 0) & (times[:, j] > 0)).mean() for i in range(n_venue)] for j in range(n_venue)]
    np.testing.assert_array_equal(found.pair_exhaustion_probability[:-1, :-1], both)
    together = np.array([int(number).bit_count() for number in range(1 << n_venue)])
    at_least = [tally.exhausted[together >= k].sum() / n_path for k in range(1, n_venue + 1)]
    assert found.joint_exhaustion_probability.values.tolist() == at_least


def test_subsets_of_venues_in_a_file(data, tally):
    seen = open_group(data, "exhausted")
    assert dict(zip(seen["venues"].values, seen["count"].values, strict=True)) == {
        number: count for number, count in enumerate(tally.exhausted) if count
    }
    assert seen["venues"].attrs["flag_meanings"] == "alpha beta gamma"
    assert seen["venues"].attrs["flag_masks"].tolist() == [1, 2, 4]


def test_only_common_filters_are_used(data):
    with h5py.File(io.BytesIO(data)) as file:
        seen = set()

        def look(_, item):
            if isinstance(item, h5py.Dataset) and item.chunks:
                seen.add((item.compression, item.shuffle, item.fletcher32))

        file.visititems(look)
    assert seen == {("gzip", True, True), (None, False, True)}


def test_tally_reads_back_the_same(data, tally):
    assert compare_tallies(read_tally(data, samples.SHAPE), tally) == []


def test_files_of_format_version_1_can_be_read(data):
    """Their worst paths are those over all tiers."""
    worst = open_group(data, "worst").sel(tier="all")
    of_old = encode({"/": open_group(data), "worst": worst.drop_vars("tier")}, {"format_version": 1})
    assert open_group(of_old).identical(open_group(data).assign_attrs(format_version=1))
    seen = open_group(of_old, "worst")
    assert seen.path.dims == ("venue", "tier", "rank")
    assert seen.tier.values.tolist() == ["all"]
    xr.testing.assert_equal(seen.sel(tier="all"), worst)
    assert "worst paths by leverage tier (the file has format version 1" in seen.attrs["lacks"]
    with pytest.raises(StoreError, match=r"does not say which .*it has format version 1"):
        open_group(of_old, "exhausted")
    groups = {name: open_group(data, name) for name in ("tally", "status", "worst")}
    with pytest.raises(StoreError, match="older format"):
        read_tally(encode(groups, {"format_version": 1}), samples.SHAPE)


def test_newer_formats_and_strangers_are_refused(tmp_path):
    with pytest.raises(StoreError, match="format version 3"):
        check_format({"format": "liquidation-stress", "format_version": 3})
    with pytest.raises(StoreError, match="no result of liquidation-stress"):
        check_format({})
    (tmp_path / "x.h5").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="cannot be read"):
        open_group(tmp_path / "x.h5")

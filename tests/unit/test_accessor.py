"""`ds.stress`: the cube's own numbers at the cube's levels, and any others from the same file."""

import numpy as np
import pytest
import xarray as xr

import stress
from kernels.outcome import FIELDS
from stress import cube as cubes
from stress import open_run
from stress.errors import ConfigError, StoreError
from stress.io import encode, tally_groups
from stress.report.figures import losses
from stress.report.subject import subject
from stress.store import sealed
from tests import samples
from tests.unit.test_cube import LEVELS, STATIC, scenario

PARTS = ("value", "lower", "upper")


def written(folder, groups, seed="7"):
    """The file of a cube."""
    file = folder / "cube.h5"
    file.write_bytes(sealed(encode(groups, {"seed": seed, "confidence": 0.95})))
    return file


@pytest.fixture(scope="module")
def groups():
    """What is in the file of a cube of made-up outcomes."""
    tally = samples.tally(0, 400)
    made = cubes.cube(tally, scenario(), "sample", LEVELS, 0.95, STATIC)
    return {"/": made, **tally_groups(tally, cubes.coordinates(samples.SHAPE, LEVELS))}


@pytest.fixture(scope="module")
def file(groups, tmp_path_factory):
    return written(tmp_path_factory.mktemp("run"), groups)


@pytest.fixture(scope="module")
def cube(file):
    return open_run(file)


def everywhere(cube, field):
    """All labels of all dims of a field."""
    return dict.fromkeys(cubes.definitions()["fields"][field]["dims"], slice(None))


def agrees(found, cube, name):
    """A result is a variable of the cube with its interval and its attributes, label by label."""
    for part, variable in zip(PARTS, (name, f"{name}_lower", f"{name}_upper"), strict=True):
        expected = cube[variable].isel(scenario=0).sel({dim: found[dim] for dim in found.dims})
        np.testing.assert_array_equal(found[part].transpose(*expected.dims), expected, f"{name} {part}")
        attributes = {key: x for key, x in expected.attrs.items() if key != "ancillary_variables"}
        assert found[part].attrs == attributes


@pytest.mark.parametrize("field", [field.name for field in FIELDS])
def test_numbers_are_those_of_the_cube(cube, field):
    labels = everywhere(cube, field)
    agrees(cube.stress.mean(field, **labels), cube, f"{field}_mean")
    agrees(cube.stress.var(LEVELS, field, **labels), cube, f"{field}_var")
    if field != "loss":  # whose expected shortfalls are a second or two more of the same
        agrees(cube.stress.es(LEVELS, field, **labels), cube, f"{field}_es")


def test_exceedance_is_that_of_the_cube(cube):
    found = cube.stress.exceedance(cubes.THRESHOLDS, venue=slice(None))
    for part, variable in zip(PARTS, ("", "_lower", "_upper"), strict=True):
        np.testing.assert_array_equal(found[part], cube[f"loss_exceedance{variable}"].isel(scenario=0))
    assert found.value.attrs["units"] == "1"
    assert found.threshold.attrs["units"] == "USD"
    at_least_one = cube.stress.exceedance(0.5, "venues_exhausted")
    assert at_least_one.value == cube.joint_exhaustion_probability[0, 0]


def test_levels_between_and_median(cube):
    found = cube.stress.var([0.95, 0.97, 0.99, 0.9975], venue="alpha")
    assert found.value.dims == ("level",)
    assert (found.value.diff("level") >= 0).all()
    assert cube.stress.quantile(0.5).value == cube.loss_median.sel(component="total", venue="all", tier="all")
    assert "fewer than 50 paths" in cube.stress.es(0.995).value.attrs["warning"]


def test_labels(cube):
    one = cube.stress.var(0.99, venue="alpha")
    assert one.value.dims == ()
    assert (one.venue, one.tier, one.component) == ("alpha", "all", "total")
    two = cube.stress.var(0.99, venue=["gamma", "alpha"])
    assert two.venue.values.tolist() == ["gamma", "alpha"]
    assert two.value[1] == one.value
    assert cube.stress.var(0.99, "index_fall").asset.values.tolist() == ["BTC", "ETH"]


def test_a_dataset_that_was_cut_down(cube):
    of_beta = cube.stress.var(0.995, venue="beta").value
    assert cube.sel(venue="beta").squeeze().stress.var(0.995).value == of_beta
    without_total = cube.sel(venue=["alpha", "beta"]).stress.var(0.995)
    assert without_total.venue.values.tolist() == ["alpha", "beta"]
    assert without_total.value[1] == of_beta
    with pytest.raises(ConfigError, match="does not say which venue it is of"):
        cube.sel(venue="beta", drop=True).stress.var(0.995)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: s.var(99), "a level cannot be 99 (it is a probability)"),
        (lambda s: s.var(0.99, "lost"), 'a run has no quantity "lost"'),
        (lambda s: s.var(0.99, venue="betta"), 'Did you mean "beta"?'),
        (lambda s: s.var(0.99, asset="BTC"), 'loss has no dimension "asset"'),
        (lambda s: s.var(0.99, venue=slice("a", "b")), "Name labels, or take slice(None)"),
        (lambda s: s.var([]), "a level cannot be []"),
        (lambda s: s.exceedance(-1), "thresholds cannot be -1"),
        (lambda s: s.exceedance([]), "thresholds cannot be []"),
        (lambda s: s.worst(-1), "-1 paths cannot be shown"),
        (lambda s: s.worst(3, venue="betta"), 'worst paths of venue "betta" are not kept'),
        (lambda s: s.to_dataframe("loss_ess"), 'Did you mean "loss_es"?'),
        (lambda s: s.to_dataframe("loss_es", venue="betta"), 'loss_es has no venue "betta"'),
    ],
)
def test_what_is_not_there_is_a_sentence(cube, call, sentence):
    with pytest.raises(ConfigError) as caught:
        call(cube.stress)
    assert sentence in str(caught.value)


def test_worst_paths(cube, file):
    tier = cube.tier.values[1]
    table = cube.stress.worst(3, venue="beta", tier=tier)
    kept = open_run(file, "worst").sel(venue="beta", tier=tier)
    assert table.index.tolist() == [1, 2, 3]
    assert table["path"].tolist() == kept.path[:3].values.tolist()
    assert table["loss"].is_monotonic_decreasing
    assert cube.sel(venue="beta", tier=tier).stress.worst(3).equals(table)


def test_tidy_tables(cube):
    table = cube.stress.to_dataframe("loss_es", component="total", venue=["alpha", "beta"], tier="all")
    assert table.columns.tolist() == ["venue", "level", "value", "lower", "upper", "units"]
    assert len(table) == 2 * len(LEVELS)
    assert set(table["units"]) == {"USD"}
    row = table[(table["venue"] == "beta") & (table["level"] == 0.99)].iloc[0]
    whole = {"component": "total", "venue": "beta", "tier": "all", "level": 0.99}
    assert row["lower"] == cube.loss_es_lower.sel(whole).item()
    several = cube.stress.to_dataframe(["exhaustion_probability", "venues_exhausted_mean"])
    assert several.columns.tolist() == ["variable", "venue", "value", "lower", "upper", "units"]
    assert np.isnan(cube.fall_mean.sel(asset="ETH", venue="gamma"))
    assert len(cube.stress.to_dataframe("fall_mean")) == 5  # a market that is not listed has no row


def test_files_that_are_gone_or_another(groups, tmp_path):
    file = written(tmp_path, groups)
    cube = open_run(file)
    written(tmp_path, groups, seed="8")
    with pytest.raises(StoreError, match="is of another run than the dataset"):
        cube.stress.mean()
    file.unlink()
    with pytest.raises(StoreError, match="which the dataset was read from, is not there"):
        cube.stress.mean()
    with pytest.raises(StoreError, match="does not say which file it is of"):
        xr.Dataset(attrs=cube.attrs).stress.mean()


def test_of_a_file_that_xarray_opened(groups, tmp_path, cube):
    few = groups["/"][["loss_mean", "fall_mean"]]  # hundreds of variables take xarray seconds
    with xr.open_dataset(written(tmp_path, groups | {"/": few}), engine="h5netcdf") as opened:
        found = opened.isel(scenario=0).stress.var(0.97, venue="alpha")
    assert found.value == cube.stress.var(0.97, venue="alpha").value


def test_figures_are_those_of_the_report(root, tmp_path):
    run = stress.run(root / "tests/configs/small.yaml", paths=40, out=tmp_path)
    plot = run.cube.sel(venue="alpha").stress.plot
    heat, exceedance, waterfall = plot.heatmap(), plot.exceedance(), plot.waterfall()
    about = subject(run.path / "cube.h5")
    assert heat.data[0].z[0][0] == losses.heat(about).views[0].data[0]["z"][0][0]
    assert len(heat.layout.updatemenus[0].buttons) == len(losses.heat(about).views)
    for made in (heat, exceedance, waterfall):
        assert made.layout.title.text
        assert '"--' not in made.to_json()  # every colour has a value
    assert sum(bool(trace.visible) for trace in exceedance.data) == len(exceedance.data)

"""What a file still knows: any quantile of any cell, as the cube has it, of one file or of several."""

import numpy as np
import pytest

from kernels.outcome import FIELDS
from stress import cube as cubes
from stress.cube import definitions
from stress.errors import ConfigError
from stress.io import encode, open_group, read_arrays, tally_groups
from stress.measures.quantile import quantile
from stress.stored import Cells, Counts, Stored, distribution
from tests import samples
from tests.unit.test_cube import LEVELS, STATIC, scenario


def groups_of(tally):
    return tally_groups(tally, cubes.coordinates(samples.SHAPE, LEVELS))


@pytest.fixture(scope="module")
def data():
    tally = samples.tally(0, 400)
    made = cubes.cube(tally, scenario(), "sample", LEVELS, 0.95, STATIC)
    return encode({"/": made, **groups_of(tally)}, {"seed": "7"})


@pytest.fixture(scope="module")
def stored(data):
    cube = open_group(data)
    return Stored(cube, Cells.of(cube), Counts.of(read_arrays(data)["tally"]))


@pytest.mark.parametrize("field", [field.name for field in FIELDS])
def test_quantiles_are_those_of_the_cube(stored, field):
    expected = stored.cube[f"{field}_var"].isel(scenario=0)
    labels = stored.cells.labels(field)
    for index in np.ndindex(*(len(known) for known in labels.values())):
        at = {dim: labels[dim][i] for dim, i in zip(labels, index, strict=True)}
        if np.isnan(there := expected.sel(at).values).all():
            continue  # not listed, so nothing is reported of it
        np.testing.assert_array_equal(
            quantile(stored.distribution(field, **at), LEVELS, 0.95).value, there, str(at)
        )


def test_labels_are_those_of_the_definitions(stored):
    known = definitions()["fields"]
    assert {field.name: list(stored.cells.labels(field.name)) for field in FIELDS} == {
        name: entry["dims"] for name, entry in known.items()
    }


def test_what_is_not_named_is_the_total(stored):
    assert stored.cells.cell("loss") == stored.cells.cell("loss", component="total", venue="all", tier="all")
    assert stored.cells.cell("liquidated", venue="beta") == stored.cells.cell(
        "liquidated", venue="beta", asset="all", side="both"
    )


@pytest.mark.parametrize(
    ("field", "at", "sentence"),
    [
        ("lost", {}, 'a run has no quantity "lost"'),
        ("loss", {"venue": "betta"}, 'Did you mean "beta"?'),
        ("loss", {"asset": "BTC"}, 'loss has no dimension "asset"'),
        ("index_fall", {}, "index_fall has no total over asset (there are BTC, ETH). Name one."),
    ],
)
def test_names_that_are_not_there(stored, field, at, sentence):
    with pytest.raises(ConfigError) as caught:
        stored.cells.cell(field, **at)
    assert sentence in str(caught.value)


def test_several_files_together_are_the_whole(stored):
    parts = [
        Counts.of(read_arrays(encode(groups_of(samples.tally(first, count)), {}))["tally"])
        for first, count in ((0, 150), (150, 1), (151, 249))
    ]
    for cell in range(0, stored.cells.layout.n_cell, 7):
        whole, together = distribution([stored.counts], cell), distribution(parts, cell)
        for name in ("count", "total", "lower", "below"):
            np.testing.assert_array_equal(getattr(together, name), getattr(whole, name))
        assert (together.n, together.integer_sum, together.integer_squares) == (
            whole.n, whole.integer_sum, whole.integer_squares,
        )  # fmt: skip

"""Cubes are what they say: NetCDF-4, as the NetCDF library itself reads it, and not only HDF5."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from stress import cube as cubes
from stress.cube import cube, describe_group
from stress.io import encode, open_group, tally_groups
from tests import samples
from tests.unit.test_cube import LEVELS, STATIC, scenario

READ = """
import json, sys
import numpy as np
from netCDF4 import Dataset

def look(group, name):
    seen = {}
    for key, variable in group.variables.items():
        variable.set_auto_mask(False)
        values = np.asarray(variable[...])
        told = values.tolist() if values.dtype.kind in "OU" else values.tobytes().hex()
        seen[key] = [list(variable.dimensions), list(values.shape), told, sorted(variable.ncattrs())]
    return {name: seen, **{k: v for key, sub in group.groups.items() for k, v in look(sub, key).items()}}

with Dataset(sys.argv[1]) as file:
    json.dump([file.data_model, file.Conventions, look(file, "/")], sys.stdout)
"""
"""In a process of its own: the library and h5py bring an HDF5 each."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    tally = samples.tally(0, 60)
    made = cube(tally, scenario(), "sample", LEVELS, 0.95, STATIC)
    config = describe_group("config", xr.Dataset({"resolved": ((), "about: Größe\n")}))
    groups = {"/": made, **tally_groups(tally, cubes.coordinates(samples.SHAPE, LEVELS)), "config": config}
    path = tmp_path_factory.mktemp("netcdf") / "cube.h5"
    path.write_bytes(encode(groups, {"seed": "7", "conditional_on": ""}))
    return path


def test_the_netcdf_library_reads_every_variable(file):
    done = subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model, conventions, groups = json.loads(done.stdout)
    assert (model, conventions) == ("NETCDF4", "CF-1.11")
    assert set(groups) == {"/", "tally", "status", "worst", "exhausted", "config"}
    for group, variables in groups.items():
        ours = open_group(file, group)
        assert set(variables) == set(map(str, ours.variables))
        for name, (dims, shape, told, attributes) in variables.items():
            known = ours.variables[name]
            assert (tuple(dims), tuple(shape)) == (known.dims, known.shape), (group, name)
            values = np.asarray(known.values)
            assert told == (values.tolist() if values.dtype.kind == "U" else values.tobytes().hex()), name
            assert {"units", "long_name", "definition"} <= set(attributes)

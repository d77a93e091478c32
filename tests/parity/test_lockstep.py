"""The form of the engine for GPUs, a thread to a lane, run in lock step without one: the same bits."""

import ctypes
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kernels import engine_cpu, packed
from kernels.outcome import COUNTERS
from kernels.packing import pack
from stress.compile import compile_config
from stress.config import load
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import require

pytestmark = pytest.mark.parity

SEED, N_PATH = 11, 3
SOURCE = Path(__file__).parents[1] / "lockstep/lockstep.cpp"
FLAGS = (
    "-std=c++17", "-O1", "-shared", "-fPIC", "-U_FORTIFY_SOURCE",
    "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
    "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized",
)  # fmt: skip


@pytest.fixture(scope="module")
def lockstep(tmp_path_factory):
    """The library, built once for all processes of the session."""
    require("cpu")
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    library = folder / "liblockstep.so"
    if not library.exists():
        own = folder / f"lockstep-{os.getpid()}.so"
        fused = ["-mfma"] if platform.machine() in ("x86_64", "AMD64") and "x86-64-v3" in isas() else []
        command = [compiler, *FLAGS, *fused, f"-I{packed.ROOT}", str(SOURCE), "-o", str(own)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        own.replace(library)
    loaded = ctypes.CDLL(str(library))
    loaded.run_lanes.argtypes = [
        ctypes.POINTER(packed.Struct), ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    assert loaded.scenario_bytes() == ctypes.sizeof(packed.Struct)
    return loaded


def isas():
    from kernels import _fused

    return _fused.isas()


def assert_same_bits(lockstep, scenario, first, count):
    arrays = pack(scenario, [name for _, name in packed.arrays()])
    struct = packed.struct(scenario, arrays)
    rows = np.full((count, struct.n_cell), np.nan, np.float32)
    status, counters = np.zeros(count, np.uint32), np.zeros(len(COUNTERS), np.int64)
    apart = lockstep.run_lanes(
        ctypes.byref(struct), SEED, first, count, rows.ctypes.data, status.ctypes.data, counters.ctypes.data
    )
    assert not apart, "lanes took branches of their own"
    other = engine_cpu.Prepared(scenario).run_paths(SEED, first, count, 1)
    assert np.array_equal(rows.view(np.uint32), other.rows.view(np.uint32))
    assert np.array_equal(status, other.status)
    assert np.array_equal(counters, other.counters)


@pytest.mark.parametrize("name", VARIANTS)
def test_one_lane_a_thread_gives_the_same_bits(lockstep, name):
    assert_same_bits(lockstep, compiled(name), 0, N_PATH)


@pytest.mark.parametrize("name", ["oct-2025-medians", "cross-margin", "vault", "quiet-day"])
def test_configs(lockstep, root, name):
    assert_same_bits(lockstep, compile_config(load(root / f"configs/{name}.yaml")), 5, 1)


def test_far_paths(lockstep):
    assert_same_bits(lockstep, compiled("as it is"), (1 << 40) + 5, 1)


def test_lanes_that_go_apart_are_found(lockstep):
    assert lockstep.run_stray() == 1


def test_arrays_are_those_of_the_binding():
    require("cpu")
    from kernels import _fused

    assert [name for _, name in packed.arrays()] == _fused.array_names()

"""The form of the engine for GPUs, a thread to a lane, run in lock step without one: the same bits."""

import ctypes

import numpy as np
import pytest

from kernels import engine_cpu, engine_cuda, packed
from kernels.batch import EngineError
from stress.compile import compile_config
from stress.config import load
from tests.lockstep import machine
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import require

pytestmark = pytest.mark.parity

SEED, N_PATH = 11, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    require("cpu")
    return machine.shared_folder(tmp_path_factory)


@pytest.fixture(scope="module")
def lockstep(folder):
    library = machine.load(machine.build(folder / "lockstep.so"))
    assert library.scenario_bytes() == ctypes.sizeof(packed.Struct)
    return library


def assert_same_bits(rows, status, counters, scenario, first):
    other = engine_cpu.Prepared(scenario).run_paths(SEED, first, len(rows), 1)
    assert np.array_equal(rows.view(np.uint32), other.rows.view(np.uint32))
    assert np.array_equal(status, other.status)
    assert np.array_equal(counters, other.counters)


def check(lockstep, scenario, first, count):
    assert_same_bits(*machine.run(lockstep, scenario, SEED, first, count), scenario, first)


@pytest.mark.parametrize("name", VARIANTS)
def test_one_lane_a_thread_gives_the_same_bits(lockstep, name):
    check(lockstep, compiled(name), 0, N_PATH)


@pytest.mark.parametrize("name", ["oct-2025-means", "cross-margin", "vault", "quiet-day"])
def test_configs(lockstep, root, name):
    check(lockstep, compile_config(load(root / f"configs/{name}.yaml")), 5, 1)


def test_far_paths(lockstep):
    check(lockstep, compiled("as it is"), (1 << 40) + 5, 1)


def test_lanes_that_go_apart_are_found(lockstep):
    assert lockstep.run_stray() == 1


def test_arrays_are_those_of_the_binding():
    require("cpu")
    from kernels import _fused

    assert [name for _, name in packed.arrays()] == _fused.array_names()


# The engine around the kernel, with the kernel built for the sizes of the run -------------------------------


@pytest.mark.parametrize("name", ["as it is", "jump diffusion", "accounts deleveraged, margins raised"])
def test_engine_built_for_one_run(folder, name):
    scenario, device = compiled(name), machine.Machine(folder)
    batch = engine_cuda.Prepared(scenario, device, device.compiled).run_paths(SEED, 7, 6)
    assert_same_bits(batch.rows, batch.status, batch.counters, scenario, 7)


def test_blocks_stream_and_are_halved_where_memory_is_short(folder, monkeypatch):
    monkeypatch.setattr(engine_cuda, "MOST_PATHS", 16)
    monkeypatch.setattr(engine_cuda, "FEWEST_PATHS", 2)
    scenario, device = compiled("as it is"), machine.Machine(folder, 5)
    engine = engine_cuda.Prepared(scenario, device, device.compiled)
    batch = engine.run_paths(SEED, 3, 18)
    assert device.launched == [4, 4, 4, 4, 2]
    assert_same_bits(batch.rows, batch.status, batch.counters, scenario, 3)
    device.most_paths = 1
    with pytest.raises(EngineError, match="the memory of the GPU does not suffice for 2 paths"):
        engine.run_paths(SEED, 0, 4)


def test_lists_that_are_too_short_are_made_longer(folder, monkeypatch):
    monkeypatch.setattr(engine_cuda, "CLOSINGS", 1)
    scenario, device = compiled("backlog, queue"), machine.Machine(folder)
    batch = engine_cuda.Prepared(scenario, device, device.compiled).run_paths(SEED, 0, 8)
    assert device.launched[0] == 8
    assert sum(device.launched[1:]) > 0
    assert_same_bits(batch.rows, batch.status, batch.counters, scenario, 0)


def test_no_paths(folder):
    device = machine.Machine(folder)
    batch = engine_cuda.Prepared(compiled("as it is"), device, device.compiled).run_paths(SEED, 0, 0)
    assert batch.rows.shape[0] == 0
    assert not batch.counters.any()

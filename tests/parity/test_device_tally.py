"""Tallies made on a GPU, emulated: the same bits as those of the host."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from kernels import engine_cpu, engine_cuda
from kernels.batch import EngineError
from kernels.cuda import blocks
from kernels.cuda.several import Several
from kernels.cuda.source import NO_ROOM
from kernels.outcome import EXHAUSTED, IDENTITY_BROKEN, NOT_FINITE, Layout
from kernels.parts import histogram
from stress.io import compare_tallies
from stress.jobs import prepare
from stress.shards import BATCH, compute
from stress.tally import N_WORST, Tally
from tests import samples
from tests.lockstep import machine
from tests.parity.variants import compiled
from tests.scenarios import require

pytestmark = pytest.mark.parity

SEED = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    require("cpu")
    return machine.shared_folder(tmp_path_factory)


@pytest.fixture(scope="module")
def lockstep(folder):
    return machine.load(machine.build(folder / "lockstep.so"))


def counted(library, rows, status, *, block):
    """The tally of rows by the kernel, a block at a time, and how many numbers were bad."""
    layout, total = Layout(samples.SHAPE), Tally(samples.SHAPE)
    bad = np.zeros(1, np.uint64)
    lists = layout.view(np.arange(layout.n_cell, dtype=np.int32), "loss")[0].ravel()
    least = np.zeros(len(lists), np.uint32)
    times = np.arange(layout.n_cell, dtype=np.int32)[layout.slices["exhaustion_time"]]
    for start in range(0, len(rows), block):
        part, seen = rows[start : start + block].copy(), status[start : start + block].copy()
        loss, place = np.empty((len(lists), N_WORST), np.float32), np.empty((len(lists), N_WORST), np.int32)
        machine.tally(
            library, layout.n_cell + len(lists) + 1, part, seen, len(part), layout.exponent,
            total.counts, total.remainders, total.sums, total.squares, bad, len(lists), lists,
            least, loss, place, len(times), times, total.exhausted,
        )  # fmt: skip
        found = blocks.Found(len(part), np.zeros(7, np.int64), [(loss, start + place.astype(np.int64))])
        found.status[:] = seen
        total.add_found(start, found)
    return total, int(bad[0])


def made_rows(count):
    """Rows with values of every kind: beyond both ends, tiny, zeros of both signs; and equal losses."""
    rows = samples.rows(0, count)
    rows[::7] *= np.float32(1e18)
    rows[1::7] *= np.float32(1e-12)
    rows[2::11, ::2] = -0.0
    rows[3::13, 1::3] = 1e-40
    rows[4::5, :20] = np.float32(12345.0)
    rows[5::17] = 0
    return rows


@pytest.mark.parametrize(("count", "block"), [(300, 300), (300, 97), (40, 16), (1, 1)])
def test_counting_gives_the_bits_of_the_host(lockstep, count, block):
    rows, status = made_rows(count), np.zeros(count, np.uint32)
    status[5::29], status[6::31] = EXHAUSTED, NOT_FINITE
    status[7::37] = IDENTITY_BROKEN | EXHAUSTED
    wanted = Tally(samples.SHAPE)
    wanted.add_batch(0, rows, status, np.zeros(7, np.int64))
    found, bad = counted(lockstep, rows, status, block=block)
    assert compare_tallies(found, wanted) == []
    assert bad == 0


def test_paths_that_run_again_are_not_counted(lockstep):
    rows, status = made_rows(60), np.zeros(60, np.uint32)
    status[10:20] = NO_ROOM
    wanted = Tally(samples.SHAPE)
    wanted.add_batch(0, rows[status == 0], status[status == 0], np.zeros(7, np.int64))
    found, _ = counted(lockstep, rows, status, block=60)
    for name in ("counts", "remainders", "sums", "squares", "exhausted", "worst_loss"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name


def test_of_equal_losses_the_first_paths_are_kept(lockstep):
    rows = samples.rows(0, 200)
    Layout(samples.SHAPE).view(rows, "loss")[:, 0] = 1000.0
    for block in (200, 70):
        found, _ = counted(lockstep, rows, np.zeros(200, np.uint32), block=block)
        assert (found.worst_path == np.arange(N_WORST)).all()


@pytest.mark.parametrize("value", [-1.0, -1e-42, np.nan, np.inf, -np.inf])
def test_bad_values_are_counted(lockstep, value):
    rows = made_rows(20)
    rows[3, 5] = value
    assert counted(lockstep, rows, np.zeros(20, np.uint32), block=20)[1] == 1
    with pytest.raises(ValueError, match="1 negative or non-finite numbers"):
        Tally(samples.SHAPE).add_histograms(0, 0, 0, 0, 0, np.array([1], np.uint64))


def test_carries_meet_no_limit(lockstep):
    """The largest values of all, onto sums that are about to carry."""
    layout, n_path = Layout(samples.SHAPE), 50
    rows = np.full((n_path, layout.n_cell), 3e38, np.float32)
    arrays = [np.zeros((layout.n_cell, histogram.N_BIN), np.int64) for _ in range(2)]
    words = [np.tile(np.array([2**64 - 5, 2**62], np.uint64), (layout.n_cell, 1)) for _ in range(2)]
    start = [array.copy() for array in (*arrays, *words)]
    machine.tally(
        lockstep, layout.n_cell, rows, np.zeros(n_path, np.uint32), n_path, layout.exponent, *arrays, *words,
        np.zeros(1, np.uint64), 0, *[np.zeros(1, np.int32)] * 4, 0, *[np.zeros(1, np.int32)] * 2,
    )  # fmt: skip
    wanted = Tally(samples.SHAPE)  # the host's, onto the same start
    wanted.counts, wanted.remainders, wanted.sums, wanted.squares = start
    assert wanted._add_rows(rows, 1) == 0
    for one, other in zip((*arrays, *words), start, strict=True):
        assert np.array_equal(one, other)


# Through the engine, on one GPU and on several --------------------------------------------------------------


def wanted_tally(scenario, first, count):
    batch, tally = engine_cpu.Prepared(scenario).run_paths(SEED, first, count, 1), Tally(scenario.shape)
    tally.add_batch(first, batch.rows, batch.status, batch.counters)
    return tally


def counted_paths(engine, ranges):
    tally, counting = Tally(engine.scenario.shape), engine.counting()
    for first, count in ranges:
        tally.add_found(first, counting.run_paths(SEED, first, count))
    for counted in counting.histograms():
        tally.add_histograms(*counted)
    return tally


def test_engine_counts_where_paths_are(folder, monkeypatch):
    """In blocks, halved where memory is short, in two batches; and then anew."""
    monkeypatch.setattr(engine_cuda, "MOST_PATHS", 16)
    monkeypatch.setattr(engine_cuda, "FEWEST_PATHS", 2)
    scenario, device = compiled("as it is"), machine.Machine(folder, 10)
    engine = engine_cuda.Prepared(scenario, device, device.compiled)
    wanted = wanted_tally(scenario, 3, 30)
    assert compare_tallies(counted_paths(engine, [(3, 18), (21, 12)]), wanted) == []
    assert device.launched[:3] == [8, 8, 2]
    assert compare_tallies(counted_paths(engine, [(3, 30)]), wanted) == []


def several(scenario, devices):
    return Several([partial(engine_cuda.Prepared, scenario, device, device.compiled) for device in devices])


def test_several_gpus_share_the_paths(folder, monkeypatch):
    """Each has its part and memory of its own; together they are as one."""
    monkeypatch.setattr(engine_cuda, "MOST_PATHS", 8)
    monkeypatch.setattr(engine_cuda, "FEWEST_PATHS", 2)
    scenario, devices = compiled("as it is"), [machine.Machine(folder, most) for most in (20, 4, 20)]
    engine = several(scenario, devices)
    ranges = [(3, 17), (20, 2), (22, 0), (22, 11)]
    assert compare_tallies(counted_paths(engine, ranges), wanted_tally(scenario, 3, 30)) == []
    assert [sum(device.launched) for device in devices] == [5 + 1 + 3, 6 + 1 + 4, 6 + 4]
    assert max(devices[1].launched) == 4
    one, other = engine.run_paths(SEED, 3, 7), engine_cpu.Prepared(scenario).run_paths(SEED, 3, 7)
    assert one.rows.tobytes() == other.rows.tobytes()
    assert np.array_equal(one.status, other.status)
    assert np.array_equal(one.counters, other.counters)
    engine.close()


def test_what_one_gpu_refuses_is_said(folder, monkeypatch):
    monkeypatch.setattr(engine_cuda, "FEWEST_PATHS", 2)
    engine = several(compiled("as it is"), [machine.Machine(folder), machine.Machine(folder, 1)])
    with pytest.raises(EngineError, match="the memory of the GPU does not suffice for 2 paths"):
        engine.counting().run_paths(SEED, 0, 8)
    engine.close()


def test_a_run_is_counted_by_the_engine(root, folder, monkeypatch):
    """`stress run` keeps the same shard, whoever counts."""
    job = prepare(root / "tests/configs/small.yaml", ["run.backend=cpu", "run.horizon=25m"])
    wanted = compute(job, (5, 24))
    devices = [machine.Machine(folder), machine.Machine(folder)]
    monkeypatch.setattr(engine_cuda, "_last", [several(job.scenario, devices)])
    monkeypatch.setitem(BATCH, "cuda", 8)
    seen = []
    found = compute(dataclasses.replace(job, backend="cuda"), (5, 24), progress=lambda *at: seen.append(at))
    assert compare_tallies(found, wanted) == []
    assert seen == [(7, 20), (14, 20), (20, 20)]
    assert [sum(device.launched) for device in devices] == [9, 11]
    engine_cuda._last.pop().close()


def test_longer_lists_count_once(folder, monkeypatch):
    monkeypatch.setattr(engine_cuda, "CLOSINGS", 1)
    scenario, device = compiled("backlog, queue"), machine.Machine(folder)
    engine = engine_cuda.Prepared(scenario, device, device.compiled)
    assert compare_tallies(counted_paths(engine, [(0, 8)]), wanted_tally(scenario, 0, 8)) == []
    assert sum(device.launched[1:]) > 0


def test_memory_does_not_grow_with_the_number_of_paths(folder, monkeypatch):
    monkeypatch.setattr(engine_cuda, "MOST_PATHS", 4)
    most = []
    for n_path in (12, 48):
        device = machine.Machine(folder)
        counted_paths(engine_cuda.Prepared(compiled("as it is"), device, device.compiled), [(0, n_path)])
        most.append(device.most_held)
    assert most[0] == most[1] > 0

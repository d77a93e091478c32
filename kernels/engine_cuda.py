"""The fused engine on a GPU: pack the scenario, compile for it, let blocks of paths stream, collect rows."""

from __future__ import annotations

from collections import deque
from functools import partial

import numpy as np

from kernels import packed
from kernels.arrays import LANES
from kernels.batch import Batch, EngineError
from kernels.cuda import cubins, gpu, source
from kernels.cuda.gpu import missing as missing
from kernels.outcome import COUNTERS, Layout
from kernels.packing import pack
from kernels.scenario import Scenario

MOST_PATHS, FEWEST_PATHS = 1 << 15, 64
"""Of one block. It is halved while the memory of the GPU does not suffice."""

BLOCKS_AT_ONCE = 4
"""Thread blocks of a multiprocessor; as in kernels/cuda/paths.cu."""

CLOSINGS, FEW_CLOSINGS, MORE_CLOSINGS = 1024, 16, 16
"""Entries of the list of closed winners' positions: where there is deleveraging, and where there is none;
and by how much it is longer for paths that it was too short for."""

_NOWHERE = np.uint64(0)


_last: list[Prepared] = []


def prepared(scenario: Scenario) -> Prepared:
    """The engine for a scenario; the last one is kept, as the shards of a run ask for it again and again."""
    if not (_last and _last[0].scenario is scenario):
        _last.clear()
        _last.append(Prepared(scenario))
    return _last[0]


class Prepared:
    """A packed scenario in the memory of a GPU, with the kernel compiled for it."""

    def __init__(self, scenario: Scenario, device: gpu.Gpu | None = None, compiled=cubins.cubin):
        self.gpu = device or gpu.Gpu()
        self.n_cell = Layout(scenario.shape).n_cell
        self.scenario, self.compiled = scenario, compiled
        self.most_paths = MOST_PATHS
        arrays = pack(scenario, [name for _, name in packed.arrays()])
        self.header = partial(source.header, scenario, arrays)
        try:
            self.arrays = [self.gpu.upload(arrays[name]) for name in source.present(arrays)]
            pointers = np.array([self.gpu.address(array) for array in self.arrays], np.uint64)
            self.struct = self.gpu.upload(pointers)
        except MemoryError as error:
            raise self.too_little(error) from error
        self.n_closing = FEW_CLOSINGS if scenario.parts.adl is None else CLOSINGS
        self.kernels = {}
        self.kernel(self.n_closing)

    def kernel(self, n_closing: int):
        """The kernel with room for so many closings."""
        if n_closing not in self.kernels:
            path = self.compiled(self.header(n_closing), self.gpu.architecture)
            self.kernels[n_closing] = self.gpu.load(path, source.KERNEL)
        return self.kernels[n_closing]

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Rows float32 [count, cell]; see `kernels.engines.run_paths`. `n_thread` says nothing here."""
        batch = Batch(
            np.empty((count, self.n_cell), np.float32),
            np.empty(count, np.uint32),
            np.zeros(len(COUNTERS), np.int64),
        )
        self.stream(batch, seed, first, None, self.n_closing)
        n_closing = self.n_closing
        while (again := np.flatnonzero(batch.status == source.NO_ROOM)).size:
            n_closing *= MORE_CLOSINGS
            part = Batch(np.empty((again.size, self.n_cell), np.float32), batch.status[again], batch.counters)
            self.stream(part, seed, first, np.uint64(first) + again.astype(np.uint64), n_closing)
            batch.rows[again], batch.status[again] = part.rows, part.status
        return batch

    def stream(self, batch: Batch, seed: int, first: int, which: np.ndarray | None, n_closing: int) -> None:
        """Fill a batch block by block: one is computed while the one before is copied."""
        waiting, free, start, count = deque(), [], 0, len(batch.rows)
        while start < count or waiting:
            try:
                if start < count and len(waiting) < 2:
                    size = min(self.most_paths, count - start)
                    block = free.pop() if free else Block(self, size, n_closing)
                    block.launch(seed, first, which, start, min(block.size, count - start))
                    waiting.append(block)
                    start += block.count
                    continue
            except MemoryError as error:
                self.halve(error)
                free.clear()
                while waiting:
                    waiting.popleft().collect(batch)
                self.gpu.release()
                continue
            free.append(waiting.popleft().collect(batch))

    def halve(self, error: MemoryError) -> None:
        """From now on blocks of half as many paths; `EngineError` where they are small already."""
        if self.most_paths <= FEWEST_PATHS:
            raise self.too_little(error) from error
        self.most_paths //= 2

    def too_little(self, error: MemoryError) -> EngineError:
        """The error that says so."""
        rows = FEWEST_PATHS * self.n_cell * 4 / 2**20
        return EngineError(
            f"the memory of the GPU does not suffice for {FEWEST_PATHS} paths ({rows:.0f} MiB of rows, and "
            f"what their state takes): {error}. Stop what else runs on it, or take the backend cpu."
        )


class Block:
    """Room for the outcome of some paths on the GPU, and the stream that fills it."""

    def __init__(self, engine: Prepared, size: int, n_closing: int):
        self.engine, self.size = engine, size
        self.kernel = engine.kernel(n_closing)
        device = engine.gpu
        self.rows = device.empty((size, engine.n_cell), np.float32)
        self.status = device.empty(size, np.uint32)
        self.counters = device.zeros(len(COUNTERS), np.int64)
        self.on = device.stream()
        self.which, self.seen = None, 0
        device.wait()  # zeros are there before another stream adds to them

    def launch(self, seed: int, first: int, which: np.ndarray | None, start: int, count: int) -> None:
        """Begin with paths `start` to `start + count - 1` of the batch."""
        device = self.engine.gpu
        self.start, self.count = start, count
        if which is not None:
            self.which = device.upload(which[start : start + count])
            device.wait()
        halves = source.THREADS // LANES
        grid = min(-(-count // halves), device.multiprocessors * BLOCKS_AT_ONCE)
        which_ones = _NOWHERE if self.which is None else self.which
        arguments = (
            self.engine.struct, np.uint64(seed), np.uint64(first + start), which_ones, np.int32(count),
            self.rows, self.status, self.counters,
        )  # fmt: skip
        self.kernel(grid, source.THREADS, arguments, self.on)

    def collect(self, batch: Batch) -> Block:
        """Wait for the paths, and copy them to where they belong; the block is free again."""
        device, here = self.engine.gpu, slice(self.start, self.start + self.count)
        device.download(self.rows[: self.count], batch.rows[here], self.on)
        device.download(self.status[: self.count], batch.status[here], self.on)
        counters = np.empty(len(COUNTERS), np.int64)
        device.download(self.counters, counters, self.on)
        batch.counters[:] += counters - self.seen
        self.seen = counters
        return self

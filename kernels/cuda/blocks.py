"""Blocks of paths on a GPU: what they fill there, and what of it comes to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.cuda import source
from kernels.outcome import COUNTERS, Layout
from kernels.parts import histogram

if TYPE_CHECKING:
    from kernels.engine_cuda import Prepared

BLOCKS_AT_ONCE = 4
"""Thread blocks of a multiprocessor; as in kernels/cuda/paths.cu."""

N_WORST = 64
"""Worst paths of a block that come to the host, by list; as in kernels/cuda/tally_fused.h."""

_NOWHERE = np.uint64(0)


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
        self.numbers = np.uint64(first + start) + np.arange(count, dtype=np.uint64)
        if which is not None:
            self.numbers = which[start : start + count]
            self.which = device.upload(self.numbers)
            device.wait()
        mapping = self.engine.mapping
        grid = min(-(-count * mapping.per_path // mapping.threads), device.multiprocessors * BLOCKS_AT_ONCE)
        which_ones = _NOWHERE if self.which is None else self.which
        arguments = (
            self.engine.struct, np.uint64(seed), np.uint64(first + start), which_ones, np.int32(count),
            self.rows, self.status, self.counters,
        )  # fmt: skip
        self.kernel(grid, mapping.threads, arguments, self.on)

    def collect(self, into) -> Block:
        """Wait for the paths, and copy what is wanted to where it belongs; the block is free again."""
        device, here = self.engine.gpu, slice(self.start, self.start + self.count)
        self.bring(into, here)
        device.download(self.status[: self.count], into.status[here], self.on)
        counters = np.empty(len(COUNTERS), np.int64)
        device.download(self.counters, counters, self.on)
        into.counters[:] += counters - self.seen
        self.seen = counters
        return self

    def bring(self, into, here: slice) -> None:
        """The rows."""
        self.engine.gpu.download(self.rows[: self.count], into.rows[here], self.on)


class CountedBlock(Block):
    """The same, but the rows are counted where they are: only the worst paths come to the host."""

    def __init__(self, engine: Prepared, size: int, n_closing: int, counts: Counts):
        super().__init__(engine, size, n_closing)
        self.counts, self.tally = counts, engine.kernel(n_closing, source.TALLY_KERNEL)
        self.worst_loss = engine.gpu.empty((counts.n_list, N_WORST), np.float32)
        self.worst_place = engine.gpu.empty((counts.n_list, N_WORST), np.int32)

    def launch(self, seed: int, first: int, which: np.ndarray | None, start: int, count: int) -> None:
        super().launch(seed, first, which, start, count)
        c = self.counts
        arguments = (
            self.rows, self.status, np.int32(count), c.exponent, c.counts, c.remainders, c.sums, c.squares,
            c.bad, np.int32(c.n_list), c.worst_cells, c.worst_least, self.worst_loss, self.worst_place,
            np.int32(c.n_venue), c.exhaustion_cells, c.exhausted,
        )  # fmt: skip
        self.tally(self.engine.n_cell + c.n_list + 1, source.TALLY_THREADS, arguments, self.on)

    def bring(self, into: Found, here: slice) -> None:
        """The worst paths."""
        loss = np.empty((self.counts.n_list, N_WORST), np.float32)
        place = np.empty((self.counts.n_list, N_WORST), np.int32)
        self.engine.gpu.download(self.worst_loss, loss, self.on)
        self.engine.gpu.download(self.worst_place, place, self.on)
        into.worst.append((loss, self.numbers[place].astype(np.int64)))


class Brought:
    """Rows that come to the host."""

    def __init__(self, count: int, n_cell: int, counters: np.ndarray):
        self.rows, self.status = np.empty((count, n_cell), np.float32), np.empty(count, np.uint32)
        self.counters = counters

    def part(self, count: int) -> Brought:
        """Room for some of the paths, to be run again."""
        return Brought(count, self.rows.shape[1], self.counters)

    def put(self, places: np.ndarray, part: Brought) -> None:
        """Take them in."""
        self.rows[places], self.status[places] = part.rows, part.status


class Found:
    """What comes to the host of paths that are counted elsewhere.

    status  : uint32 [path]
    counters: int64 [counter]
    worst   : pairs of float32 and int64 [list, rank]: losses, in any order, and whose they are. The lists
              are of the total loss by venue and tier, row-major, with the totals; zero where there is nothing
              to rank. A path is left out where the blocks before hold a list full of larger losses.
    """

    def __init__(self, count: int, counters: np.ndarray, worst: list[tuple[np.ndarray, np.ndarray]]):
        self.status, self.counters, self.worst = np.empty(count, np.uint32), counters, worst

    def part(self, count: int) -> Found:
        """See `Brought.part`."""
        return Found(count, self.counters, self.worst)

    def put(self, places: np.ndarray, part: Found) -> None:
        """See `Brought.put`."""
        self.status[places] = part.status


class Counts:
    """What is added up in the memory of a GPU: histograms and moments of all cells, and which venues failed
    together, as `stress.tally` has them."""

    def __init__(self, engine: Prepared):
        device, layout = engine.gpu, Layout(engine.scenario.shape)
        cells = np.arange(layout.n_cell, dtype=np.int32)
        losses, times = layout.view(cells, "loss")[0].ravel(), layout.view(cells, "exhaustion_time")
        self.n_list, self.n_venue, n_cell = len(losses), len(times), layout.n_cell
        self.gpu = device
        self.exponent = device.upload(layout.exponent)
        self.worst_cells, self.exhaustion_cells = device.upload(losses), device.upload(times)
        self.worst_least = device.zeros(self.n_list, np.uint32)
        self.counts = device.zeros((n_cell, histogram.N_BIN), np.int64)
        self.remainders = device.zeros((n_cell, histogram.N_BIN), np.int64)
        self.sums = device.zeros((n_cell, 2), np.uint64)
        self.squares = device.zeros((n_cell, 2), np.uint64)
        self.exhausted = device.zeros(1 << self.n_venue, np.int64)
        self.bad = device.zeros(1, np.uint64)
        device.wait()

    def download(self) -> tuple[np.ndarray, ...]:
        """Counts and remainders int64 [cell, bin], sums and squares uint64 [cell, word], paths int64 by the
        subset of venues exhausted, and how many numbers were negative or not finite."""
        self.gpu.wait()
        arrays = (self.counts, self.remainders, self.sums, self.squares, self.exhausted, self.bad)
        found = tuple(np.empty(array.shape, array.dtype) for array in arrays)
        for array, out in zip(arrays, found, strict=True):
            self.gpu.download(array, out, None)
        return found

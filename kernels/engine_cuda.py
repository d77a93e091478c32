"""The fused engine on a GPU: pack the scenario, compile for it, let blocks of paths stream, collect rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np

from kernels import packed
from kernels.batch import Batch, EngineError
from kernels.cuda import cubins, gpu, source
from kernels.cuda.blocks import Block, Brought, CountedBlock, Counts, Found
from kernels.cuda.gpu import missing as missing
from kernels.cuda.several import Several
from kernels.outcome import COUNTERS, Layout
from kernels.packing import pack
from kernels.scenario import Scenario

MOST_PATHS, FEWEST_PATHS = 1 << 15, 64
"""Of one block. It is halved while the memory of the GPU does not suffice."""

CLOSINGS, FEW_CLOSINGS, MORE_CLOSINGS = 1024, 16, 16
"""Entries of the list of closed winners' positions: where there is deleveraging, and where there is none;
and by how much it is longer for paths that it was too short for."""

_last: list[Prepared | Several] = []


def prepared(scenario: Scenario) -> Prepared | Several:
    """The engine for a scenario; the last one is kept, as the shards of a run ask for it again and again."""
    if not (_last and _last[0].scenario is scenario):
        while _last:
            _last.pop().close()
        _last.append(on_all(scenario))
    return _last[0]


def on_all(scenario: Scenario) -> Prepared | Several:
    """The engine on every GPU of the machine: one worker each, where there are several."""
    numbers = gpu.usable()
    if len(numbers) < 2:
        return Prepared(scenario)
    return Several([partial(lambda number: Prepared(scenario, gpu.Gpu(number)), n) for n in numbers])


class Prepared:
    """A packed scenario in the memory of a GPU, with the kernel compiled for it.

    mapping: how paths lie on threads, see `source.MAPPINGS`; the bits are the same
    """

    def __init__(
        self, scenario: Scenario, device: gpu.Gpu | None = None, compiled=cubins.cubin, mapping=source.MAPPING
    ):
        self.mapping = source.MAPPINGS[mapping]
        self.gpu = device or gpu.Gpu()
        self.n_cell = Layout(scenario.shape).n_cell
        self.scenario, self.compiled = scenario, compiled
        self.most_paths = MOST_PATHS
        arrays = pack(scenario, [name for _, name in packed.arrays()])
        self.header = partial(source.header, scenario, arrays, mapping=mapping)
        try:
            self.arrays = [self.gpu.upload(arrays[name]) for name in source.present(arrays)]
            pointers = np.array([self.gpu.address(array) for array in self.arrays], np.uint64)
            self.struct = self.gpu.upload(pointers)
        except MemoryError as error:
            raise self.too_little(error) from error
        self.n_closing = FEW_CLOSINGS if scenario.parts.adl is None else CLOSINGS
        self.kernels = {}
        self.kernel(self.n_closing)

    def kernel(self, n_closing: int, name: str = source.KERNEL):
        """A kernel, of those with room for so many closings."""
        if (n_closing, name) not in self.kernels:
            path = self.compiled(self.header(n_closing), self.gpu.architecture)
            self.kernels[n_closing, name] = self.gpu.load(path, name)
        return self.kernels[n_closing, name]

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Rows float32 [count, cell]; see `kernels.engines.run_paths`. `n_thread` says nothing here."""
        into = Brought(count, self.n_cell, np.zeros(len(COUNTERS), np.int64))
        self.fill(into, seed, first, Block)
        return Batch(into.rows, into.status, into.counters)

    def counting(self) -> Counting:
        """Paths that are counted where they are computed."""
        return Counting(self)

    def close(self) -> None:
        """Nothing has to be let go; see `Several.close`."""

    def fill(self, into, seed: int, first: int, block: Callable[..., Block]) -> None:
        """Run all paths of `into`, and those whose lists were too short again, with longer ones."""
        n_closing = self.n_closing
        self.stream(into, seed, first, None, partial(block, self, n_closing=n_closing))
        while (again := np.flatnonzero(into.status == source.NO_ROOM)).size:
            n_closing *= MORE_CLOSINGS
            part, which = into.part(again.size), np.uint64(first) + again.astype(np.uint64)
            self.stream(part, seed, first, which, partial(block, self, n_closing=n_closing))
            into.put(again, part)

    def stream(self, into, seed: int, first: int, which: np.ndarray | None, make) -> None:
        """Fill `into` block by block: one is computed while the one before is copied."""
        waiting, free, start, count = deque(), [], 0, len(into.status)
        while start < count or waiting:
            try:
                if start < count and len(waiting) < 2:
                    block = free.pop() if free else make(size=min(self.most_paths, count - start))
                    block.launch(seed, first, which, start, min(block.size, count - start))
                    waiting.append(block)
                    start += block.count
                    continue
            except MemoryError as error:
                self.halve(error)
                free.clear()
                while waiting:
                    waiting.popleft().collect(into)
                self.gpu.release()
                continue
            free.append(waiting.popleft().collect(into))

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


class Counting:
    """Paths that are counted on the GPU: what they add up to stays there until it is asked for."""

    def __init__(self, engine: Prepared):
        self.engine = engine
        try:
            self.counts = Counts(engine)
        except MemoryError as error:
            raise engine.too_little(error) from error

    def run_paths(self, seed: int, first: int, count: int) -> Found:
        """Count paths `first` to `first + count - 1`."""
        into = Found(count, np.zeros(len(COUNTERS), np.int64), [])
        self.engine.fill(into, seed, first, partial(CountedBlock, counts=self.counts))
        return into

    def histograms(self) -> list[tuple[np.ndarray, ...]]:
        """All that has been counted, on one GPU; see `Counts.download`."""
        return [self.counts.download()]

"""The tally: what is kept of the paths of a run, in memory that does not depend on their number.

Everything in it is an integer, or the identity of a path, so tallies add up exactly: any split into
shards, any number of threads and any order give the same bits.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import numpy as np

from kernels.outcome import COUNTERS, FAILED, STATUS, Layout
from kernels.parts import histogram
from kernels.parts.histogram import histogram_numpy
from kernels.scenario import LANES, ScenarioShape
from stress.errors import ConfigError
from stress.worst import N_WORST, NO_PATH, add_worst, contenders

N_FAILED = 64
"""Identities of failed paths kept, the first ones."""

THREADS_PER_CORE, MOST_THREADS = 4, 256

REST = (
    "n_path", "sums", "squares", "exhausted", "worst_loss", "worst_path", "status", "failed_path", "counters",
)  # fmt: skip
"""Attributes of a tally besides its histograms."""


class Tally:
    """Histograms and moments of every cell of the outcome row, worst paths, statuses, work done.

    n_path      : paths seen
    counts      : int64 [cell, bin], see `kernels.parts.histogram`; failed paths are left out
    remainders  : int64 [cell, bin]
    sums        : uint64 [cell, word], low and high
    squares     : uint64 [cell, word]
    exhausted   : int64 [subset], paths by which venues' funds were spent: bit v of the subset's number stands
                  for venue v; failed paths are left out
    worst_loss  : float32 [venue+, tier+, rank], USD; total loss of the worst paths, largest first
    worst_path  : int64 [venue+, tier+, rank]; ties go to the smaller number; NO_PATH where there is none
    status      : int64 [status], paths with each bit of `kernels.outcome.STATUS`, those with none first
    failed_path : int64 [rank], the first failed paths
    counters    : int64 [counter], see `kernels.outcome.COUNTERS`
    """

    def __init__(self, shape: ScenarioShape):
        if shape.n_venue > LANES:
            raise ValueError(f"a tally counts the subsets of {LANES} venues at most, not of {shape.n_venue}")
        self.layout = Layout(shape)
        n_cell, n_worst = self.layout.n_cell, (shape.n_venue + 1, shape.n_tier + 1, N_WORST)
        self.n_path = 0
        self.counts = np.zeros((n_cell, histogram.N_BIN), np.int64)
        self.remainders = np.zeros((n_cell, histogram.N_BIN), np.int64)
        self.sums = np.zeros((n_cell, 2), np.uint64)
        self.squares = np.zeros((n_cell, 2), np.uint64)
        self.exhausted = np.zeros(1 << shape.n_venue, np.int64)
        self.worst_loss = np.zeros(n_worst, np.float32)
        self.worst_path = np.full(n_worst, NO_PATH, np.int64)
        self.status = np.zeros(1 + len(STATUS), np.int64)
        self.failed_path = np.zeros(0, np.int64)
        self.counters = np.zeros(len(COUNTERS), np.int64)

    @property
    def n_failed(self) -> int:
        """Paths left out because they failed."""
        return self.n_path - self.n_counted

    @property
    def n_counted(self) -> int:
        """Paths in the histograms."""
        return int(self.counts[0].sum())

    def add_batch(self, first: int, rows, status, counters, n_thread: int = 0) -> None:
        """Count the paths `first`, `first + 1`, ...: an engine's rows [path, cell], status bits [path]."""
        path = np.arange(first, first + len(rows), dtype=np.int64)
        self._note_statuses(status, counters)
        rows = np.ascontiguousarray(rows, np.float32)
        failed = (status & FAILED) != 0
        if failed.any():
            self._note_failed(path[failed])
            rows, path = np.ascontiguousarray(rows[~failed]), path[~failed]
        n_bad = self._add_rows(rows, n_thread)
        if n_bad:
            raise ValueError(f"{n_bad} negative or non-finite numbers in paths {first}..{path[-1]}")
        spent = self.layout.view(rows, "exhaustion_time") > 0
        self.exhausted += np.bincount(spent @ bits(spent.shape[1]), minlength=len(self.exhausted))
        total = self.layout.view(rows, "loss")[:, 0].reshape(len(rows), -1)
        which, place = contenders(total, self.worst_loss.reshape(-1, N_WORST)[:, -1])
        self._note_worst(which, total[place, which], path[place])

    def add_found(self, first: int, found) -> None:
        """Note paths that an engine counts itself: all of them but what `add_histograms` brings.

        found: `kernels.cuda.blocks.Found`
        """
        self._note_statuses(found.status, found.counters)
        failed = np.flatnonzero((found.status & FAILED) != 0)
        if failed.size:
            self._note_failed(first + failed)
        for loss, path in found.worst:
            self._note_lists(loss, path)

    def add_histograms(self, counts, remainders, sums, squares, exhausted, bad) -> None:
        """What an engine counted itself; `bad`: how many numbers were negative or not finite."""
        if bad.any():
            raise ValueError(f"{int(bad.sum())} negative or non-finite numbers")
        self.counts += counts
        self.remainders += remainders
        self.exhausted += exhausted
        add_words(self.sums, sums)
        add_words(self.squares, squares)

    def add(self, other: Tally) -> Tally:
        """Add another tally of the same shape, in place."""
        self.counts += other.counts
        self.remainders += other.remainders
        self.add_rest(**{name: getattr(other, name) for name in REST})
        return self

    __iadd__ = add

    def add_rest(
        self, *, n_path, sums, squares, exhausted, worst_loss, worst_path, status, failed_path, counters
    ) -> None:
        """Add all of another tally but its histograms; arguments are its attributes."""
        add_words(self.sums, sums)
        add_words(self.squares, squares)
        self.n_path += int(n_path)
        self.exhausted += exhausted
        self.status += status
        self.counters += counters
        self._note_failed(failed_path)
        self._note_lists(worst_loss, worst_path)

    def _add_rows(self, rows, n_thread: int) -> int:
        arrays = (rows, self.layout.exponent, self.counts, self.remainders, self.sums, self.squares)
        if find_spec("kernels._fused") is None:
            return histogram_numpy.add(*arrays)
        from kernels import _fused

        return _fused.tally_add(*arrays, bounded(n_thread))

    def _note_statuses(self, status, counters) -> None:
        words = np.array([0, *STATUS], np.uint32)
        self.status += ((status[:, None] & words) != 0).sum(axis=0)
        self.status[0] += (status == 0).sum()
        self.counters += counters
        self.n_path += len(status)

    def _note_failed(self, path) -> None:
        self.failed_path = np.sort(np.concatenate([self.failed_path, path]))[:N_FAILED]

    def _note_lists(self, loss, path) -> None:
        loss, path = loss.reshape(-1, N_WORST), path.reshape(-1, N_WORST)
        which, place = np.nonzero(loss > 0)
        self._note_worst(which, loss[which, place], path[which, place])

    def _note_worst(self, which, loss, path) -> None:
        lists = self.worst_loss.reshape(-1, N_WORST), self.worst_path.reshape(-1, N_WORST)
        add_worst(*lists, which, loss, path)


def bits(n_venue: int) -> np.ndarray:
    """The bit of each venue in the number of a subset: int64 [venue]."""
    return 1 << np.arange(n_venue)


def bounded(threads: int) -> int:
    """Threads to start where so many are asked for: no more than can be of use. 0 stays 0, all cores."""
    if threads < 0:
        raise ConfigError(f"threads cannot be {threads} (none is the least). Take 0 for all cores.")
    return min(threads, THREADS_PER_CORE * (os.cpu_count() or 1), MOST_THREADS)


def add_words(words, others) -> None:
    """Add two-word integers, uint64 [..., low and high], to others in place, with the carry."""
    low = words[..., 0] + others[..., 0]
    words[..., 1] += others[..., 1] + (low < words[..., 0])
    words[..., 0] = low


def words_to_float(words) -> np.ndarray:
    """Two-word integers, uint64 [..., low and high], as float64 [...]."""
    return words[..., 0].astype(np.float64) + words[..., 1].astype(np.float64) * 2.0**64


def words_to_int(words) -> list[int]:
    """Two-word integers, uint64 [n, low and high], as Python integers."""
    return [low + (high << 64) for low, high in words.tolist()]

"""One shard: a range of paths through an engine, in batches, counted and published."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stress.contents import shard_bytes
from stress.errors import BackendError, Interrupted, PathError
from stress.store import Range, RunFolder, publish

if TYPE_CHECKING:
    from stress.jobs import Job
    from stress.tally import Tally

BATCH = {"cuda": 1 << 18, "cpu": 4096, "jax": 1024, "numpy": 256}
"""Most paths that an engine runs between two looks at the clock; results do not depend on it."""

FEWEST = {"cuda": 1 << 13, "cpu": 64, "jax": 128, "numpy": 16}
"""Fewest, of which the first batch is: with fewer, an engine wastes what a batch costs by itself."""

UNIT = {"jax": 128}
"""Batches end at multiples of it: this engine runs so many paths together, whole blocks or not."""

BATCH_SECONDS = 2.0
"""What a batch is to take, as a signal to stop is heard between batches."""

GROWTH = 4

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


class Pace:
    """How many paths to run at a time, by the rate that was measured; carried from shard to shard."""

    def __init__(self, backend: str):
        self.unit, self.fewest, self.most = UNIT.get(backend, 1), FEWEST[backend], BATCH[backend]
        self.size = min(self.fewest, self.most)

    def end(self, start: int, last: int) -> int:
        """Last path of the batch that begins at `start`, of paths that go on to `last`; all of equal size."""
        rest = last - start + 1
        size = math.ceil(rest / math.ceil(rest / self.size))
        whole = (start + max(size, self.unit)) // self.unit * self.unit
        return min(whole - 1, last)

    def measured(self, count: int, seconds: float) -> None:
        """Note how long a batch took."""
        wanted = min(count * BATCH_SECONDS / max(seconds, 1e-9), GROWTH * self.size)
        self.size = min(max(int(wanted), self.fewest), self.most)


@contextmanager
def machine_errors() -> Iterator[None]:
    """What the machine refuses an engine, as `BackendError`."""
    from kernels.batch import EngineError

    try:
        yield
    except EngineError as error:
        raise BackendError(str(error)) from error


def add_shard(
    folder: RunFolder,
    job: Job,
    paths: Range,
    threads: int,
    allow_failed: float,
    progress: Progress | None,
    stop: Stop | None,
    pace: Pace,
) -> None:
    """Compute one shard and publish it."""
    wall, cpu = time.perf_counter(), time.process_time()
    tally = compute(job, paths, threads, progress, stop, pace)
    check_failed(tally, allow_failed)
    publish(folder.shard(paths), shard_bytes(tally, job, paths))
    spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    folder.log(
        "shard", first=paths[0], last=paths[1], **{key: round(value, 3) for key, value in spent.items()}
    )


def compute(
    job: Job,
    paths: Range,
    threads: int = 0,
    progress: Progress | None = None,
    stop: Stop | None = None,
    pace: Pace | None = None,
) -> Tally:
    """The tally of a range of paths; `Interrupted` when `stop`, asked before every batch, says so."""
    from kernels import engines
    from stress.tally import Tally, bounded

    threads, pace = bounded(threads), pace or Pace(job.backend)
    tally, (start, last) = Tally(job.scenario.shape), paths
    ask(stop)
    with machine_errors():
        engine = engines.Engine(job.backend, job.scenario)
        counting = engine.counting()
    seed = job.config.run.seed
    while start <= last:
        if start > paths[0]:
            ask(stop)
        begun, count = time.perf_counter(), pace.end(start, last) - start + 1
        if counting:
            with machine_errors():
                found = counting.run_paths(seed, start, count)
            tally.add_found(start, found)
        else:
            with machine_errors():
                batch = engine.run_paths(seed, start, count, threads)
            tally.add_batch(start, batch.rows, batch.status, batch.counters, threads)
        pace.measured(count, time.perf_counter() - begun)
        start += count
        if progress:
            progress(tally.n_path, last - paths[0] + 1)
    if counting:
        with machine_errors():
            histograms = counting.histograms()
        for counted in histograms:
            tally.add_histograms(*counted)
    return tally


def ask(stop: Stop | None) -> None:
    """`Interrupted` if `stop` says so."""
    if stop and stop():
        raise Interrupted("stopped")


def check_failed(tally: Tally, allow_failed: float) -> None:
    """`PathError` if more paths failed than may."""
    from kernels.outcome import FAILED, STATUS

    if tally.n_failed <= allow_failed * tally.n_path:
        return
    words = [
        f"{count:,} {word} ({sentence})"
        for count, (bit, (word, sentence)) in zip(tally.status[1:].tolist(), STATUS.items(), strict=True)
        if bit & FAILED and count
    ]
    shown = ", ".join(str(path) for path in tally.failed_path[:8].tolist())
    raise PathError(
        f"{tally.n_failed:,} of {tally.n_path:,} paths failed: {'; '.join(words)}. First of them: {shown}. "
        "Finished shards are kept; --allow-failed takes a share that may fail."
    )

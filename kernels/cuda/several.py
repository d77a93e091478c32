"""Several GPUs: each has a worker of its own that runs its part of the paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.batch import Batch
from kernels.cuda.blocks import Found

if TYPE_CHECKING:
    from kernels.engine_cuda import Prepared


class Several:
    """A scenario on several GPUs. Paths add up to integers, so it does not matter which GPU had which.

    makers: called by the worker of a GPU, once, for the engine on it
    """

    def __init__(self, makers: Sequence[Callable[[], Prepared]]):
        self.workers = [ThreadPoolExecutor(1, f"gpu-{i}") for i in range(len(makers))]
        first = self.workers[0].submit(makers[0]).result()  # compiles, and the others find it compiled
        others = [w.submit(make) for w, make in zip(self.workers[1:], makers[1:], strict=True)]
        self.engines = [first, *results(others)]
        self.scenario = first.scenario

    def on_each(self, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """What the jobs return, each done by the worker of its GPU."""
        return results([w.submit(job) for w, job in zip(self.workers, jobs, strict=False)])

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """See `Prepared.run_paths`."""
        found = self.split([engine.run_paths for engine in self.engines], seed, first, count)
        return Batch(
            np.concatenate([batch.rows for batch in found]),
            np.concatenate([batch.status for batch in found]),
            np.sum([batch.counters for batch in found], axis=0),
        )

    def split(self, runs: Sequence[Callable[[int, int, int], Any]], seed: int, first: int, count: int):
        """Each GPU's part of a range of paths, in order; none gets an empty one but of an empty range."""
        n = max(1, min(len(runs), count))
        cuts = [first + count * i // n for i in range(n + 1)]
        return self.on_each([lambda i=i: runs[i](seed, cuts[i], cuts[i + 1] - cuts[i]) for i in range(n)])

    def counting(self) -> CountingOnSeveral:
        """See `Prepared.counting`."""
        return CountingOnSeveral(self)

    def close(self) -> None:
        """Let the workers go."""
        for worker in self.workers:
            worker.shutdown()


class CountingOnSeveral:
    """Paths that are counted on the GPU that runs them; see `kernels.engine_cuda.Counting`."""

    def __init__(self, engine: Several):
        self.engine = engine
        self.parts = engine.on_each([one.counting for one in engine.engines])

    def run_paths(self, seed: int, first: int, count: int) -> Found:
        """Count paths `first` to `first + count - 1`."""
        found = self.engine.split([part.run_paths for part in self.parts], seed, first, count)
        whole = Found(
            count,
            np.sum([part.counters for part in found], axis=0),
            [pair for part in found for pair in part.worst],
        )
        whole.status[:] = np.concatenate([part.status for part in found])
        return whole

    def histograms(self) -> list[tuple[np.ndarray, ...]]:
        """What each GPU has counted."""
        return [each for part in self.engine.on_each([p.histograms for p in self.parts]) for each in part]


def results(futures: Sequence[Future]) -> list[Any]:
    """What workers return, once all are done; raises what the first of them raised."""
    wait(futures)
    return [future.result() for future in futures]

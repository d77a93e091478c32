"""Shards: batches follow the rate of the engine, and what kills a run loses nothing that was published."""

import subprocess
import sys
import time

import pytest

from kernels import engines
from stress import shards
from stress.errors import Interrupted
from stress.jobs import prepare
from stress.shards import BATCH, BATCH_SECONDS, FEWEST, Pace, compute


@pytest.fixture(scope="module")
def config(root):
    return root / "tests" / "configs" / "small.yaml"


def batches(pace, first, last, seconds):
    """The batches of a range, of an engine that takes `seconds` for so many paths."""
    found = []
    while first <= last:
        end = pace.end(first, last)
        found.append((first, end))
        pace.measured(end - first + 1, seconds(end - first + 1))
        first = end + 1
    return found


@pytest.mark.parametrize("backend", list(BATCH))
@pytest.mark.parametrize("rate", [0.1, 300.0, 1e9])
def test_batches_cover_every_path_once(backend, rate):
    pace = Pace(backend)
    for first, last in ((0, 499), (500, 5000), (7, 7)):
        found = batches(pace, first, last, lambda count: count / rate)
        assert [path for a, b in found for path in range(a, b + 1)] == list(range(first, last + 1))
        assert max(b - a + 1 for a, b in found) <= BATCH[backend]


def test_a_batch_takes_about_two_seconds():
    """At 300 paths a second that is 600 paths, after growth from 64; a slow engine has the fewest."""
    found = batches(Pace("cpu"), 0, 9999, lambda count: count / 300)
    sizes = [last - first + 1 for first, last in found]
    assert sizes[0] == 64
    assert sizes[4:] == pytest.approx([300 * BATCH_SECONDS] * len(sizes[4:]), rel=0.15)
    slow = batches(Pace("numpy"), 0, 95, lambda count: 3 + count / 2.7)
    assert max(last - first + 1 for first, last in slow) == FEWEST["numpy"]


def test_blocks_of_jax_are_computed_once():
    found = batches(Pace("jax"), 500, 999, lambda count: count / 10)
    assert found == [(500, 511), (512, 639), (640, 767), (768, 895), (896, 999)]


def test_the_pace_of_one_shard_serves_the_next():
    pace = Pace("cpu")
    pace.measured(64, 0.01)
    pace.measured(256, 0.04)
    assert batches(pace, 1000, 1999, lambda count: 0.1) == [(1000, 1999)]


def test_a_slow_engine_hears_a_signal_soon(config, monkeypatch):
    """An engine of 200 paths a second: the signal comes after half a second, the end within one batch."""
    genuine = engines.Engine.run_paths

    def run_paths(self, seed, first, count, n_thread=0):
        time.sleep(count / 200)
        return genuine(self, seed, first, count, n_thread)

    monkeypatch.setattr(engines.Engine, "run_paths", run_paths)
    monkeypatch.setattr(shards, "BATCH_SECONDS", 0.2)
    job = prepare(config, ["run.backend=cpu"])
    heard, begun = [], time.perf_counter()

    def stop():
        heard.append(time.perf_counter() - begun)
        return heard[-1] > 0.5

    with pytest.raises(Interrupted):
        compute(job, (0, 99_999), stop=stop)
    assert len(heard) >= 2


def test_a_finished_shard_is_not_dropped(config):
    """Whoever is stopped after the last batch has all of its paths."""
    job, done = prepare(config), []
    tally = compute(job, (0, 9), progress=lambda *_: done.append(1), stop=lambda: bool(done))
    assert tally.n_path == 10


@pytest.mark.parametrize(("kills", "tasks"), [("5", "0"), ("3", "2")])
def test_runs_that_are_killed_at_random_end_with_the_same_bits(root, config, kills, tasks):
    settings = ["--set", "run.paths=60", "--set", "run.shard_paths=15", "--tasks", tasks]
    command = [sys.executable, str(root / "tools" / "kills.py"), str(config), "--kills", kills, *settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{kills} kills in ")

"""On a GPU: the bits of the fused engine on the processor, again and again."""

import hashlib

import numpy as np
import pytest

from kernels import engine_cpu, engine_cuda
from kernels.cuda import source
from stress.io import compare_tallies
from stress.tally import Tally
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import require

pytestmark = [pytest.mark.gpu, pytest.mark.parity]

SEED, N_PATH = 17, 500


@pytest.mark.parametrize("name", VARIANTS)
def test_same_bits_as_on_the_processor(name):
    require("cpu")
    scenario = compiled(name)
    one = engine_cuda.Prepared(scenario).run_paths(SEED, 3, N_PATH)
    other = engine_cpu.Prepared(scenario).run_paths(SEED, 3, N_PATH)
    assert np.array_equal(one.rows.view(np.uint32), other.rows.view(np.uint32))
    assert np.array_equal(one.status, other.status)
    assert np.array_equal(one.counters, other.counters)


@pytest.mark.parametrize("name", ["as it is", "backlog, queue", "vaults, halts and outages"])
def test_a_thread_for_a_path_has_the_same_bits(name):
    engine = engine_cuda.Prepared(compiled(name), mapping="thread")
    one, other = (
        engine.run_paths(SEED, 3, N_PATH),
        engine_cpu.Prepared(compiled(name)).run_paths(SEED, 3, N_PATH),
    )
    assert np.array_equal(one.rows.view(np.uint32), other.rows.view(np.uint32))


@pytest.mark.parametrize("mapping", source.MAPPINGS)
@pytest.mark.parametrize("name", ["as it is", "backlog, queue", "claims, funds by market"])
def test_tallies_are_those_of_the_host(name, mapping):
    scenario, n_path = compiled(name), 40_000
    found, counting = Tally(scenario.shape), engine_cuda.Prepared(scenario, mapping=mapping).counting()
    for first in (0, n_path):
        found.add_found(first, counting.run_paths(SEED, first, n_path))
    for counted in counting.histograms():
        found.add_histograms(*counted)
    wanted, batch = Tally(scenario.shape), engine_cpu.Prepared(scenario).run_paths(SEED, 0, 2 * n_path)
    wanted.add_batch(0, batch.rows, batch.status, batch.counters)
    assert compare_tallies(found, wanted) == []


def test_one_digest_however_often():
    engine = engine_cuda.Prepared(compiled("as it is"))
    digests = {hashlib.sha256(engine.run_paths(SEED, 0, 4096).rows.tobytes()).hexdigest() for _ in range(20)}
    assert len(digests) == 1

"""On a GPU: the bits of the fused engine on the processor, again and again."""

import hashlib

import numpy as np
import pytest

from kernels import engine_cpu, engine_cuda
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


def test_one_digest_however_often():
    engine = engine_cuda.Prepared(compiled("as it is"))
    digests = {hashlib.sha256(engine.run_paths(SEED, 0, 4096).rows.tobytes()).hexdigest() for _ in range(20)}
    assert len(digests) == 1

"""What may not change a single bit of the fused engine: gating, instruction set, threads, ranges, order."""

from itertools import pairwise

import numpy as np
import pytest

from kernels import engine_cpu
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import require

pytestmark = pytest.mark.parity

SEED, N_PATH = 9, 48


@pytest.fixture(autouse=True)
def fused():
    require("cpu")


def isas():
    if engine_cpu.missing():
        return []
    from kernels import _fused

    return _fused.isas()


def run(name, first=0, count=N_PATH, n_thread=1, **options):
    return engine_cpu.Prepared(compiled(name), **options).run_paths(SEED, first, count, n_thread)


def assert_same_bits(one, other):
    assert one.rows.tobytes() == other.rows.tobytes()
    assert np.array_equal(one.status, other.status)


@pytest.mark.parametrize("name", VARIANTS)
def test_gated_steps_do_nothing(name):
    assert_same_bits(run(name), run(name, gate=False))


def test_gate_saves_work():
    """There are steps to gate, or the test above shows nothing: paths that are calm for a while."""
    calm = run("calm").counters
    assert calm[1] + calm[2] < calm[0]


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("name", VARIANTS)
def test_instruction_sets(name, isa):
    one, other = run(name), run(name, isa=isa)
    assert_same_bits(one, other)
    assert np.array_equal(one.counters, other.counters)


def test_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="x86-64-v9"):
        run("as it is", isa="x86-64-v9")


@pytest.mark.parametrize("name", ["as it is", "backlog, queue", "jump diffusion"])
@pytest.mark.parametrize("n_thread", [2, 3, 7])
def test_threads(name, n_thread):
    one, other = run(name), run(name, n_thread=n_thread)
    assert_same_bits(one, other)
    assert np.array_equal(one.counters, other.counters)


@pytest.mark.parametrize("name", VARIANTS)
def test_ranges_and_their_order(name):
    """Ranges split anywhere and run backwards on one engine give the rows of one range."""
    whole = run(name)
    engine = engine_cpu.Prepared(compiled(name))
    cuts = [0, 1, 6, 23, 24, N_PATH]
    rows, status, counters = np.empty_like(whole.rows), np.empty_like(whole.status), 0
    for low, high in reversed(list(pairwise(cuts))):
        part = engine.run_paths(SEED, low, high - low, 2)
        rows[low:high], status[low:high] = part.rows, part.status
        counters = counters + part.counters
    assert rows.tobytes() == whole.rows.tobytes()
    assert np.array_equal(status, whole.status)
    assert np.array_equal(counters, whole.counters)


@pytest.mark.parametrize(
    "name", ["as it is", "backlog, pro rata", "ladders everywhere", "student_t by steps"]
)
def test_any_path_alone(name):
    whole = run(name)
    for i in (0, 15, 16, 31, N_PATH - 1):
        assert run(name, first=i, count=1).rows.tobytes() == whole.rows[i].tobytes()


def test_far_paths():
    """Identities beyond 32 bits are as good as any, and are other paths."""
    far = (1 << 40) + 5
    one = run("as it is", first=far - 2, count=4)
    assert one.rows[2].tobytes() == run("as it is", first=far, count=1).rows.tobytes()
    assert one.rows[2].tobytes() != run("as it is", first=5, count=1).rows.tobytes()


def test_no_paths():
    empty = run("as it is", count=0)
    assert empty.rows.shape[0] == 0
    assert not empty.counters.any()

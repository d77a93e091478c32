"""Traces of paths: the two engines agree at every step, and tracing changes nothing."""

import numpy as np
import pytest

from kernels import engine_cpu, engines
from kernels.batch import EngineError
from kernels.parts.trace import FIELDS
from tests.parity.variants import compiled
from tests.scenarios import Outcome, require

pytestmark = pytest.mark.parity

SEED, N_PATH = 9, 24
MIXED = ["as it is", "backlog, queue", "cross margin, long and hedged", "jump diffusion"]


@pytest.fixture(autouse=True)
def fused():
    require("cpu")


@pytest.mark.parametrize("name", MIXED)
def test_engines_agree_at_every_step(name):
    scenario = compiled(name)
    found = [engines.Engine(e, scenario).trace_paths(SEED, 0, N_PATH)[1] for e in ("numpy", "cpu")]
    assert [*found[0]] == [field.name for field in FIELDS]
    dollars = scenario.arrays.depth.sum() + found[0]["forced"].sum(axis=(2, 3, 4))
    for field in FIELDS:
        one, other = (f[field.name].reshape(N_PATH, scenario.shape.n_step, -1) for f in found)
        gap = np.abs(one - other).max(axis=2) / (dollars if field.unit == "USD" else 1.0)
        within = (gap <= 1e-4).all(axis=1)
        assert within.mean() >= 0.95, field.name


@pytest.mark.parametrize("name", MIXED)
def test_tracing_changes_nothing(name):
    engine = engine_cpu.Prepared(compiled(name))
    plain = engine.run_paths(SEED, 3, N_PATH, 1)
    traced, cells = engine.trace_paths(SEED, 3, N_PATH, 2)
    assert traced.rows.tobytes() == plain.rows.tobytes()
    assert np.array_equal(traced.status, plain.status)
    alone = engine.trace_paths(SEED, 7, 1, 1)[1]
    assert alone.tobytes() == cells[4:5].tobytes()


@pytest.mark.parametrize("engine", ["numpy", "cpu"])
def test_a_trace_ends_where_the_row_does(engine):
    scenario = compiled("backlog, queue")
    batch, trace = engines.Engine(engine, scenario).trace_paths(SEED, 0, N_PATH)
    outcome = Outcome(scenario, batch)
    last = {name: values[:, -1] for name, values in trace.items()}
    sides = outcome.liquidated[:, :-1, :-1, :2]
    assert last["forced"].transpose(0, 3, 1, 2) == pytest.approx(sides, rel=1e-6)
    assert last["coins"].transpose(0, 2, 1) == pytest.approx(outcome.liquidated_coins[:, :-1, :-1], rel=1e-6)
    assert last["deleveraged"].sum(axis=(1, 2)) == pytest.approx(outcome.adl_notional[:, -1, -1], rel=1e-4)
    lowest = np.minimum(trace["price"].min(axis=1), 0.0)
    assert 1 - np.exp(lowest) == pytest.approx(outcome.fall, abs=1e-6)
    start = trace["fund"][:, 0].sum(axis=1)
    assert start == pytest.approx(np.broadcast_to(scenario.arrays.fund, start.shape), rel=1e-6)


def test_totals_never_fall():
    trace = engines.Engine("cpu", compiled("backlog, queue")).trace_paths(SEED, 0, N_PATH)[1]
    for name in ("forced", "coins", "deleveraged", "frontier"):
        assert (np.diff(trace[name], axis=1) >= 0).all()
    assert (np.diff(trace["forced"], axis=1) > 0).any()


def test_engines_without_traces_say_so():
    engine = engines.Engine("cpu", compiled("as it is"))
    engine.name, engine._prepared = "cuda", None
    with pytest.raises(EngineError, match="keeps no traces"):
        engine.trace_paths(SEED, 0, 1)


def test_room_for_a_trace_is_checked():
    engine = engine_cpu.Prepared(compiled("as it is"))
    with pytest.raises(ValueError, match="trace does not fit"):
        engine.run_paths(SEED, 0, 2, 1, np.empty((2, 3, 4), np.float32))

"""One path told in full: the row of the run, the same by both engines, rounds that add up to their step."""

import numpy as np
import pytest

from kernels import engines
from kernels.batch import EngineError
from kernels.parts.trace import DETAIL, FIELDS, ROUND_FIELDS
from tests.parity.variants import compiled
from tests.scenarios import Outcome, require

pytestmark = pytest.mark.parity

SEED, PATH = 9, 41
MIXED = [
    "as it is", "backlog, queue", "vaults, halts and outages", "accounts deleveraged, margins raised",
    "loans", "claims, funds by market", "feeds behind", "whales, pro rata",
]  # fmt: skip


@pytest.fixture(autouse=True)
def fused():
    require("cpu")


@pytest.fixture(scope="module", params=MIXED)
def told(request):
    """The scenario, and the path as numpy and cpu tell it."""
    scenario = compiled(request.param)
    return scenario, *(engines.Engine(name, scenario).replay(SEED, PATH) for name in ("numpy", "cpu"))


def test_the_row_is_that_of_the_run(told):
    scenario, *found = told
    for name, replay in zip(("numpy", "cpu"), found, strict=True):
        run = engines.Engine(name, scenario).run_paths(SEED, PATH - 1, 3, 1)
        assert replay.batch.rows[0].tobytes() == run.rows[1].tobytes(), name
        assert replay.batch.status[0] == run.status[1]


def test_engines_agree(told):
    scenario, one, other = told
    assert [*one.steps] == [*other.steps] == [field.name for field in (*FIELDS, *DETAIL)]
    dollars = scenario.arrays.depth.sum() + one.steps["forced"][-1].sum()
    for field in (*FIELDS, *DETAIL):
        gap = np.abs(one.steps[field.name] - other.steps[field.name]).max()
        assert gap <= 1e-4 * (dollars if field.unit == "USD" else 1.0), field.name


def test_rounds_add_up(told):
    """The last round of a cascade has what is executed in its step, up to the bit; flow never goes back."""
    for replay in told[1:]:
        rounds, flow = replay.rounds, replay.steps["flow"]
        last = np.zeros_like(flow)
        for i, at in enumerate(zip(rounds.step, rounds.asset, strict=True)):
            assert (rounds.fields["flow"][i] >= 0.999999 * last[at]).all()
            last[at] = rounds.fields["flow"][i]
        assert np.array_equal(last, flow)
        assert flow.sum() > 0


def test_rounds_agree(told):
    """Where both engines take as many rounds in a cascade, each of them ends at the same place."""
    scenario, one, other = (told[0], told[1].rounds, told[2].rounds)
    where = [
        {(*at,): i for i, at in enumerate(np.stack([r.step, r.asset, r.answer, r.number], axis=1).tolist())}
        for r in (one, other)
    ]
    shared = sorted(where[0].keys() & where[1].keys())
    assert len(shared) >= 0.9 * max(len(one.step), len(other.step))
    dollars = scenario.arrays.depth.sum() + told[1].steps["forced"][-1].sum()
    for field in ROUND_FIELDS:
        a, b = (
            r.fields[field.name][[w[key] for key in shared]].reshape(len(shared), -1)
            for r, w in zip((one, other), where, strict=True)
        )
        gap = np.abs(a - b).max(axis=1) / (dollars if field.unit == "USD" else 1.0)
        assert (gap <= 1e-4).mean() >= 0.9, field.name
        assert np.median(gap) <= 1e-5, field.name


def test_a_replay_ends_where_the_row_does(told):
    for replay in told[1:]:
        outcome = Outcome(told[0], replay.batch)
        last = {name: values[-1] for name, values in replay.steps.items()}
        gross = outcome.liquidated[0, -1, -1, -1]
        assert last["forced_tier"].sum(axis=(0, 1)) == pytest.approx(
            outcome.liquidated_tier[0, :-1, :-1], abs=1e-4 * gross
        )
        assert last["forced_tier"].sum(axis=-1) == pytest.approx(last["forced"], abs=1e-4 * gross)
        assert last["adl_tier"] == pytest.approx(outcome.adl_notional[0, :-1, :-1], rel=1e-6)
        assert last["sold_by"] == pytest.approx(outcome.sold_by[0], rel=1e-6)
        for component, name in enumerate(("total", "margin_lost", "deficit", "fund_draw", "adl")):
            assert last["loss"][component] == pytest.approx(outcome.loss[0, component, :-1, :-1], rel=1e-6), (
                name
            )
        waiting = replay.steps["backlog"].sum(axis=(1, 2)) + replay.steps["backlog_accounts"]
        assert waiting.max(axis=0) == pytest.approx(outcome.backlog[0, :-1], abs=1e-6 * gross)


def test_marks_of_a_mean_are_the_last_rounds():
    """Where a cascade ends a step, its last round's marks and prices are those of the step."""
    replay = engines.Engine("cpu", compiled("as it is")).replay(SEED, PATH)
    rounds = replay.rounds
    assert len(rounds.step)
    for i, at in enumerate(zip(rounds.step, rounds.asset, strict=True)):
        if i + 1 < len(rounds.step) and (rounds.step[i + 1], rounds.asset[i + 1]) == at:
            continue
        assert rounds.fields["mark"][i] == pytest.approx(replay.steps["mark"][at], abs=1e-6)
        assert rounds.fields["fundamental"][i] == replay.steps["fundamental"][at]


def test_halts_and_outages_are_seen():
    replay = engines.Engine("cpu", compiled("vaults, halts and outages")).replay(SEED, PATH)
    assert replay.steps["halted"].any()
    assert replay.steps["down"].any()
    assert not replay.steps["flow"].sum(axis=2)[replay.steps["halted"] > 0].any()


def test_engines_without_traces_say_so():
    engine = engines.Engine("cpu", compiled("as it is"))
    engine.name, engine._prepared = "cuda", None
    with pytest.raises(EngineError, match="keeps no traces"):
        engine.replay(SEED, 0)


def test_room_for_a_replay_is_checked():
    engine = engines.Engine("cpu", compiled("as it is"))._prepared
    rows, status = np.empty((1, engine.n_cell), np.float32), np.zeros(1, np.uint32)
    with pytest.raises(ValueError, match="do not fit the scenario"):
        engine.engine.replay(SEED, 0, rows[0], status, np.empty((2, 3), np.float32))

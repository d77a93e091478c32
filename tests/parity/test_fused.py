"""Known answer 16: the fused engine against the float64 reference, every field of every row."""

from functools import cache

import numpy as np
import pytest

from kernels.outcome import COUNTERS, FIELDS
from tests.parity.compare import SHARE, STEEP, TOLERANCE, assert_same_distribution, gaps, steep, tied
from tests.parity.variants import REAL, VARIANTS, compiled
from tests.scenarios import simulate

pytestmark = pytest.mark.parity

SEED = 20251010
N_PATH = 100
N_REAL_PATH = 16

THIN_BOOK = {"the crash of October 2025": 2e-3}
"""Of a price, in one market: Aster's book in HYPE, $180k deep, ends the crash with a branching ratio of one,
where seven digits are three: 8e-4 at most were seen, some 1e-6 in most others. Dollars keep the tolerance."""


@cache
def both(name, count):
    """Scenario and the outcomes of the reference and of the fused engine."""
    scenario = compiled(name)
    return scenario, *(simulate(engine, scenario, SEED, first=0, count=count) for engine in ("numpy", "cpu"))


def away(name, count):
    """Paths beyond the tolerance [path], after the test that every one of them is explained."""
    scenario, reference, fused = both(name, count)
    found = gaps(scenario, reference, fused)
    beyond = np.max(list(found.values()), axis=0) > TOLERANCE
    suspects = np.nonzero(beyond & ~steep(reference, fused))[0].tolist()
    unexplained = [i for i in suspects if not tied(scenario, SEED, i)]
    assert not unexplained, "\n".join(
        f"path {i} (branching ratio at most {reference.branching_ratio[i, -1]:.4f}, below {STEEP}): "
        + ", ".join(f"{k} {v[i]:.1e}" for k, v in found.items() if v[i] > TOLERANCE)
        for i in unexplained[:5]
    )
    assert_same_distribution(scenario, reference, fused)
    return beyond


@pytest.mark.parametrize("name", VARIANTS)
def test_paths_agree_or_are_explained(name):
    beyond = away(name, N_PATH)
    assert beyond.sum() <= 2


def test_share_of_paths_that_agree():
    """Over all variants, the steep ones included."""
    beyond = np.concatenate([away(name, N_PATH) for name in VARIANTS])
    assert beyond.mean() <= 1 - SHARE


@pytest.mark.parametrize("name", REAL)
def test_real_market(name):
    """What is beyond the tolerance is explained; none of it is dollars, and on a calm day nothing is."""
    away(name, N_REAL_PATH)
    found = gaps(*both(name, N_REAL_PATH))
    prices = {field.name for field in FIELDS if field.unit != "USD"} if name in THIN_BOOK else set()
    most = {k: THIN_BOOK[name] if k in prices else TOLERANCE for k in found}
    assert {k: v.max() for k, v in found.items() if v.max() > most[k]} == {}


@pytest.mark.parametrize("name", VARIANTS)
def test_work_is_counted_alike(name):
    """Counts of work differ only by what rounding adds or takes: a jump refused, a slice of cents."""
    _, reference, fused = both(name, N_PATH)
    counts = [dict(zip(COUNTERS, o.batch.counters, strict=True)) for o in (fused, reference)]
    assert counts[0].pop("asset_steps") == counts[1].pop("asset_steps")
    # Last bits decide whether a jump is taken, and so how many rounds lead to the same end.
    assert counts[0].pop("rounds") == pytest.approx(counts[1].pop("rounds"), rel=0.2)
    assert counts[0] == pytest.approx(counts[1], rel=0.02, abs=N_PATH / 20)


def test_variants_exercise_every_field():
    """Every part of the row is more than zeros in some variant, so that comparing it means something."""
    idle = None
    for name in VARIANTS:
        scenario = compiled(name)
        if scenario.shape.assets != compiled("as it is").shape.assets:
            continue  # a row of another length
        rows = simulate("cpu", scenario, SEED, count=N_PATH).batch.rows
        if idle is not None and len(idle) != rows.shape[1]:
            continue  # tiers or channels of its own: other cells
        idle = (rows == 0).all(axis=0) if idle is None else idle & (rows == 0).all(axis=0)
    outcome = simulate("cpu", compiled("as it is"), SEED, count=1)
    outcome.batch.rows[0] = ~idle
    live = {name: getattr(outcome, name)[0] for name in ("loss", "liquidated", "adl_notional", "backlog")}
    # Tiers that a venue does not offer, or that nobody is forced out of, stay empty.
    assert live["loss"].any(axis=(1, 2)).all()
    assert live["liquidated"].all()
    assert live["adl_notional"][:, -1].all()
    assert live["backlog"].all()
    for name in ("fall", "index_fall", "amplification", "branching_ratio", "exhaustion_time", "worst_window"):
        assert getattr(outcome, name).all(), name

"""Known answer 15: mirrored markets mirror, and dollars may be counted in any power of two."""

import numpy as np
import pytest

from kernels import engine_numpy, outcome
from kernels.outcome import FIELDS
from kernels.parts.record.record_numpy import Record
from kernels.state import initial
from stress.compile.tiers import market_tables
from tests.parity.variants import compiled
from tests.scenarios import ENGINES, mirrored, quiet, scaled, simulate

TIERS = [(1, 5), (5, 20), (20, 100)]
N_STEP, N_PATH = 24, 6


def mirrored_tables(seed):
    """A market with longs and shorts that mirror each other on the log axis once sides are exchanged."""
    rng = np.random.default_rng(seed)
    forced = {}
    for side in (0, 1):
        for v in range(2):
            amounts = rng.uniform(0, 4e8, len(TIERS))
            table = market_tables(TIERS, amounts, [(1.0, 0.005, 0.0)], [], side, 1)[0][0]
            forced |= {(0, side, 0, v, t): table[:, t] for t in range(len(TIERS))}
    return quiet(
        n_step=N_STEP, n_venue=2, n_tier=len(TIERS), shock=rng.normal(0, 0.02, (N_STEP, 1)), alpha=0.6,
        depth=[[1e8, 0.6e8]], refill=0.93, arbitrage=0.3, withdrawal=900.0, calm_memory=1e-5, permanent=2e-11,
        group_rate=0.005, mark_weight=[[0.6, 0.4], [0.2, 0.8]], index_weight=[[0.7, 0.3]], forced=forced,
        throughput=3e8, monitoring=0.5826, hard_end=25.0,
    )  # fmt: skip


def final_state(scenario):
    """State of one path of the reference after all steps."""
    state, record = initial(scenario, 1), Record(scenario, 1)
    counters = dict.fromkeys(outcome.COUNTERS, 0)
    none = np.zeros((1, scenario.shape.n_asset))
    for n in range(scenario.shape.n_step):
        engine_numpy.step(scenario, state, record, counters, n, none, none)
    return state


@pytest.mark.parametrize("seed", range(5))
def test_mirror_of_prices_and_frontiers(seed):
    scenario = mirrored_tables(seed)
    state, mirror = final_state(scenario), final_state(mirrored(scenario))
    assert mirror.executed.any()
    assert np.array_equal(mirror.price, -state.price)
    assert np.array_equal(mirror.q, -state.q)
    assert np.array_equal(mirror.memory, state.memory)
    assert np.array_equal(mirror.frontier, state.frontier[:, :, ::-1])
    assert np.array_equal(mirror.executed, state.executed[:, :, ::-1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(5))
def test_mirror_of_notionals(engine, seed):
    scenario = mirrored_tables(seed)
    done, mirror = simulate(engine, scenario), simulate(engine, mirrored(scenario))
    for name in ("liquidated_coins", "backlog", "branching_ratio", "open_interest_closed"):
        assert np.array_equal(getattr(mirror, name), getattr(done, name)), name
    assert np.array_equal(mirror.status, done.status)
    assert done.liquidated_coins[0, -1, -1] > 0
    # Losses in dollars do not mirror: a long at minus 10% and a short at plus 10% in logs are not alike.
    assert not np.array_equal(mirror.loss[:, 0], done.loss[:, 0])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("power", [-7, 1, 10])
def test_dollar_scaling_is_exact(engine, power):
    scenario = compiled("backlog, queue")
    done = simulate(engine, scenario, seed=3, count=N_PATH)
    other = simulate(engine, scaled(scenario, 2.0**power), seed=3, count=N_PATH)
    for field in FIELDS:
        factor = 2.0**power if field.unit == "USD" else 1.0
        assert np.array_equal(getattr(other, field.name), factor * getattr(done, field.name)), field.name
    assert np.array_equal(other.status, done.status)
    assert done.liquidated.any()
    assert done.adl_notional.any()

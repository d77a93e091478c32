"""The engine in JAX against the reference, path by path: to rounding in float64, within 1e-4 in float32."""

from functools import cache

import numpy as np
import pytest

from kernels.batch import EngineError
from kernels.outcome import COUNTERS
from kernels.scenario import PARTS
from stress.compile import compile_config
from stress.config import load
from tests.parity.compare import TOLERANCE, gaps
from tests.parity.variants import CONFIGS, ENTRIES, POOR, SLOW, VARIANTS, WHALES, account, compiled, policy
from tests.scenarios import Outcome, quiet, require, simulate

pytestmark = pytest.mark.parity

SEED, N_PATH = 20251010, 100
EXPLICIT = 1e-11
"""Of gross quantities, in float64: sums in another order, through half an hour."""

CASES = {
    "as it is": [],
    "backlog, bad debt": VARIANTS["backlog, bad debt"],
    "jump diffusion, nobody deleverages": VARIANTS["jump diffusion"] + policy("none"),
    "shapes above and below 1": VARIANTS["shapes above and below 1"],
    "backlog, queue": VARIANTS["backlog, queue"],
    "random start, and a queue at the mark": [
        *POOR, *ENTRIES, "venues.alpha.adl={policy: random_start, fund_below: 50%}",
        "venues.beta.adl={policy: queue_hyperliquid, fund_below: 50%, price: mark}",
    ],
    "capped pro rata and a waterfill, with backlog": [
        *POOR, *SLOW, "venues.alpha.adl={policy: capped_pro_rata, fund_below: 50%}",
        "venues.beta.adl={policy: leverage_waterfill, drawdown: 10%}",
    ],
    "accounts, lenders, orders and companies beside a vault": [
        *VARIANTS["cross margin, long and hedged"], *VARIANTS["loans"][:2],
        *VARIANTS["stop orders, early exits and hedges"],
        *VARIANTS["redemptions, momentum and calendars"][:1],
        *VARIANTS["treasuries by their premium"],
        "venues.alpha.vault={capital: $2M, capacity: $200M, take: 50%, half_life: 10m}",
    ],
    "whales, accounts and vaults, all deleveraged; a list of accounts, and clearing": [
        *policy("queue"), *POOR, *WHALES, *SLOW,
        *account("alpha", "halves", "kind: cross_margin, open_interest: $2B, legs: {BTC: 50%, ETH: 50%}"),
        *account("alpha", "longs", "kind: coin_margined, open_interest: $1B, asset: BTC, side: long"),
        "venues.alpha.vault={capital: $1M, capacity: $400M, take: 70%, half_life: 1h, threshold: 30%}",
        "venues.alpha.markets.ETH.positions="
        "{kind: accounts, file: positions/accounts.csv, remainder: never_forced}",
        "venues.beta.clearing={own_capital: $200k, default_fund: $1M, defaulters: 10%, assessments: 100%}",
        "venues.beta.adl={policy: none}",
    ],
}  # fmt: skip
SINGLE = ("backlog, bad debt", "backlog, queue")


@pytest.fixture(autouse=True)
def jax():
    require("jax")


@cache
def case(name):
    return compile_config(load(CONFIGS / "small.yaml", CASES[name]))


@cache
def both(name, precision):
    """Scenario and the outcomes of the reference and of the engine in JAX."""
    from kernels.engine_jax import Engine

    scenario = case(name)
    batch = Engine(scenario, precision).run_paths(SEED, 0, N_PATH)
    return scenario, simulate("numpy", scenario, SEED, count=N_PATH), Outcome(scenario, batch)


@pytest.mark.parametrize("name", CASES)
def test_paths_agree_in_float64(name):
    scenario, reference, twin = both(name, "float64")
    assert reference.loss[:, 0, -1, -1].max() > 1e6
    found = gaps(scenario, reference, twin)
    assert {k: v.max() for k, v in found.items() if v.max() > EXPLICIT} == {}
    assert np.array_equal(reference.status, twin.status)


@pytest.mark.parametrize("name", CASES)
def test_work_is_counted_alike(name):
    _, reference, twin = both(name, "float64")
    counts = [dict(zip(COUNTERS, o.batch.counters.tolist(), strict=True)) for o in (reference, twin)]
    # A line that ends where its frontier is may leave a crumb of rounding, which is a slice of its own.
    flushes = [one.pop("flushes") for one in counts]
    assert flushes[0] == pytest.approx(flushes[1], rel=3e-3)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", SINGLE)
def test_paths_agree_in_float32(name):
    scenario, reference, twin = both(name, "float32")
    assert twin.batch.rows.dtype == np.float32
    found = gaps(scenario, reference, twin)
    assert {k: v.max() for k, v in found.items() if v.max() > TOLERANCE} == {}


def test_any_range_has_the_same_bits():
    from kernels.engine_jax import BLOCK, Engine

    scenario = case("backlog, bad debt")
    engine = Engine(scenario)
    whole = engine.run_paths(SEED, 0, BLOCK + 9)
    part = engine.run_paths(SEED, BLOCK - 3, 7)
    assert part.rows.tobytes() == whole.rows[BLOCK - 3 : BLOCK + 4].tobytes()
    assert engine.run_paths(SEED, 5, 0).rows.shape == (0, whole.rows.shape[1])
    far = (1 << 40) + 5
    reference = simulate("numpy", scenario, SEED, far, 2)
    assert engine.run_paths(SEED, far, 2).rows == pytest.approx(reference.batch.rows, rel=1e-9, abs=1e-3)


def test_what_it_does_not_have_is_named(monkeypatch):
    from kernels import engine_jax

    assert engine_jax.unsupported(quiet()) is None
    assert set(engine_jax.KNOWN) <= set(PARTS)
    monkeypatch.setattr(engine_jax, "KNOWN", ("adl",))
    with pytest.raises(EngineError, match=r"does not have these mechanisms yet: funding, event\. Leave"):
        engine_jax.Engine(compiled("sizes that are drawn"))


def test_nothing_outside_changes():
    """Double precision is asked for where it is needed, and nowhere else."""
    import jax.numpy as jnp

    from kernels.engine_jax import Engine

    Engine(quiet())
    assert jnp.ones(1).dtype == jnp.float32

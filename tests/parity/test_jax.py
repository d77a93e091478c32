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
    "jumps, sizes that are drawn, medians and funding, winners who share losses": [
        *VARIANTS["jump diffusion"], *VARIANTS["sizes that are drawn"], *policy("none"), *POOR, *ENTRIES,
        "venues.alpha.mark={kind: median, second_index: {beta: 1}, basis_half_life: 90s, exclude_beyond: 1%}",
        "venues.beta.mark={own: 20%, exclude_beyond: 0.4%}",
        "venues.alpha.socialised_loss=step", "venues.beta.socialised_loss=run",
    ],
    "shapes above and below 1, wrong and late feeds, raised margins, stochastic volatility": [
        *VARIANTS["shapes above and below 1"], *VARIANTS["stochastic_vol"],
        "overlays=[{kind: price_shock, at: 2m, over: 9m, size: -7%}, {kind: margin, at: 5m, factor: 3}, "
        "{kind: lagging_feed, at: 0s, over: 25m, lag: 2m, venues: [alpha], assets: [BTC]}, "
        "{kind: stale_feed, at: 7m, over: 5m, venues: [beta]}, "
        "{kind: oracle_error, at: 3m, over: 6m, size: -2%, of: index, venues: [alpha]}]",
    ],
    "backlog, queue": VARIANTS["backlog, queue"],
    "random start, a queue at the mark, and funds of every kind, resampled": [
        *POOR, *ENTRIES, *VARIANTS["bootstrap with a filter"],
        "venues.alpha.adl={policy: random_start, fund_below: 20%, excess: claim}",
        "venues.beta.adl={policy: queue_hyperliquid, drawdown: 10%, window: 6m, price: mark}",
        "venues.alpha.fund={split: per_market, coins: {asset: ETH, share: 30%}}",
        "venues.alpha.leverage_uncertainty={own: 40%, common: 30%}",
    ],
    "capped pro rata and a waterfill, halts, outages and regimes, with backlog": [
        *POOR, *SLOW, *VARIANTS["regimes of everything"][:1],
        "venues.alpha.adl={policy: capped_pro_rata, fund_below: 50%}",
        "venues.beta.adl={policy: leverage_waterfill, drawdown: 10%}",
        "venues.alpha.breakers={levels: [{move: 3%, halt: 2m}, {move: 6%, halt: 3m}], "
        "reference_half_life: 10m}",
        "venues.beta.mark={kind: median, basis_half_life: 2m, exclude_halted: false}",
        "venues.beta.failures={capacity: $50M, rate: 500000/y, half_life: 5m, lasts: 2m, depth: 50%}",
        "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -5%}, "
        "{kind: correlation, at: 400s, over: 5m, correlation: -0.3}, "
        "{kind: halt, at: 16m, over: 3m, venues: [beta], assets: [ETH]}, "
        "{kind: outage, at: 9m, over: 5m, throughput: 20%, depth: 30%, venues: [alpha]}]",
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
SINGLE = (
    "shapes above and below 1, wrong and late feeds, raised margins, stochastic volatility",
    "backlog, queue",
)


@pytest.fixture(autouse=True)
def jax():
    require("jax")


@cache
def case(name):
    return compile_config(load(CONFIGS / "small.yaml", CASES[name]))


@cache
def engine(name, precision):
    """The engine in JAX: a case and a precision is compiled once."""
    from kernels.engine_jax import Engine

    return Engine(case(name), precision)


@cache
def both(name, precision):
    """Scenario and the outcomes of the reference and of the engine in JAX."""
    scenario = case(name)
    batch = engine(name, precision).run_paths(SEED, 0, N_PATH)
    return scenario, simulate("numpy", scenario, SEED, count=N_PATH), Outcome(scenario, batch)


@pytest.mark.parametrize("name", CASES)
def test_paths_agree_in_float64(name):
    scenario, reference, twin = both(name, "float64")
    assert reference.loss[:, 0, -1, -1].max() > 1e6
    found = gaps(scenario, reference, twin)
    assert {k: v.max() for k, v in found.items() if v.max() > EXPLICIT} == {}
    assert np.array_equal(reference.status, twin.status)


def test_what_cases_are_about_happens():
    def most(name, field, *at):
        _, reference, _ = both(next(case for case in CASES if case.startswith(name)), "float64")
        return getattr(reference, field)[(slice(None), *at)].max()

    assert min(most("jumps", "loss", 7, venue, -1) for venue in range(2)) > 1e5
    assert min(most("jumps", "funding", venue, 0) for venue in range(2)) > 1e5
    assert min(most("random start", "adl_notional", venue, -1) for venue in range(2)) > 1e5
    assert min(most("capped", "adl_notional", venue, -1) for venue in range(2)) > 1e5


@pytest.mark.parametrize("name", CASES)
def test_work_is_counted_alike(name):
    _, reference, twin = both(name, "float64")
    counts = [dict(zip(COUNTERS, o.batch.counters.tolist(), strict=True)) for o in (reference, twin)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", SINGLE)
def test_paths_agree_in_float32(name):
    scenario, reference, twin = both(name, "float32")
    assert twin.batch.rows.dtype == np.float32
    found = gaps(scenario, reference, twin)
    assert {k: v.max() for k, v in found.items() if v.max() > TOLERANCE} == {}


def test_any_range_has_the_same_bits():
    from kernels.engine_jax import BLOCK

    scenario, run = case("backlog, bad debt"), engine("backlog, bad debt", "float64").run_paths
    whole = run(SEED, 0, BLOCK + 9)
    part = run(SEED, BLOCK - 3, 7)
    assert part.rows.tobytes() == whole.rows[BLOCK - 3 : BLOCK + 4].tobytes()
    assert run(SEED, 5, 0).rows.shape == (0, whole.rows.shape[1])
    far = (1 << 40) + 5
    reference = simulate("numpy", scenario, SEED, far, 2)
    assert run(SEED, far, 2).rows == pytest.approx(reference.batch.rows, rel=1e-9, abs=1e-3)


def test_what_it_does_not_have_is_named(monkeypatch):
    from kernels import engine_jax

    assert engine_jax.unsupported(quiet()) is None
    assert set(engine_jax.KNOWN) <= set(PARTS)
    monkeypatch.setattr(engine_jax, "KNOWN", ("adl",))
    with pytest.raises(EngineError, match=r"does not have these mechanisms yet: funding, event\. Leave"):
        engine_jax.Engine(compiled("sizes that are drawn"))


def test_shards_share_what_is_compiled():
    from kernels import engine_jax

    one, other = quiet(), quiet()
    engine = engine_jax.prepared(one)
    assert engine_jax.prepared(one) is engine
    assert engine_jax.prepared(other) is not engine


def test_nothing_outside_changes():
    """Double precision is asked for where it is needed, and nowhere else."""
    import jax.numpy as jnp

    from kernels.engine_jax import Engine

    Engine(quiet())
    assert jnp.ones(1).dtype == jnp.float32

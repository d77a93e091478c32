"""Overlays of drawn size: what is drawn, and that it does what a fixed event of that size would."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from kernels.mechanisms.exogenous.step_numpy import by_tail
from kernels.mechanisms.overlay import MAX_EVENT, Event
from kernels.mechanisms.overlay.step_numpy import drawn
from kernels.packing import pack
from kernels.parts.normal.normal_numpy import normal
from stress.compile import compile_config
from stress.compile.events import quantiles
from stress.conditions import conditional_on
from stress.config import load
from stress.config.drawn import Drawn
from tests.parity.compare import gaps
from tests.parity.variants import CONFIGS
from tests.scenarios import ENGINES, quiet, simulate, with_parts

WORDS = np.arange(2**14, 2**32, 2**18 + 12345, dtype=np.uint32)
UNIFORM = (WORDS + 0.5) / 2**32


def compiled(overlays, *more):
    funding = ["venues.alpha.funding={cap: 90%}", "venues.beta.funding={cap: 90%}"]
    return compile_config(load(CONFIGS / "small.yaml", [f"overlays=[{overlays}]", *funding, *more]))


def terms(kind, **keys):
    """A distribution as a config would give it."""
    text = {"kind": kind} | {key: x if isinstance(x, str) else f"{x:.9f}" for key, x in keys.items()}
    return TypeAdapter(Drawn).validate_python(text)


def factors(drawn):
    return by_tail(quantiles(drawn), WORDS)


def test_normal_factors():
    found = factors(terms("normal", mean=0.5, deviation="200%"))
    assert found == pytest.approx(0.5 + 2 * normal(WORDS), abs=2e-4)
    cut = factors(terms("normal", deviation="100%", least=0, most=2))
    assert (cut.min(), cut.max()) == (0, 2)


def test_lognormal_by_hand():
    """A deviation of 50%: one in 6.3 of falls by 9% is one by 14.4% or more."""
    found = factors(terms("lognormal", deviation="50%"))
    assert found == pytest.approx(np.exp(0.5 * normal(WORDS)), rel=2e-4)
    beyond = 1 - 0.91 ** np.exp(0.5)
    assert beyond == pytest.approx(0.1440, abs=5e-5)
    assert (1 - 0.91**found > beyond).mean() == pytest.approx(0.1587, abs=2e-3)


def test_uniform_and_triangular_by_hand():
    """From 0 by 0.5 to 1.5: a third lies below 0.5, and half below 1.5 - sqrt(0.75)."""
    assert factors(terms("uniform", least=-1, most=3)) == pytest.approx(4 * UNIFORM - 1, abs=1e-6)
    between = terms("triangular", least=0, likeliest=0.5, most=1.5)
    found = factors(between)
    assert np.interp(1 / 3, UNIFORM, found) == pytest.approx(0.5, abs=1e-3)
    assert np.interp(0.5, UNIFORM, found) == pytest.approx(1.5 - np.sqrt(0.75), abs=1e-3)
    assert found.mean() == pytest.approx(2 / 3, abs=1e-3)


@given(st.floats(0, 3), st.floats(-2, 2), st.floats(0.01, 2))
@settings(max_examples=20, deadline=None)
def test_factors_rise_with_the_word(deviation, least, width):
    """One word, one factor, never decreasing; limits hold."""
    for between in (
        terms("normal", deviation=f"{deviation:.0%}", least=least, most=least + width),
        terms("lognormal", deviation=f"{deviation:.0%}"),
        terms("triangular", least=least, likeliest=least + width / 3, most=least + width),
    ):
        found = factors(between)
        assert (np.diff(found) >= -1e-9).all()
        if between.kind != "lognormal":
            assert found.min() >= least - 1e-9
            assert found.max() <= least + width + 1e-9


@pytest.mark.parametrize("engine", ENGINES)
def test_a_path_has_one_factor_for_all_steps(engine):
    """Three steps of -2% in all: every path ends at a normal multiple of it, the same in both engines."""
    table = quantiles(terms("normal", mean=3, deviation="50%"))
    part = Event(
        quantile=table[None], share=np.zeros((1, 3)), shock=np.full((1, 3, 1), np.log(0.98) / 3),
        volatility=np.zeros((1, 1)), depth=np.zeros((1, 1, 1)), rate=np.zeros((1, 1, 1)),
    )  # fmt: skip
    scenario = with_parts(quiet(n_step=3), event=part)
    found = simulate(engine, scenario, seed=4, count=2000)
    factor = drawn(scenario, 4, np.arange(2000, dtype=np.uint64)).factor[:, 0]
    assert factor.mean() == pytest.approx(3, abs=0.05)
    assert factor.std() == pytest.approx(0.5, abs=0.03)
    assert np.log1p(-found.exogenous_fall[:, 0]) == pytest.approx(factor * np.log(0.98), rel=1e-4)


EVENTS = {
    "price_shock": ("at: 2m, over: 5m, size: -3%, betas: {ETH: 1.4}", f"size: {0.97**2 - 1:.6%}"),
    "depeg": ("asset: ETH, at: 2m, over: 5m, size: -3%, recovery: 4m", f"size: {0.97**2 - 1:.6%}"),
    "volatility": ("at: 90s, over: 5m, multiplier: 3, assets: [ETH]", "multiplier: 9"),
    "depth": ("at: 90s, over: 5m, multiplier: 0.5, venues: [beta]", "multiplier: 0.25"),
    "funding": ("at: 90s, over: 9m, rate: 40%, assets: [BTC]", "rate: 80%"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", EVENTS)
def test_a_factor_of_two_is_an_event_of_twice_the_size(engine, kind):
    """In logarithms; the same path as with the fixed event, whatever kind it is of."""
    keys, changed = EVENTS[kind]
    name = changed.split(":")[0]
    shock = "{kind: price_shock, at: 3m, over: 4m, size: -4%}"
    fixed = ", ".join(changed if x.strip().startswith(name + ":") else x for x in keys.split(", "))
    one = compiled(f"{shock}, {{kind: {kind}, {fixed}}}")
    other = compiled(f"{shock}, {{kind: {kind}, {keys}, drawn: {{kind: uniform, least: 0, most: 2}}}}")
    part = replace(other.parts.event, quantile=np.full_like(other.parts.event.quantile, 2.0))
    twice = with_parts(other, event=part)
    found = [simulate(engine, x, count=10) for x in (one, twice)]
    assert max(x.max() for x in gaps(one, *found).values()) < 2e-4
    once = simulate(engine, with_parts(other, event=None), count=10)
    assert (found[0].batch.rows != once.batch.rows).any(axis=1).all()


def test_no_more_than_fit():
    part = Event(
        quantile=np.zeros((9, 2, 1025)), share=np.zeros((9, 1)), shock=np.zeros((9, 1, 1)),
        volatility=np.zeros((9, 1)), depth=np.zeros((9, 1, 1)), rate=np.zeros((9, 1, 1)),
    )  # fmt: skip
    assert MAX_EVENT == 8
    with pytest.raises(ValueError, match="8 events"):
        pack(with_parts(quiet(), event=part), [])


def test_what_a_run_is_conditional_on():
    event = "{kind: price_shock, at: 5m, over: 10m, size: -6%, drawn: {kind: lognormal, deviation: 40%}}"
    config = load(CONFIGS / "small.yaml", [f"overlays=[{event}]"])
    assert conditional_on(config) == "price shock of -6% over 10m from 5m, its size drawn"

"""The resolved form: it loads again to an equal config, and its digests tell configs apart."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress import units
from stress.config import config_sha256, dump, load, loads, physics_sha256
from stress.config.run import About

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = Path(__file__).parents[1] / "configs" / "small.yaml"
small = load(SMALL)

DOLLARS = st.floats(1e-3, 1e15).map(units.DOLLARS.format)
SHARES = st.floats(0, 0.99).map(units.SHARE.format)
POSITIVE = st.floats(1e-6, 1e6)
TIMES = st.floats(0.01, 1e6).map(units.DURATION.format)
VALUES = {
    "assets.BTC.price": DOLLARS,
    "assets.ETH.volatility": st.floats(0, 10).map(units.SHARE.format),
    "books.shape": st.floats(1e-3, 1).map(units.NUMBER.format),
    "books.refill_half_life": st.just("never") | TIMES,
    "books.withdrawal.sensitivity": POSITIVE.map(units.NUMBER.format),
    "correlation": st.floats(-0.99, 0.99).map(units.NUMBER.format),
    "dynamics.degrees_of_freedom": st.floats(2, 1e3, exclude_min=True).map(units.NUMBER.format),
    "dynamics.drift.ETH": st.floats(-5, 5).map(units.SHARE.format),
    # ln(1 + size) times a beta is at most 5 either way: a larger shock is refused.
    "overlays[0].size": st.floats(-0.6, 1.4).map(units.SHARE.format),
    "overlays[0].betas.BTC": st.floats(-5, 5).map(units.NUMBER.format),
    "run.seed": st.integers(0, 2**64 - 1).map(str),
    "run.paths": st.integers(1, 10**12).map(str),
    "venues.alpha.adl.drawdown": st.just("never") | st.floats(1e-3, 1).map(units.SHARE.format),
    "venues.alpha.closing_share": SHARES,
    "venues.alpha.insurance_fund": DOLLARS,
    "venues.alpha.mark.index.beta": POSITIVE.map(units.NUMBER.format),
    "venues.alpha.markets.BTC.open_interest": DOLLARS,
    "venues.alpha.markets.ETH.book": st.just("{}") | st.just("{shape: 1.2, band: 2%, hard_end: 30%}"),
    "venues.beta.liquidation.throughput": st.just("unlimited") | POSITIVE.map(units.DOLLAR_RATE.format),
    "venues.beta.liquidation.ladder": st.sampled_from(["[]", "[{close: 12.5%}]"]),
    "dynamics": st.just(
        "{kind: jump_diffusion, compensated: false, common: {rate: 1/d, mean: -1%, deviation: 0%}}"
    ),
    "measures.levels": st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True).map(
        lambda levels: f"[{', '.join(map(units.SHARE.format, sorted(levels)))}]"
    ),
}


def overrides():
    """Some of `VALUES`, as texts for --set; `dynamics` as a whole or in parts."""

    def texts(values):
        whole = "dynamics" in values
        return [f"{key}={v}" for key, v in values.items() if not (whole and key.startswith("dynamics."))]

    return st.fixed_dictionaries({}, optional=VALUES).map(texts)


@settings(max_examples=40)
@given(overrides())
def test_the_resolved_form_loads_to_an_equal_config(changes):
    config = load(SMALL, changes)
    text = dump(config)
    again = loads(text)
    assert again == config
    assert dump(again) == text
    assert config_sha256(again) == config_sha256(config)
    assert physics_sha256(again) == physics_sha256(config)


PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t")


@settings(max_examples=50)
@given(st.text(PRINTABLE, min_size=1).filter(str.strip))
def test_any_text_survives(title):
    about = About.model_construct(title=title, question="?", authors=(title, "null"), references=())
    config = small.model_copy(update={"about": about})
    assert loads(dump(config)) == config


@pytest.mark.parametrize("name", ["oct-2025.yaml", "quiet-day.yaml"])
def test_real_configs_survive(name):
    config = load(CONFIGS / name)
    assert loads(dump(config)) == config


def test_defaults_and_parts_stand_in_the_resolved_form():
    text = dump(load(SMALL, ["measures={}"]))
    assert "throughput: unlimited" in text
    assert "drawdown: never" in text
    assert "levels: [90%, 95%, 99%, 99.9%, 99.99%]" in text
    assert "extends" not in text


def test_the_resolved_form_is_short():
    assert max(len(line) for line in dump(small).splitlines()) <= 110


PRESENTATION = [
    "about.title=other",
    "run.paths=1",
    "run.shard_paths=1",
    "run.backend=numpy",
    "measures.confidence=90%",
    "assets.BTC.name=other",
    "venues.alpha.name=other",
    "overlays[0].name=other",
]
PHYSICS = [
    "run.seed=1",
    "run.step=30s",
    "run.monitoring=step",
    "books.shape=0.7",
    "assets.BTC.price=$1",
    "overlays[1].multiplier=3",
    "venues.alpha.adl.drawdown=never",
    "venues.alpha.markets.ETH.mix=capped",
]


@pytest.mark.parametrize("change", PRESENTATION)
def test_presentation_changes_one_digest(change):
    config = load(SMALL, [change])
    assert config_sha256(config) != config_sha256(small)
    assert physics_sha256(config) == physics_sha256(small)


@pytest.mark.parametrize("change", PHYSICS)
def test_physics_changes_both_digests(change):
    config = load(SMALL, [change])
    assert config_sha256(config) != config_sha256(small)
    assert physics_sha256(config) != physics_sha256(small)


def test_digests_do_not_depend_on_where_values_stand(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(f"extends: {SMALL}\n")
    assert config_sha256(load(file)) == config_sha256(small)
    assert re.fullmatch("[0-9a-f]{64}", config_sha256(small))

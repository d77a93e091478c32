"""Whatever stands in a file, the loader gives a config or a `ConfigError`, and nothing else."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.config import RunConfig, dump, load, loads
from stress.errors import ConfigError

SMALL = Path(__file__).parents[1] / "configs" / "small.yaml"
TEXT = SMALL.read_text()
LINES = TEXT.splitlines()

ODD_WORDS = r"""
null|~|[]|{}|[a]|{a: b}|-1|0|1e400|.nan|yes|1:30|!!int 3|&x|*x|<<: {a: 1}|"\ud800"|"\UFFFFFFFF"|'|#|---|? a
- |: |%YAML 1.1|>|>9|@|$|0x|٣|kind: gbm|kind: [a]|kind:|extends: x|venues: []|tiers: {}|overlays: [a]
assets: {BTC: /dev/zero}|mixes: [a]|never_forced: []|correlation: {matrix: [1, 2]}
correlation: {assets: [BTC, ETH], matrix: [[1, 2], [2]]}
"""
ODD = st.sampled_from(
    [*re.split(r"[|\n]", ODD_WORDS), "\t", "\0", "\x85", "\u2028", "\ud800", "|", "a" * 300]
)


def only_config_errors(read):
    """The config, or None; anything else than a `ConfigError` that `read` raises is a failure."""
    try:
        config = read()
    except ConfigError as refused:
        error = refused
    else:
        assert isinstance(config, RunConfig)
        return config
    assert error.problems
    assert len(str(error).splitlines()) == min(len(error.problems), 51)
    assert all(problem.place for problem in error.problems)
    assert str(error).encode()
    return None


@st.composite
def mutated(draw):
    """The small config with some lines changed, moved, lost or doubled."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                lines[at] = lines[at].partition(":")[0] + ": " + draw(ODD)
            case 1:
                del lines[at : at + draw(st.integers(1, 5))]
            case 2:
                lines.insert(at, draw(st.sampled_from(lines)))
            case 3:
                lines[at] = draw(ODD)
            case 4:
                lines[at] = " " * draw(st.integers(0, 8)) + lines[at].strip()
            case _:
                cut = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:cut] + draw(ODD) + lines[at][cut:]
    return "\n".join(lines)


@settings(max_examples=150)
@given(mutated())
def test_mutated_configs(text):
    config = only_config_errors(lambda: loads(text))
    if config:
        assert loads(dump(config)) == config


@given(st.text())
def test_any_text(text):
    only_config_errors(lambda: loads(text))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "any.yaml"


@given(content=st.binary())
def test_any_bytes(file, content):
    file.write_bytes(content)
    only_config_errors(lambda: load(file))


@settings(max_examples=50)
@given(
    key=st.sampled_from(["run.seed", "venues.alpha.mark", "tiers[0]", "overlays"]) | st.text(max_size=9),
    value=ODD,
)
def test_any_override(key, value):
    only_config_errors(lambda: load(SMALL, [f"{key}={value}"]))

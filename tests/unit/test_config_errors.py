"""Mistakes: every one is a located line that says what, why and what to try; all of them at once.

Each file in tests/configs/bad holds one mistake; tests/configs/bad/messages.txt is what is said to
it. After a wording has changed on purpose, `PYTHONPATH=. python tests/unit/test_config_errors.py` renews it.
"""

import os
import re
from pathlib import Path

import pytest

from stress.compile import compile_config
from stress.config import load, loads
from stress.errors import CompileError, ConfigError, StressError

CONFIGS = Path(__file__).parents[1] / "configs"
BAD = sorted(file.name for file in (CONFIGS / "bad").glob("*.yaml"))
MESSAGES = CONFIGS / "bad" / "messages.txt"


def message(name):
    """What is said to a bad config; paths as seen from tests/configs."""
    with pytest.raises(ConfigError) as refused:
        compile_config(load(os.path.join("bad", name)))
    return str(refused.value)


def expected():
    """Messages by file name."""
    blocks = MESSAGES.read_text(encoding="utf-8").strip().split("\n\n")
    return {name: text for name, _, text in (block.partition("\n") for block in blocks)}


@pytest.fixture(autouse=True)
def _in_configs(monkeypatch):
    monkeypatch.chdir(CONFIGS)


@pytest.mark.parametrize("name", BAD)
def test_says_what_is_wrong(name):
    assert message(name) == expected()[name]


def test_every_message_belongs_to_a_file():
    assert list(expected()) == BAD


@pytest.mark.parametrize("name", BAD)
def test_every_line_has_a_place(name):
    for line in message(name).splitlines():
        assert re.match(r"((bad/\w+|small)\.yaml(:\d+:\d+)?|bad/\w+\.csv:\d+(:\d+)?): ", line)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("bad", "bad: the config is a directory, not a file (a config is one YAML file)"),
        (
            "none.yaml",
            "none.yaml: the config does not exist (paths are relative to the file that names them)",
        ),
        ("/dev/zero", "/dev/zero: the config is a special file, not a file (a config is one YAML file)"),
        ("small.yaml/x", "small.yaml/x: the config cannot be read (not a directory)"),
        ("a\0b", "a\\x00b: the config cannot be read (embedded null byte)"),
        ("x" * 300, f"{'x' * 300}: the config cannot be read (file name too long)"),
    ],
)
def test_files_that_are_none(path, problem):
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value) == problem


def test_files_that_are_too_large(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_text("#" * (1 << 20) + "\n")
    with pytest.raises(ConfigError, match=r"the config is too large \(configs have at most 1 MiB\)"):
        load(file)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "- " * 100_000, "? " * 100_000, "{a: " * 100_000, "a: b\n" * 20_000],
    ids=["brackets", "lists", "keys", "mappings", "duplicates"],
)
def test_hostile_texts_are_refused_early(text):
    with pytest.raises(ConfigError):
        loads(text)


def test_crowded_sections_are_refused_before_they_are_checked():
    text = "assets:\n" + "".join(f"  a{i}: nowhere-{i}.yaml\n" for i in range(5000))
    with pytest.raises(ConfigError, match="assets: has 5000 entries"):
        loads(text)


def test_unreadable_files(tmp_path):
    file = tmp_path / "secret.yaml"
    file.write_text("run: {}\n")
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ConfigError, match=r"cannot be read \(permission denied\)"):
        load(file)


def test_all_mistakes_are_reported_at_once():
    text = """\
extends: small.yaml
run: {horizn: 1h, step: 60}
venues:
  alpha:
    insurance_fund: $-1
    markets:
      BTC: {depth: $0, open_interest: $-6B}
      DOGE: {open_interest: $1B, depth: $1M, maintenance: [{rate: 1%}]}
  beta:
    markets: {XRP: {open_interest: $1B, depth: $1M, maintenance: [{rate: 1%}]}}
  gamma: nowhere.yaml
correlation: {assets: [BTC, ETH], matrix: [[1, 0.8], [0.7, 1]]}
overlays: [{kind: depth, at: 5m, over: 1m, multiplier: 0.5, venues: [alfa]}]
mixes: {capped: {long: {20x-50x: 3%}}}
"""
    with pytest.raises(ConfigError) as refused:
        loads(text)
    found = [(problem.place.line, problem.path) for problem in refused.value.problems]
    assert found == [
        (2, "run.horizn"),
        (2, "run.step"),
        (5, "venues.alpha.insurance_fund"),
        (7, "venues.alpha.markets.BTC.depth"),
        (7, "venues.alpha.markets.BTC.open_interest"),
        (10, "venues.beta.markets.XRP"),
        (11, "venues.gamma"),
        (12, "correlation.matrix[1][0]"),
        (13, "overlays[0].venues[0]"),
        (14, "mixes.capped.long"),
    ]


def test_one_mistake_does_not_look_like_several():
    with pytest.raises(ConfigError) as refused:
        loads("extends: small.yaml\nvenues: {alpha: {maximum_leverage: 125}}\n")
    assert [problem.path for problem in refused.value.problems] == ["venues.alpha.maximum_leverage"]


def test_many_mistakes_are_counted():
    betas = ", ".join(f"A{i}: 1" for i in range(60))
    shock = f"{{kind: price_shock, at: 1m, over: 1m, size: 1%, betas: {{{betas}}}}}"
    text = f"extends: small.yaml\noverlays: [{shock}]"
    with pytest.raises(ConfigError) as refused:
        loads(text)
    assert len(refused.value.problems) == 60
    assert str(refused.value).splitlines()[50:] == ["... and 10 more"]


def test_messages_stay_on_one_line_and_short():
    with pytest.raises(ConfigError) as refused:
        loads(f'extends: small.yaml\nrun: {{seed: "a\\nb{"c" * 500}"}}\n')
    (line,) = str(refused.value).splitlines()
    assert len(line) < 250


def test_exit_codes():
    assert StressError.exit_code == 1
    assert ConfigError.exit_code == 2
    assert issubclass(CompileError, ConfigError)


def renew():
    """Write down what is said today."""
    os.chdir(CONFIGS)
    blocks = [f"{name}\n{message(name)}\n" for name in BAD]
    MESSAGES.write_text("\n".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    renew()

"""What results rest on: every input moves what it should, and indices say which one matters."""

import json

import numpy as np
import pytest

from stress import sensitivity as study
from stress.errors import BackendError, ConfigError
from stress.jobs import prepare
from tests.scenarios import require


@pytest.fixture(scope="module")
def job(root):
    require("cpu")
    return prepare(str(root / "tests/configs/small.yaml"), ["run.paths=20", "run.horizon=15m"])


@pytest.fixture
def register(tmp_path):
    def load(text):
        file = tmp_path / "assumptions.yaml"
        file.write_text(text)
        return study.load_register(file)

    return load


TWO = """\
title: two
assumptions:
  - {input: news, kind: assumed, range: [0.5, 1.5], basis: hand}
  - {input: funds, kind: observed, range: [0.9, 1.1], basis: hand}
"""


@pytest.mark.parametrize("name", study.INPUTS)
def test_a_factor_of_one_changes_nothing(job, name):
    same = study.INPUTS[name][1](job.scenario, 1.0)
    for field in ("depth", "alpha", "refill", "withdrawal", "forced", "shock", "fund", "arbitrage"):
        value = getattr(job.scenario.arrays, field)
        assert getattr(same.arrays, field) == pytest.approx(value, rel=1e-12, abs=0)


def test_half_lives_and_caps(job):
    twice = study.INPUTS["refill"][1](job.scenario, 2.0)
    assert twice.arrays.refill**2 == pytest.approx(job.scenario.arrays.refill)
    gaps = study.INPUTS["arbitrage"][1](job.scenario, 2.0).arrays.arbitrage
    assert (1 - gaps) ** 2 == pytest.approx(1 - job.scenario.arrays.arbitrage)
    bold = study.INPUTS["leverage"][1](job.scenario, 1e3).arrays
    held = job.scenario.arrays.tier_notional.sum(axis=-1)
    some = job.scenario.arrays.forced_total[..., -1] > 0
    assert bold.forced_total[..., -1][some] == pytest.approx(held[some])
    total = bold.forced.sum(axis=(2, 5))
    assert total == pytest.approx(bold.forced_total, rel=1e-9)
    assert study.INPUTS["closing_share"][1](job.scenario, 1e3).arrays.closing_share.max() == 1


def test_one_at_a_time(job, register):
    found = study.one_at_a_time(job, register(TWO))
    news, funds = (entry["moved"] for entry in found["assumptions"])
    base = found["base"]
    assert news["liquidated"]["low"] < base["liquidated"] < news["liquidated"]["high"]
    assert news["fall"]["low"] < base["fall"] < news["fall"]["high"]
    assert abs(funds["fall"]["high"] - funds["fall"]["low"]) < news["fall"]["high"] - news["fall"]["low"]
    assert study.ranked(found) == ["news", "funds"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert "size of imposed price shocks" in study.write(found)


def test_indices_name_the_one_that_matters(job, register):
    entries = register(TWO)
    steps = []
    found = study.sobol(job, entries, 8, progress=lambda done, total: steps.append((done, total)))
    news, funds = found["indices"]["liquidated"]
    assert steps[-1] == (32, 32) == (found["runs"], found["runs"])
    assert news["total"]["value"] > 0.8
    assert funds["total"]["value"] < 0.1
    assert news["first"]["lower"] <= news["first"]["value"] <= news["first"]["upper"]
    assert "with others" in study.write(study.one_at_a_time(job, entries), found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("input: news", "input: nwes", 'assumptions[0].input: "nwes" is not known'),
        ("[0.5, 1.5]", "[1.2, 1.5]", "assumptions[0].range: does not reach over 1"),
        ("kind: assumed", "kind: guessed", 'assumptions[0].kind: "guessed" is not a choice'),
        (", basis: hand}\n  - {input: funds", "}\n  - {input: funds", "assumptions[0].basis: is missing"),
    ],
)
def test_wrong_registers_say_where(register, old, new, words):
    assert old in TWO
    with pytest.raises(ConfigError) as caught:
        register(TWO.replace(old, new))
    assert words in str(caught.value)
    assert "assumptions.yaml" in str(caught.value)


def test_the_shipped_register(root):
    entries = study.load_register(root / "configs/assumptions/october.yaml").assumptions
    assert len(entries) >= 10
    assert {entry.kind for entry in entries} == {"observed", "estimated", "assumed"}
    assert np.unique([entry.input for entry in entries]).size == len(entries)


def test_failed_paths_do_not_count(job, monkeypatch):
    whole = study.measured(job, job.scenario)
    run_paths = study.engines.Engine.run_paths

    def failing(failed):
        def run(self, *args):
            batch = run_paths(self, *args)
            batch.rows[failed] = np.nan
            batch.status[failed] |= study.FAILED
            return batch

        return run

    monkeypatch.setattr(study.engines.Engine, "run_paths", failing(slice(0, 3)))
    found = study.measured(job, job.scenario)
    assert np.isfinite(found).all()
    assert found[0] != whole[0]
    monkeypatch.setattr(study.engines.Engine, "run_paths", failing(slice(None)))
    with pytest.raises(BackendError, match="every path failed"):
        study.measured(job, job.scenario)

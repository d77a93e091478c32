"""Every config that is shipped runs to its end, and its report can be printed: a few paths each."""

import re
from pathlib import Path

import pytest

import stress
from kernels.outcome import FAILED, STATUS
from stress.errors import ConfigError
from stress.summary import summary
from stress.terminal.results import write
from tests.scenarios import require

CONFIGS = Path(__file__).parents[2] / "configs"
PARTS = {"market-2025-10"}
"""Markets that other configs extend, and that are no run of their own."""


@pytest.mark.parametrize("name", sorted({p.stem for p in CONFIGS.glob("*.yaml")} - PARTS))
def test_runs_to_its_end(name, tmp_path):
    require("cpu")
    one_level = ["measures.levels=[99%]"]
    done = stress.run(CONFIGS / f"{name}.yaml", paths=4, backend="cpu", out=tmp_path, overrides=one_level)
    found = summary(done.cube)
    assert found["n_path"] == 4
    assert not any(found["status"][word] for bit, (word, _) in STATUS.items() if bit & FAILED)
    printed = write(found)
    assert not re.search(r"(?<![a-z])nan", printed)
    for title in ("Losses by venue", "Who paid", "Largest falls of prices"):
        assert title in printed
    assert ("Orders sent into the books" in printed) == bool(set(found["sold_by"]) - {"isolated"})


@pytest.mark.parametrize("name", sorted(PARTS))
def test_parts_say_that_they_are_no_run(name):
    with pytest.raises(ConfigError, match="run: is missing"):
        stress.run(CONFIGS / f"{name}.yaml")

"""What each mechanism adds, one switched off at a time."""

import json

import numpy as np
import pytest

from stress.ablation import ablate, change, switches, write
from stress.jobs import prepare

PATHS = 20


@pytest.fixture(scope="module")
def job(root):
    return prepare(str(root / "tests/configs/small.yaml"), [f"run.paths={PATHS}", "run.horizon=25m"])


@pytest.fixture(scope="module")
def found(job):
    return ablate(job, say=lambda name: None)


def test_every_switch_switches_something_off(job, found):
    """A row for each mechanism that the config has, none for those that it has not."""
    names = {row["without"] for row in found["switched_off"]}
    assert {"imposed price shocks", "withdrawal of quotes", "isolated positions"} <= names
    assert names <= {switch.name for switch in switches(job.scenario)}
    assert "cross margin" not in names
    # There, but not felt by these few paths: no engine is at its limit, no fund runs dry, and a fee is
    # taken from a margin left that the fund keeps whole anyway.
    idle = {"limits of throughput", "liquidation fees", "auto-deleveraging"}
    for row in found["switched_off"]:
        felt = any(value["mean"] != 0 for value in row["adds"].values())
        assert felt or row["without"] in idle, row["without"]


def test_without_positions_nothing_is_liquidated(found):
    row = next(r for r in found["switched_off"] if r["without"] == "isolated positions")
    assert row["median"]["liquidated"] == 0
    assert row["adds"]["liquidated"]["mean"] == pytest.approx(found["all_on"]["liquidated"]["mean"])


def test_change_is_paired():
    """Paths that differ by the same amount leave no doubt, however far they lie apart."""
    base = np.array([1.0, 100.0, 1e4])
    assert change(base, base - 2.0) == {"mean": pytest.approx(2.0), "interval": pytest.approx(0.0, abs=1e-9)}
    assert change(np.array([1.0, 3.0]), np.zeros(2)) == {
        "mean": 2.0, "interval": pytest.approx(1.959964 * np.sqrt(2) / np.sqrt(2)),
    }  # fmt: skip


def test_text_and_json(found):
    assert json.loads(json.dumps(found)) == found
    lines = write(found).splitlines()
    assert len(lines) == 2 + len(found["switched_off"])
    assert lines[1].startswith("all on")

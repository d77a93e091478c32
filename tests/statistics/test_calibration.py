"""Intervals of calibration hold the truth as often as they say: known parameters, simulated, estimated.

`tools/calibration_coverage.py` does the same with as many samples as one likes; its figures are on
docs/methods/calibration.md.
"""

import importlib.util

import numpy as np
import pytest

SAMPLES = {
    "gaussian": 90,
    "student_t": 40,
    "garch": 20,
    "stochastic_vol": 20,
    "regime_switching": 12,
    "jump_diffusion": 12,
    "order_book": 40,
}


@pytest.fixture(scope="module")
def found(root):
    """By parameter: truth below the interval, above it, estimate over truth; [sample, 3]."""
    path = root / "tools/calibration_coverage.py"
    spec = importlib.util.spec_from_file_location("calibration_coverage", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert set(tool.EXPERIMENTS) == set(SAMPLES)
    rows = {}
    for name, samples in SAMPLES.items():
        rows |= tool.coverage(tool.EXPERIMENTS[name], samples, seed=7)
    return rows


def test_intervals_hold_the_truth(found):
    inside = np.concatenate([1 - rows[:, 0] - rows[:, 1] for rows in found.values()])
    assert len(inside) >= 1000
    assert inside.mean() == pytest.approx(0.95, abs=0.05)
    below, above = (np.concatenate([rows[:, i] for rows in found.values()]).mean() for i in (0, 1))
    assert max(below, above) < 0.06


def test_no_parameter_is_left_behind(found):
    """With n intervals of 95% each, fewer than this are missed but once in ten thousand times a parameter."""
    for name, rows in found.items():
        n, missed = len(rows), rows[:, :2].sum()
        assert missed <= 0.05 * n + 4.5 * np.sqrt(0.05 * n), name


def test_estimates_are_near_the_truth(found):
    for name, rows in found.items():
        ratio = rows[:, 2]
        error = ratio.std(ddof=1) / np.sqrt(len(ratio))
        assert abs(ratio.mean() - 1) < 4 * error + 0.04, name

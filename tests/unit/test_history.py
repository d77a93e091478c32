"""Runs on a history: it is part of what is run, kept with the run, and refused with nothing left behind."""

import subprocess
import sys
from shutil import copy

import pytest

from stress.jobs import prepare
from stress.runs import resume, start
from stress.store import RunFolder

CONFIG = """\
extends: small.yaml
run: {paths: 60}
dynamics: {kind: bootstrap, file: history.csv, interval: 60s, mean_block: 5m}
"""


@pytest.fixture
def given(root, tmp_path):
    """A folder with a config that resamples a history."""
    copy(root / "tests/configs/small.yaml", tmp_path)
    copy(root / "tests/configs/returns.csv", tmp_path / "history.csv")
    (tmp_path / "boot.yaml").write_text(CONFIG)
    return tmp_path


def test_another_history_is_another_run(given):
    one = prepare(given / "boot.yaml")
    history = given / "history.csv"
    history.write_text(history.read_text().replace("0.00", "0.01", 1))
    other = prepare(given / "boot.yaml")
    assert one.folder != other.folder
    history.rename(given / "moved.csv")
    (given / "boot.yaml").write_text(CONFIG.replace("history.csv", "moved.csv"))
    assert prepare(given / "boot.yaml").folder == other.folder


def test_a_run_goes_on_without_the_file(given):
    run = start(prepare(given / "boot.yaml"), given / "results", threads=1)
    before = (run.path / "cube.h5").read_bytes()
    (given / "history.csv").unlink()
    for shard in (run.path / "shards").iterdir():
        shard.unlink()
    (run.path / "cube.h5").unlink()
    resume(run.path, threads=1)
    assert (run.path / "cube.h5").read_bytes() == before
    assert list(RunFolder(run.path).manifest()["sources"].values())


@pytest.mark.parametrize("text", [None, "BTC,ETH\n", "BTC,ETH\n0.1,x\n", "BTC\n0.1\n", "\x00\x01"])
def test_what_is_no_history_leaves_nothing_behind(given, text):
    history = given / "history.csv"
    if text is None:
        history.unlink()
    else:
        history.write_text(text)
    out = given / "results"
    command = [sys.executable, "-m", "stress", "run", given / "boot.yaml", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "history" in done.stderr
    assert not out.exists()

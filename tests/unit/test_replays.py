"""One path of a run again: the same bits, told in numbers and in words."""

import dataclasses
import json
import re

import numpy as np
import pytest
import xarray as xr
from markupsafe import escape
from typer.testing import CliRunner

import stress
from kernels import engines
from kernels.outcome import PAYERS, Layout
from stress import cli, jobs, runs
from stress.errors import BackendError, ConfigError, ResultError, StoreError, StressError
from stress.io import open_group
from stress.replays import dataset
from stress.replays import path as replays
from stress.replays.figures import figures
from stress.replays.file import replay_bytes
from stress.replays.money import money
from stress.replays.page import html
from stress.replays.story import Event
from stress.store import RunFolder
from stress.terminal.replay import write
from stress.verify import verify
from stress.worst import NO_PATH
from tests.replays import calm
from tests.scenarios import require

N_PATH = 300


@pytest.fixture(scope="module")
def config(root):
    return root / "tests" / "configs" / "small.yaml"


@pytest.fixture(scope="module")
def ran(config, tmp_path_factory):
    """A finished run of the fused engine."""
    require("cpu")
    return stress.run(config, paths=N_PATH, backend="cpu", out=tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def lists(ran):
    return stress.open_run(ran.path, "worst")


@pytest.fixture(scope="module")
def worst(ran):
    return stress.replay(ran, worst=True)


@pytest.fixture(scope="module")
def unlisted(lists):
    """A path that is among nobody's worst."""
    return min(set(range(N_PATH)) - set(lists.path.values.ravel().tolist()))


def test_every_worst_path_has_the_loss_that_the_run_recorded(ran, lists):
    shape = jobs.reopen(RunFolder(ran.path)).scenario.shape
    seen = {}
    for v, t in np.ndindex(shape.n_venue + 1, shape.n_tier + 1):
        if (path := int(lists.path[v, t, 0])) == NO_PATH:
            continue
        found = seen.setdefault(path, stress.replay(ran, path=path))
        loss = found.row.loss.sel(component="total").values[v, t]
        assert loss.tobytes() == lists.loss.values[v, t, 0].tobytes()
    assert len(seen) > 2


def test_asked_by_venue_tier_and_rank(ran, lists):
    found = stress.replay(ran, worst={"venue": "alpha", "tier": "20-50x", "rank": 3})
    here = lists.sel(venue="alpha", tier="[20,50)", rank=3)
    assert found.path == int(here.path)
    assert found.asked in found.recorded
    assert found.asked == replays.Recorded("alpha", "[20,50)", 3, found.path, here.loss.values[()])


def test_the_row_is_that_of_the_run(ran, worst):
    job = jobs.reopen(RunFolder(ran.path))
    batch = engines.Engine("cpu", job.scenario).run_paths(job.config.run.seed, worst.path, 1)
    for name in ("loss", "liquidated", "fall", "exhaustion_time", "worst_window"):
        block = Layout(job.scenario.shape).view(batch.rows[0], name)
        stored = worst.row[name].values[tuple(slice(size) for size in block.shape)]
        assert np.array_equal(stored, block), name
    assert worst.dataset.forced.dtype == np.float32


def test_a_run_of_the_reference(config, tmp_path):
    run = stress.run(config, paths=6, backend="numpy", out=tmp_path)
    found = stress.replay(run, worst=True)
    assert found.asked is not None
    assert np.float32(dataset.cell(found.row)) == found.asked.loss
    assert found.dataset.forced.dtype == np.float64
    loss = f"${float(found.asked.loss):,.2f}"
    assert f"{loss}; in the run {loss}, the same bits" in write(found)


def test_a_path_that_is_not_among_the_worst(ran, unlisted):
    found = stress.replay(ran.path, path=unlisted)
    assert found.recorded == ()
    assert found.asked is None


def test_money_adds_up(worst):
    parts = worst.money
    assert [*parts] == ["alpha", "beta", "all"]
    assert parts["all"]["total"] > 1e6
    for found in parts.values():
        assert found["total"] == pytest.approx(found["margin_lost"] + found["deficit"], rel=1e-6)
        assert found["deficit"] == pytest.approx(sum(found[name] for name in PAYERS), rel=1e-4, abs=1)


def test_money_that_does_not_add_up_is_a_bug(worst):
    row = worst.row.copy(deep=True)
    row.loss.loc[{"component": "bad_debt", "venue": "beta", "tier": "all"}] += 1e9
    with pytest.raises(StressError, match=r"does not add up at beta.*please report"):
        money(row)


def test_another_loss_than_the_recorded_one_is_a_bug(worst):
    place = dataclasses.replace(worst.asked, loss=np.nextafter(worst.asked.loss, np.float32(0)))
    with pytest.raises(StressError, match="please report"):
        replays.check(worst.row, (place,))


def test_the_file(ran, worst, tmp_path):
    file = worst.save(tmp_path / "path.h5")
    assert file.read_bytes() == replay_bytes(stress.replay(ran, path=worst.path))
    root, rounds, row, log = (open_group(file, group) for group in ("/", "rounds", "row", "events"))
    for group in (root, rounds, row, log):
        for name, variable in group.variables.items():
            assert {"long_name", "definition"} <= {*variable.attrs}, name
            assert "units" in variable.attrs or variable.dtype.kind == "U", name
    assert root.price.dims == ("time", "asset", "venue")
    assert root.time.values[[0, -1]].tolist() == [1.0, 30.0]
    assert row.loss.equals(worst.row.loss)
    assert log.text.values.tolist() == [event.text for event in worst.events]
    step, asset = int(rounds.step[-1]), int(rounds.asset[-1])
    assert np.array_equal(rounds.flow.values[-1], root.flow.values[step, asset])
    with xr.open_dataset(file, engine="h5netcdf") as opened:
        assert opened.attrs["path"] == str(worst.path)
        assert opened.attrs["kernels_sha256"] == ran.manifest["kernels_sha256"]


def test_the_file_goes_into_the_folder_of_the_run(ran, unlisted):
    found = stress.replay(ran, path=unlisted)
    file = found.save()
    assert file == ran.path / f"replay-{unlisted}.h5"
    assert verify(RunFolder(ran.path)).problems == []
    with pytest.raises(ConfigError, match="there is no folder"):
        found.save(ran.path / "nowhere" / "x.h5")
    file.unlink()


def test_a_cube_of_another_run(config, ran, tmp_path):
    """Its worst paths are not those of the folder, so none of them is looked for here."""
    other = stress.run(config, paths=40, seed=99, backend="cpu", out=tmp_path)
    (other.path / "cube.h5").write_bytes((ran.path / "cube.h5").read_bytes())
    with pytest.raises(ResultError, match="is of another run than its folder"):
        stress.replay(other, worst=True)


def test_files_of_a_run_are_never_replaced(ran, worst):
    before = (ran.path / "cube.h5").read_bytes()
    shard = next((ran.path / "shards").iterdir())
    for target in (ran.path / "cube.h5", shard):
        with pytest.raises(ConfigError, match="in the folder of a run"):
            worst.save(target)
        with pytest.raises(ConfigError, match="in the folder of a run"):
            worst.save_page(target)
    assert (ran.path / "cube.h5").read_bytes() == before
    with pytest.raises(ConfigError, match="name of the page"):
        worst.save(ran.path / "replay-1.html")
    with pytest.raises(ConfigError, match="no file that could be replaced"):
        worst.save("/dev/null")


def test_a_cube_that_is_a_replay_is_found(ran, worst):
    """As an earlier version let it be written there."""
    whole = (ran.path / "cube.h5").read_bytes()
    (ran.path / "cube.h5").write_bytes(replay_bytes(worst))
    try:
        assert "is no cube" in verify(RunFolder(ran.path)).problems[0]
    finally:
        (ran.path / "cube.h5").write_bytes(whole)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"path": N_PATH}, "whose 300 paths are 0 to 299"),
        ({"path": -1}, "path -1 is not in this run"),
        ({}, "one of the two"),
        ({"path": 1, "worst": True}, "one of the two"),
        ({"worst": {"venue": "alpa"}}, 'no venue "alpa".*Did you mean "alpha"'),
        ({"worst": {"tier": "7-9x"}}, 'no tier "7-9x"'),
        ({"worst": {"colour": "red"}}, '"colour" is nothing to choose by'),
        ({"worst": {"rank": "x"}}, "not a whole number"),
        ({"worst": {"rank": 2.7}}, 'rank "2.7" is not a whole number'),
        ({"path": 1.5}, 'path "1.5" is not a whole number'),
        ({"worst": {"rank": 65}}, "keeps the 64 worst"),
        ({"worst": {"venue": "beta", "tier": "50-100x"}}, "no path of this run lost anything"),
    ],
)
def test_what_is_not_there_is_said(ran, asked, message):
    with pytest.raises(ConfigError, match=message):
        stress.replay(ran, **asked)


def test_a_run_that_is_not_finished(config, tmp_path):
    job = jobs.prepare(config, ["run.paths=20", "run.backend=numpy"])
    folder = RunFolder(tmp_path / job.folder)
    runs.begin(folder, job)
    with pytest.raises(StoreError, match=r"no run was finished there.*stress resume"):
        stress.replay(folder.path, path=0)
    with pytest.raises(StoreError, match="no run here"):
        stress.replay(tmp_path / "nowhere", path=0)


def test_another_version_of_the_engine(ran, monkeypatch):
    monkeypatch.setattr(jobs, "kernels_sha256", lambda: "0" * 64)
    with pytest.raises(StoreError, match="another version of the program"):
        stress.replay(ran, worst=True)


def test_runs_of_other_devices(ran, worst):
    """A run of a GPU is told by the processor; one of JAX has no traces."""
    folder = RunFolder(ran.path)
    there = dataclasses.replace(worst.job, backend="cuda")
    again = replays.recompute(folder, there, worst.path, worst.asked, worst.recorded)
    assert again.row.loss.equals(worst.row.loss)
    with pytest.raises(BackendError, match=r"jax keeps no traces.*--backend cpu"):
        replays.recompute(folder, dataclasses.replace(worst.job, backend="jax"), 0, None, ())


def run_verb(*arguments, code=0):
    done = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_the_verb(ran, worst, tmp_path):
    said = run_verb("replay", ran.path, "--worst", "venue=all", "--out", tmp_path / "a.h5")
    assert f"Path {worst.path} of" in said
    assert "the same bits (rank 1 of the worst)" in said
    assert "Where the money went" in said
    assert all(str(event) in said for event in worst.events)
    answer = json.loads(
        run_verb("replay", ran.path, "--path", worst.path, "--out", tmp_path / "a.h5", "--json")
    )
    assert answer["path"] == worst.path
    assert answer["loss"] == answer["recorded"][-1]["loss"] == float(worst.asked.loss)
    assert len(answer["events"]) == len(worst.events)
    assert (tmp_path / "a.html").is_file()
    assert answer["page"] == str(tmp_path / "a.html")
    with pytest.raises(ConfigError, match="Add --worst"):
        run_verb("replay", ran.path, "venue=alpha")
    with pytest.raises(ConfigError, match="is not KEY=VALUE"):
        run_verb("replay", ran.path, "--worst", "alpha")


def test_a_real_path_is_told_in_few_lines(worst):
    assert 5 <= len(worst.events) <= 80
    minutes = [event.minutes for event in worst.events]
    assert minutes == sorted(minutes)
    assert {"scheduled", "forced", "price", "course"} <= {event.kind for event in worst.events}
    for event in worst.events:
        assert isinstance(event, Event)
        assert "nan" not in event.text


@pytest.fixture(scope="module")
def page(worst):
    return html(worst).decode()


def test_the_page_stands_by_itself(ran, worst, page):
    """No address that a browser would open, no script but its own; the same bytes again."""
    assert html(stress.replay(ran, path=worst.path)).decode() == page
    outside = re.compile(r"""(?:src|href)\s*=\s*["'](?!#)""")
    assert not outside.search(page[: page.index("<script>")])
    assert escape("default-src 'none'") in page
    assert f"path {worst.path}" in page
    assert all(escape(event.text) in page for event in worst.events)


def test_figures_show_the_numbers_of_the_path(worst):
    found = figures(worst)
    assert {"price", "depth", "forced", "tiers", "funds"} <= {*found}
    for figure in found.values():
        for view in figure.views:
            assert view.table.rows
            for trace in view.data:
                assert len(trace["x"]) == len(trace["y"])
    sold = sum(np.abs(trace["y"]).sum() for trace in found["forced"].views[1].data)
    assert sold == pytest.approx(float(worst.dataset.forced[-1].sum()), rel=1e-5)
    by_tier = sum(np.abs(trace["y"]).sum() for trace in found["tiers"].views[1].data)
    assert by_tier == pytest.approx(sold, rel=1e-4)
    start, end = found["forced"].views[0].layout["xaxis"]["range"]
    assert 0 <= start < end <= 30


def test_a_calm_path_has_a_page(worst):
    steps, rounds, row = calm()
    quiet = dataclasses.replace(
        worst, dataset=steps, rounds=rounds, row=row, events=(), recorded=(), asked=None, status=()
    )
    assert "not among the worst" in html(quiet).decode()

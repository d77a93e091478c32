"""The command: what it prints, what it writes, with which exit code it ends."""

import json
import signal
import subprocess
import sys
from shutil import copytree

import pytest
from typer.testing import CliRunner

from kernels.outcome import Layout
from stress import cli
from stress.cli import rest
from stress.jobs import prepare
from stress.numbers import digits, ends, money, percent, times
from stress.opening import open_run
from stress.provenance import package_version
from stress.store import RunFolder
from stress.verify import verify
from tests.disks import mounted
from tests.scenarios import require

PATHS = ["--paths", "60"]


def stress(*arguments, cwd=None):
    command = [sys.executable, "-m", "stress", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def config(root):
    return str(root / "tests" / "configs" / "small.yaml")


@pytest.fixture(scope="module")
def ran(config, tmp_path_factory):
    """A run of sixty paths through the command: what it said, and its folder."""
    out = tmp_path_factory.mktemp("results")
    done = stress("run", config, *PATHS, "--out", out)
    assert done.returncode == 0, done.stderr
    (folder,) = out.iterdir()
    return done, folder


@pytest.fixture
def verb(monkeypatch):
    """Runs a verb in this process; returns what it printed."""

    def run(*arguments, code=0):
        done = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    return run


def test_run_prints_every_table(ran):
    done, folder = ran
    for title in (
        "99% expected shortfall of losses on forced positions, by venue and leverage tier",
        "Losses by venue, with 95% intervals",
        "Losses by leverage tier, all venues, with 95% intervals",
        "Who paid, mean: deficit = fund draw + ADL + socialised + bad debt",
        "Forced selling and insurance funds, with 95% intervals",
        "Largest falls of prices, with 95% intervals",
    ):
        assert title in done.stdout
    assert "60 paths: " in done.stdout
    assert str(folder / "cube.h5") in done.stdout
    assert "fewer than 50 paths lie beyond level" in done.stdout
    assert "A small crash on two venues" in done.stderr
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines if str(folder) not in line) <= 132
    assert not any(line.endswith(" ") for line in lines)
    rows = [line.split() for line in lines if line.startswith(("alpha ", "beta ", "all "))]
    assert len(rows) == 3 + 3 + 1 + 3 + 3
    assert "nan" not in done.stdout.lower()


GIVEN = "bad news (-6% over 10m from 5m), volatility x2 for 20m from 5m, depth x0.7 for 10m from 5m on beta"


def test_results_say_on_what_they_are_conditional(ran, verb, config, tmp_path):
    done, folder = ran
    words = " ".join(done.stdout.split())
    assert words.startswith(f"Given: {GIVEN}. Every probability and level below is conditional on it.")
    assert open_run(folder).attrs["conditional_on"] == GIVEN
    run = ["run", config, *PATHS, "--out"]
    assert json.loads(verb(*run, folder.parent, "--json"))["conditional_on"] == GIVEN
    calm = ["--set", "overlays=[]"]
    assert "Given:" not in verb(*run, tmp_path, *calm)
    assert json.loads(verb(*run, tmp_path, *calm, "--json"))["conditional_on"] is None


def test_run_as_json(ran, verb, config):
    _, folder = ran
    found = json.loads(verb("run", config, *PATHS, "--out", folder.parent, "--json"))
    assert found["path"] == str(folder)
    assert found["n_path"] == 60
    loss = found["loss"]["all"]["all"]["es"]
    assert loss["lower"] <= loss["value"]
    assert set(found["venues"]["alpha"]["exhaustion_probability"]) == {"value", "lower", "upper"}
    assert set(found["assets"]) == {"BTC", "ETH"}
    manifest = RunFolder(folder).manifest()
    assert (found["name"], found["seed"], found["backend"]) == ("small", "20251010", manifest["backend"])
    assert found["confidence"] == 0.95
    assert len(found["config_sha256"]) == 64
    assert any("fewer than 50 paths" in warning for warning in found["warnings"])
    paid = {name: numbers["mean"]["value"] for name, numbers in found["components"]["all"].items()}
    assert paid["total"] == pytest.approx(paid["margin_lost"] + paid["deficit"], rel=1e-6)
    assert paid["deficit"] == pytest.approx(paid["fund_draw"] + paid["adl"] + paid["bad_debt"], rel=1e-6)
    assert found["components"]["all"]["total"] == found["loss"]["all"]["all"]


def test_a_market_that_falls_by_itself_is_warned_of():
    found = {"supercritical": True, "reason": "books are thin"}
    assert rest.warnings_at_rest(found) == ["the market is supercritical at rest: books are thin"]
    assert rest.warnings_at_rest({"supercritical": False}) == []


def test_status_and_verify(ran, verb):
    _, folder = ran
    assert "60 of 60 paths, 2 of 2 shards" in verb("status", folder)
    assert json.loads(verb("status", folder, "--json"))["finished"] is True
    assert f"{folder}: nothing wrong; 6 files looked at, 1 shards computed again" in verb(
        "verify", folder, "--recompute", 1
    )
    assert json.loads(verb("verify", folder, "--json"))["problems"] == []


def test_verify_ends_with_four_on_damage(config, tmp_path):
    assert stress("run", config, *PATHS, "--out", tmp_path, "--json").returncode == 0
    (folder,) = tmp_path.iterdir()
    (folder / "cube.h5").write_bytes((folder / "cube.h5").read_bytes()[:-1])
    done = stress("verify", folder)
    assert done.returncode == 4
    assert "cube.h5 is damaged" in done.stderr
    assert stress("status", folder).returncode == 2


def test_check_and_show(verb, config):
    assert "nothing wrong. 2 venues, 2 assets, 8 tiers, 30 steps; 200 paths" in verb("check", config)
    assert json.loads(verb("check", config, "--json", "--set", "run.step=30s"))["steps"] == 60
    assert "paths: 70" in verb("show", config, "--set", "run.paths=70").replace("'", "")
    assert json.loads(verb("show", config, "--json"))["run"]["seed"] == "20251010"


def test_plan(verb, config):
    text = verb("plan", config, "--paths", "1000")
    assert "1,000 in 20 shards of up to 50" in text
    assert "microseconds a path, measured" in text
    found = json.loads(verb("plan", config, "--json"))
    assert found["cells"] == Layout(prepare(str(config), []).scenario.shape).n_cell
    assert 100e6 < found["memory_bytes"] < 700e6
    assert found["seconds"] > 0
    assert found["at_rest"]["supercritical"] is False


def test_bench(verb, config):
    found = json.loads(verb("bench", config, "--paths", "64", "--repeats", "1", "--json"))
    for name, numbers in found["engines"].items():
        assert numbers["path_steps_per_second_per_core"]["best"] > 0, name
        assert 0 <= numbers["quiet_fraction"] <= 1
        assert {"rounds_per_path_step", "flushes_per_path_step", "cpu_seconds", "wall_seconds"} <= set(
            numbers
        )
    if len(found["engines"]) == 2:
        assert found["cpu_over_numpy"] > 1
    assert "path-steps/s/core" in verb("bench", config, "--paths", "64", "--repeats", "1")


def test_devices_and_schema(verb):
    assert "numpy" in verb("devices")
    assert "numpy" in json.loads(verb("devices", "--json"))["engines"]
    assert json.loads(verb("schema"))["$defs"]


def test_bad_config_ends_with_two_and_leaves_nothing(tmp_path, config, root):
    done = stress(
        "run",
        config,
        "--set",
        "run.horizon=5",
        "--set",
        "venues.alpha.insurence_fund=$1",
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    as_json = stress("check", tmp_path, "--json")
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["problems"]
    bad = stress("check", root / "tests" / "configs" / "bad" / "no_unit.yaml", "--json")
    (problem, *_) = json.loads(bad.stdout)["problems"]
    assert problem["file"].endswith("no_unit.yaml")
    assert problem["line"] > 0 < problem["column"]
    assert {"path", "problem", "why", "suggestion"} < set(problem)
    assert problem["text"] in json.loads(bad.stdout)["error"]


def test_usage_errors_end_with_two(config):
    for arguments in (["run"], ["fly"], ["run", config, "--speed", "9"], ["run", config, "--threads", "-1"]):
        done = stress(*arguments, "--json")
        assert (done.returncode, done.stdout) == (2, "")


def test_missing_backend_ends_with_three(config, monkeypatch, tmp_path):
    code = (
        "from kernels import engines\nengines.missing = lambda name: 'not built' if name == 'cpu' else None\n"
        "from stress.cli import main\nmain()\n"
    )
    command = [sys.executable, "-c", code, "run", config, "--backend", "cpu", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3
    assert 'backend "cpu" is not there (not built)' in done.stderr
    assert not (tmp_path / "out").exists()


def test_engine_without_a_mechanism_ends_with_three(config, tmp_path):
    require("jax")
    code = "from kernels import engine_jax\nengine_jax.KNOWN = ()\nfrom stress.cli import main\nmain()\n"
    command = [sys.executable, "-c", code, "run", config, "--backend", "jax", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3
    assert "the engine jax does not have these mechanisms yet: adl." in done.stderr


def test_folders_that_refuse_end_with_four(config, tmp_path):
    (tmp_path / "file").write_text("")
    done = stress("run", config, *PATHS, "--out", tmp_path / "file")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_ends_with_four_and_its_shards_are_good(config, tmp_path):
    options = ["--paths", "3000", "--set", "run.shard_paths=200"]
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "disk", "size=1m"):
        done = stress("run", config, *options, "--out", tmp_path / "disk")
        assert done.returncode == 4, done.stderr
        assert "no space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        (folder,) = (tmp_path / "disk").iterdir()
        assert not list(folder.rglob(".*"))
        kept = RunFolder(folder).shards()
        assert 0 < len(kept) < 15
        copytree(folder, tmp_path / folder.name)
    assert verify(RunFolder(tmp_path / folder.name)).problems == []
    assert stress("resume", tmp_path / folder.name).returncode == 0


def test_an_unwritable_folder_ends_with_four(config, tmp_path):
    with mounted(tmp_path, "ro"):
        done = stress("run", config, *PATHS, "--out", tmp_path / "results")
    assert done.returncode == 4
    assert "read-only file system" in done.stderr
    assert "Give a folder that you may write to (`stress run --out`)" in done.stderr


def test_a_closed_pipe_is_no_error(config, ran):
    for arguments in (f"show {config}", f"status {ran[1]}"):
        done = subprocess.run(
            f"{sys.executable} -m stress {arguments} | true; exit ${{PIPESTATUS[0]}}",
            shell=True, executable="/bin/bash", capture_output=True, text=True,
        )  # fmt: skip
        assert done.stderr == ""
        assert done.returncode == 128 + signal.SIGPIPE


def test_version_and_help():
    assert stress("--version").stdout == f"stress {package_version()}\n"
    assert "Stress tests of liquidation cascades" in stress("--help").stdout


def test_what_is_no_run_ends_with_two(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = stress("status", tmp_path / "notes.txt", "--json")
    assert done.returncode == json.loads(done.stdout)["exit_code"] == 2
    assert done.stderr.startswith("stress: there is no run here: ")
    assert len(done.stderr.splitlines()) == 1


def test_runs_from_any_folder(config, tmp_path):
    assert stress("run", config, *PATHS, cwd=tmp_path).returncode == 0
    assert [path.name.split("-")[0] for path in (tmp_path / "results").iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "$0"), (12.4, "$12"), (999.6, "$1.00k"), (1234, "$1.23k"), (99_950, "$100k"), (1.2345e9, "$1.23B"),
     (999.4e6, "$999M"), (999.6e6, "$1.00B"), (19.5e9, "$19.5B"), (2e12, "$2.00T"), (None, "")],
)  # fmt: skip
def test_money(value, text):
    assert money(value) == text


def test_numbers_and_intervals():
    assert [digits(v) for v in (0, 0.123, 1.234, 12.34, 123.4, 999.9)] == [
        "0.00",
        "0.12",
        "1.23",
        "12.3",
        "123",
        "1000",
    ]
    assert [percent(v) for v in (0.0, 0.0123, 0.5, 1.0, None)] == ["0.00%", "1.23%", "50.0%", "100%", ""]
    assert times(1.234) == "1.23x"
    assert ends({"value": 3.2e9, "lower": 3.1e9, "upper": 3.32e9}) == "3.10–3.32B"
    assert ends({"value": 1e9, "lower": 998e6, "upper": 1.003e9}) == "998M–1.00B"
    assert ends({"value": 3.2e9, "lower": 3.1999e9, "upper": 3.2011e9}) == "3.200–3.201B"
    assert ends({"value": 3.2e9, "lower": 3.1e9, "upper": None}) == "3.10B–∞"
    assert ends({"value": 3.5e6, "lower": 609.0, "upper": 19.8e9}) == "$609–$19.8B"
    assert ends({"value": 3.5e6, "lower": 0.0, "upper": 4e6}) == "0–4.00M"
    assert ends({"value": 0.0, "lower": 0.0, "upper": 0.0}) == ""
    assert ends({"value": 0.5, "lower": 0.4, "upper": 0.6}, percent) == "40.0–60.0%"


def test_studies_end_with_the_code_of_their_problem(config, root, tmp_path):
    quiet = root / "configs/events/quiet-day.yaml"
    page = tmp_path / "page.md"
    page.write_text("nothing to renew\n")
    wrong = [
        (2, "does not exist", ("validate", tmp_path / "none.yaml")),
        (2, "unknown key", ("validate", root / "configs/oct-2025.yaml")),
        (2, "has no block", ("validate", quiet, "--card", page)),
        (3, "keeps no traces", ("validate", quiet, "--backend", "bogus")),
        (2, "not a power of two", ("sensitivity", config, "--sobol", 3)),
        (2, "Try 2", ("sensitivity", config, "--sobol", 1)),
        (2, "does not exist", ("sensitivity", config, "--register", tmp_path / "none.yaml")),
    ]
    for code, words, arguments in wrong:
        done = stress(*arguments, cwd=root)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert page.read_text() == "nothing to renew\n"

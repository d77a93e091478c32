"""What `benchmarks/gpu.py` decides before it times anything."""

import importlib.util
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from kernels import engine_cuda
from kernels.batch import EngineError
from tests.lockstep import machine
from tests.parity.variants import compiled
from tests.scenarios import require


@pytest.fixture(scope="module")
def benchmark(pytestconfig):
    spec = importlib.util.spec_from_file_location(
        "gpu_benchmark", pytestconfig.rootpath / "benchmarks/gpu.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_bit_that_differs_is_seen(benchmark, tmp_path_factory, monkeypatch):
    require("cpu")
    scenario, device = compiled("as it is"), machine.Machine(machine.shared_folder(tmp_path_factory))
    engine = engine_cuda.Prepared(scenario, device, device.compiled)
    assert benchmark.agrees(benchmark.compare(engine, scenario, 3))
    monkeypatch.setattr(benchmark, "REPEATS", 2)
    assert len(benchmark.digests(engine, 2)) == 1
    assert benchmark.speed(engine, scenario.shape.n_step, 2, repeats=1)["path_steps_per_second"] > 0
    run_paths = engine.run_paths

    def one_bit_off(*arguments):
        batch = run_paths(*arguments)
        batch.rows.view(np.uint32)[1, 0] ^= 1
        return batch

    monkeypatch.setattr(engine, "run_paths", one_bit_off)
    found = benchmark.compare(engine, scenario, 3)
    assert not benchmark.agrees(found)
    assert (found["rows_that_differ"], found["first"]) == (1, 1)


@pytest.fixture
def small(root, tmp_path):
    """The small config as the variants have it, so that one kernel does for both."""
    text = (root / "tests/configs/small.yaml").read_text()
    for name in ("positions", "returns.csv"):
        (tmp_path / name).symlink_to(root / "tests/configs" / name)
    path = tmp_path / "small.yaml"
    path.write_text(re.sub(r"horizon: .*", "horizon: 25m", text))
    return path


def test_dry_run(benchmark, small, tmp_path_factory, monkeypatch):
    """All of it but the GPU: cards are emulated, JAX answers what it is told to."""
    require("cpu")
    folder, saved, said = machine.shared_folder(tmp_path_factory), [], []
    monkeypatch.setattr(benchmark, "REPEATS", 2)
    monkeypatch.setattr(benchmark, "said_by", lambda *command: command[0])
    monkeypatch.setattr(benchmark.nvrtc, "version", lambda: (13, 5))

    genuine = benchmark.subprocess.run

    def answer(command, **options):
        if "--jax" not in command:
            return genuine(command, **options)
        said.append(command[-2:])
        return SimpleNamespace(returncode=len(said) - 1, stdout='{"paths": 7}', stderr="")

    def make(scenario, mapping):
        card = machine.Machine(folder)
        return engine_cuda.Prepared(scenario, card, card.compiled, mapping)

    monkeypatch.setattr(benchmark.subprocess, "run", answer)
    found = benchmark.report([small], 3, 2, benchmark.Clock(600), make, lambda part: saved.append(len(part)))
    assert found["agree"] is True
    assert set(found["bits"]) == set(found["speed"]) == {"small, lanes", "small, thread"}
    assert all(speed["counted_path_steps_per_second"] > 0 for speed in found["speed"].values())
    assert found["tallies"] == {"small": []}
    assert (found["jax"], said) == ({"small": {"paths": 7}}, [["--jax", str(small)]])
    assert benchmark.jax_speeds([small], benchmark.Clock(0)) == {"small": {"left_out": ['{"paths": 7}']}}
    assert saved == sorted(saved)
    assert len(saved) == 3
    json.dumps(found)
    late = benchmark.report([small], 3, 2, benchmark.Clock(0), make, saved.append)
    assert late["left_out"] == ["small, lanes", "small, thread"]

    def lanes_alone(scenario, mapping):
        if mapping == "thread":
            raise EngineError("no room")
        return make(scenario, mapping)

    part = benchmark.correctness({"small": compiled("as it is")}, 2, lanes_alone, benchmark.Clock(600))
    assert (part["agree"], part["left_out"]) == (True, ["small, thread: no room"])
    assert late["speed"]["small, thread"] == {"left_out": "no time left"}


def test_nothing_is_timed_where_bits_differ(benchmark, small, monkeypatch):
    monkeypatch.setattr(benchmark, "machine", dict)
    monkeypatch.setattr(benchmark, "correctness", lambda *_: {"agree": False})
    found = benchmark.report([small], 3, 2, benchmark.Clock(600), None, lambda part: None)
    assert found == {"agree": False}


def test_kernels_are_compiled_for_both_mappings(benchmark, monkeypatch):
    headers = {}
    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", lambda n, mp_context: ThreadPoolExecutor(1))
    monkeypatch.setattr(benchmark.cubins, "cubin", headers.setdefault)
    runs = {"oct-2025": compiled("as it is"), "other": compiled("calm")}
    assert list(benchmark.compile_all(runs, "sm_90")) == [
        "oct-2025, lanes",
        "oct-2025, thread",
        "other, lanes",
    ]
    assert sum("THREAD_A_PATH" in text for text in headers) == 1


def test_jax_is_timed_apart(benchmark, small, monkeypatch):
    pytest.importorskip("jax")
    calls = []
    fake = SimpleNamespace(run_paths=lambda *arguments: calls.append(arguments))
    monkeypatch.setattr("kernels.engines.Engine", lambda name, scenario: fake)
    found = benchmark.jax_speed(small, 16)
    assert calls == [(1, 0, 16)] * 4
    assert found["path_steps_per_second"] > 0
    assert found["device"]


def test_without_a_gpu_nothing_is_measured(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark.engine_cuda, "missing", lambda: "there is no NVIDIA driver on this machine")
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    assert benchmark.main() == 3
    assert "no NVIDIA driver" in capsys.readouterr().err

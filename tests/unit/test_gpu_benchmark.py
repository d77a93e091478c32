"""What `benchmarks/gpu.py` decides before it times anything."""

import importlib.util

import numpy as np
import pytest

from kernels import engine_cuda
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
    spec.loader.exec_module(module)
    return module


def test_a_bit_that_differs_is_seen(benchmark, tmp_path, monkeypatch):
    require("cpu")
    scenario, device = compiled("as it is"), machine.Machine(tmp_path)
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


def test_without_a_gpu_nothing_is_measured(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark.engine_cuda, "missing", lambda: "there is no NVIDIA driver on this machine")
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    assert benchmark.main() == 3
    assert "no NVIDIA driver" in capsys.readouterr().err

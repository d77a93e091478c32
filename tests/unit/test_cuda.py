"""What of the GPU engine needs no GPU: its kernel compiles, within limits, and what is missing is said."""

import dataclasses
import json
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernels import engine_cuda, packed
from kernels.batch import EngineError
from kernels.cuda import cubins, gpu, nvrtc, source
from kernels.cuda.blocks import Block
from kernels.cuda.usage import Usage, complaints, usage
from kernels.packing import pack
from stress.compile import compile_config
from stress.config import load
from stress.errors import BackendError
from stress.jobs import choose_backend, prepare
from stress.shards import compute
from tests.lockstep import machine
from tests.parity.variants import compiled

LIMITS = json.loads(Path(__file__).with_name("cuda_limits.json").read_text())


def header(scenario, n_closing=1024, mapping=source.MAPPING):
    return source.header(scenario, pack(scenario, [name for _, name in packed.arrays()]), n_closing, mapping)


@pytest.fixture
def compiler():
    if missing := nvrtc.missing():
        pytest.skip(missing)


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("architecture", LIMITS)
def test_kernel_compiles_within_limits(root, architecture):
    """On two architectures, and two markets that share few mechanisms."""
    scenario = (
        compile_config(load(root / "configs/oct-2025.yaml"))
        if architecture == "sm_90"
        else compiled("vaults beside accounts and orders, bad debt")
    )
    built = cubins.compile_cubin(header(scenario), architecture)
    assert complaints(built.log) == []
    assert built.cubin[:4] == b"\x7fELF"
    found, limits = dataclasses.asdict(usage(built.log, built.cubin)), LIMITS[architecture]["lanes"]
    assert {name: value for name, value in found.items() if value > limits[name]} == {}


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("architecture", LIMITS)
def test_the_other_mapping_compiles_within_limits(root, architecture):
    """A thread for a path: half a minute for the compiler, most of it before registers are given out."""
    text = header(compile_config(load(root / "configs/oct-2025.yaml")), mapping="thread")
    built = cubins.compile_cubin(text, architecture)
    assert complaints(built.log) == []
    found = dataclasses.asdict(usage(built.log, built.cubin))
    limits = LIMITS[architecture]["thread"]
    assert {name: value for name, value in found.items() if value > limits[name]} == {}


def test_blocks_hold_as_many_paths_as_they_have_threads_for():
    """Launched in groups of threads that the paths of a block fill, but no more than run at once."""
    launches = []

    class Card(machine.Machine):
        def load(self, path, name):
            return lambda grid, threads, arguments, stream: launches.append((grid, threads))

    for mapping, count in [("lanes", 9), ("lanes", 10**5), ("thread", 65), ("thread", 10**5)]:
        card = Card(Path())
        card.multiprocessors = 3
        engine = engine_cuda.Prepared(compiled("calm"), card, lambda *_: Path(), mapping)
        Block(engine, count, 16).launch(1, 0, None, 0, count)
    assert launches == [(2, 128), (12, 128), (2, 64), (12, 64)]


@pytest.mark.usefixtures("compiler")
def test_compile_errors_are_those_of_the_compiler():
    with pytest.raises(nvrtc.CompileError, match="expected a"):
        nvrtc.compile_source("__global__ void f() { int }", "f.cu", {}, ["--gpu-architecture=sm_90"])


@pytest.mark.usefixtures("compiler")
def test_bits_are_guarded_by_the_options():
    """With these options products are not fused into sums, and small numbers are not flushed to zero."""
    text = 'extern "C" __global__ void f(float* x) { x[0] = x[0] * x[1] + x[2]; }'
    options = [option for option in source.OPTIONS if "ptxas" not in option]

    def fused(more):
        cubin = nvrtc.compile_source(text, "f.cu", {}, ["--gpu-architecture=sm_90", *options, *more]).cubin
        plain = nvrtc.compile_source(text, "f.cu", {}, ["--gpu-architecture=sm_90", *options]).cubin
        return cubin != plain

    assert not fused([])
    assert fused(["--fmad=true"])
    assert fused(["--ftz=true"])


def test_log_is_read():
    log = (
        "ptxas info    : Function properties for f\n"
        "ptxas         .     8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads\n"
        "ptxas info    : Used 56 registers, used 0 barriers, 4032 bytes cumulative stack size\n"
        "paths.cu(3): warning #177-D: variable was declared but never referenced\n"
    )
    assert usage(log, b"12345") == Usage(56, 4032, 12, 5)
    assert complaints(log) == ["paths.cu(3): warning #177-D: variable was declared but never referenced"]


def test_header_holds_the_sizes_of_the_run():
    text = header(compiled("as it is"), 77)
    assert "constexpr int MAX_CLOSING = 77;" in text
    assert "    static constexpr int n_venue = 2;" in text
    assert "    const float* depth;" in text
    assert "    static constexpr const float* funding_cap = nullptr;" in text


def test_cubins_are_kept(monkeypatch, tmp_path):
    asked = []

    def compile_cubin(text, architecture):
        asked.append((text, architecture))
        return nvrtc.Compiled(f"{text} for {architecture}".encode(), "")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cubins, "compile_cubin", compile_cubin)
    monkeypatch.setattr(nvrtc, "version", lambda: (13, 0))
    one, again = cubins.cubin("a", "sm_80"), cubins.cubin("a", "sm_80")
    assert one == again
    assert one.read_bytes() == b"a for sm_80"
    assert one.parent == tmp_path / "liquidation-stress" / "cubins"
    assert len({one, cubins.cubin("a", "sm_90"), cubins.cubin("b", "sm_80")}) == 3
    monkeypatch.setattr(nvrtc, "version", lambda: (13, 1))
    assert cubins.cubin("a", "sm_80") != one
    assert asked == [("a", "sm_80"), ("a", "sm_90"), ("b", "sm_80"), ("a", "sm_80")]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cubins.cubin("a", "sm_80").read_bytes() == b"a for sm_80"


class CudaError(RuntimeError):
    pass


def cupy(driver=13020, count=1, error=None, major=9, memory=(30 << 30, 140 << 30), majors=None, broken=""):
    """Stands for CuPy on some machine."""

    def device_count():
        if error:
            raise CudaError(error)
        return count

    def properties(number):
        if broken:
            raise CudaError(broken)
        return {"name": b"Card", "major": majors[number] if majors else major, "minor": 0}

    runtime = SimpleNamespace(
        CUDARuntimeError=CudaError,
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 13020,
        getDeviceCount=device_count,
        getDeviceProperties=properties,
        setDevice=lambda _: None,
        memGetInfo=lambda: memory,
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))


TOO_OLD = "the NVIDIA driver is too old: it knows CUDA 12.4, CuPy needs 13.2"


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (None, "CuPy is not installed"),
        (cupy(driver=0), "there is no NVIDIA driver on this machine"),
        (cupy(driver=12040, error="cudaErrorInsufficientDriver: too old"), TOO_OLD),
        (cupy(error="cudaErrorNoDevice: none"), "finds no GPU"),
        (cupy(count=0), "finds no GPU"),
        (cupy(broken="cudaErrorDevicesUnavailable: busy"), "the GPU cannot be used (cudaErrorDevices"),
        (cupy(count=2, major=6), "the GPU is too old: Card has compute capability 6.0, and 7.5 is the least"),
    ],
)
def test_what_is_missing_is_said(monkeypatch, machine, reason):
    monkeypatch.setitem(sys.modules, "cupy", machine)
    assert reason in gpu.missing()
    assert gpu.describe() is None
    with pytest.raises(BackendError, match=re.escape(reason)) as error:
        choose_backend("cuda")
    assert error.value.exit_code == 3
    assert choose_backend("auto") != "cuda"


def test_without_a_compiler_there_is_no_engine(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    monkeypatch.setattr(nvrtc, "candidates", lambda: [])
    nvrtc.library.cache_clear()
    try:
        assert "NVRTC is not installed" in gpu.missing()
        with pytest.raises(BackendError, match="NVRTC is not installed"):
            choose_backend("cuda")
    finally:
        nvrtc.library.cache_clear()


class DriverError(RuntimeError):
    pass


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        (DriverError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), MemoryError, "OUT_OF_MEMORY"),
        (CudaError("cudaErrorMemoryAllocation: out of memory"), MemoryError, "MemoryAllocation"),
        (DriverError("CUDA_ERROR_NO_BINARY_FOR_GPU"), EngineError, "the GPU failed: CUDA_ERROR_NO_BINARY"),
    ],
)
def test_what_a_gpu_refuses_is_said(monkeypatch, said, error, told):
    fake = cupy()
    fake.cuda.driver = SimpleNamespace(CUDADriverError=DriverError)
    fake.cuda.runtime.getDeviceProperties = lambda _: {
        "name": b"Card", "major": 9, "minor": 0, "multiProcessorCount": 132,
    }  # fmt: skip

    def refuse(path):
        raise said

    fake.RawModule = fake.asarray = refuse
    fake.empty = fake.zeros = lambda shape, dtype: refuse(shape)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    card = gpu.Gpu()
    assert (card.architecture, card.multiprocessors) == ("sm_90", 132)
    with pytest.raises(error, match=told):
        card.load(Path("a.cubin"), "run_paths")
    for ask in (lambda: card.upload([1]), lambda: card.empty(1, int), lambda: card.zeros(1, int)):
        with pytest.raises(error, match=told):
            ask()


def test_a_gpu_is_described(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    monkeypatch.setattr(nvrtc, "missing", lambda: None)
    assert gpu.missing() is None
    assert gpu.describe() == "Card, compute capability 9.0, 30.0 of 140.0 GiB free, driver for CUDA 13.2"


def test_gpus_that_are_too_old_are_passed_by(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy(count=3, majors=[9, 6, 9]))
    monkeypatch.setattr(nvrtc, "missing", lambda: None)
    assert gpu.missing() is None
    assert gpu.usable() == [0, 2]
    assert gpu.describe().startswith("2 GPUs, the first Card, compute capability 9.0")


def test_an_old_gpu_in_front_is_not_taken(monkeypatch):
    fake = cupy(count=2, majors=[6, 9])
    fake.cuda.driver = SimpleNamespace(CUDADriverError=DriverError)
    plain, taken = fake.cuda.runtime.getDeviceProperties, []
    fake.cuda.runtime.getDeviceProperties = lambda number: plain(number) | {"multiProcessorCount": 132}
    fake.cuda.runtime.setDevice = taken.append
    monkeypatch.setitem(sys.modules, "cupy", fake)
    assert gpu.Gpu().architecture == "sm_90"
    assert taken == [1]


def test_every_gpu_gets_a_worker(monkeypatch):
    """A card alone is used by the thread that asks; several have a thread each, and the card as its own."""
    made = []

    class Prepared:
        def __init__(self, scenario, device=None):
            self.scenario = scenario
            made.append((device and device.number, threading.current_thread() is threading.main_thread()))

        def close(self):
            pass

    monkeypatch.setattr(engine_cuda, "Prepared", Prepared)
    monkeypatch.setattr(gpu, "Gpu", lambda number: SimpleNamespace(number=number))
    monkeypatch.setattr(engine_cuda, "_last", [])
    monkeypatch.setattr(gpu, "usable", lambda: [0])
    assert isinstance(engine_cuda.prepared("one"), Prepared)
    monkeypatch.setattr(gpu, "usable", lambda: [0, 2])
    engine = engine_cuda.prepared("other")
    assert engine_cuda.prepared("other") is engine
    assert made == [(None, True), (0, False), (2, False)]
    engine.close()


def test_what_does_not_compile_or_fit_ends_with_three(root, monkeypatch):
    """The compiler's message, or how much memory is wanted, as an error of the machine."""
    job = dataclasses.replace(prepare(root / "tests/configs/small.yaml"), backend="cuda")

    def compiled_by(compiler, card):
        monkeypatch.setattr(engine_cuda, "_last", [])
        monkeypatch.setattr(engine_cuda, "on_all", lambda s: engine_cuda.Prepared(s, card, compiler))
        return compute(job, (0, 3))

    def refuse(header, architecture):
        raise nvrtc.CompileError("paths.cu(3): error: expected a declaration")

    with pytest.raises(BackendError, match="expected a declaration") as error:
        compiled_by(refuse, machine.Machine(Path()))
    assert error.value.exit_code == 3

    class Full(machine.Machine):
        def upload(self, array):
            raise MemoryError("out of memory")

    with pytest.raises(BackendError, match="memory of the GPU does not suffice for 64 paths") as error:
        compiled_by(lambda *_: Path(), Full(Path()))
    assert error.value.exit_code == 3

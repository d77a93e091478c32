"""A GPU as the engine needs it, through CuPy: what there is, memory, a kernel, blocks that stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kernels.batch import EngineError
from kernels.cuda import nvrtc

LEAST_CAPABILITY = 75
"""Compute capability, times ten, that the compiler still knows and the kernel needs."""

HINT = "pip install 'liquidation-stress[cuda]' brings it"


def missing() -> str | None:
    """Why the machine cannot run the engine on a GPU, in a sentence; None if it can."""
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        return f"CuPy is not installed ({HINT}; {error})"
    runtime = cupy.cuda.runtime
    driver = runtime.driverGetVersion()
    if not driver:
        return "there is no NVIDIA driver on this machine"
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if "InsufficientDriver" in str(error):
            wanted = cuda_version(runtime.runtimeGetVersion())
            return f"the NVIDIA driver is too old: it knows CUDA {cuda_version(driver)}, CuPy needs {wanted}"
        return f"the NVIDIA driver finds no GPU ({error})"
    if not count:
        return "the NVIDIA driver finds no GPU"
    try:
        name, capability = name_and_capability(cupy)
        there = usable()
    except runtime.CUDARuntimeError as error:
        return f"the GPU cannot be used ({error})"
    if not there:
        known = f"{capability / 10:.1f}, and {LEAST_CAPABILITY / 10:.1f} is the least"
        return f"the GPU is too old: {name} has compute capability {known}"
    return nvrtc.missing()


def describe() -> str | None:
    """Name, memory and driver of the GPU that would be used, in a sentence; None without one."""
    if missing():
        return None
    cupy = import_module("cupy")
    name, capability = name_and_capability(cupy, usable()[0])
    driver = cuda_version(cupy.cuda.runtime.driverGetVersion())
    try:
        free, total = cupy.cuda.runtime.memGetInfo()
        memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        memory = f"memory not known ({error})"
    number = len(usable())
    if number > 1:
        name = f"{number} GPUs, the first {name}"
    return f"{name}, compute capability {capability / 10:.1f}, {memory}, driver for CUDA {driver}"


def usable() -> list[int]:
    """Numbers of the GPUs that the kernel runs on."""
    cupy = import_module("cupy")
    numbers = range(cupy.cuda.runtime.getDeviceCount())
    return [number for number in numbers if name_and_capability(cupy, number)[1] >= LEAST_CAPABILITY]


def name_and_capability(cupy, number: int = 0) -> tuple[str, int]:
    """Of a GPU; the capability times ten."""
    properties = cupy.cuda.runtime.getDeviceProperties(number)
    return properties["name"].decode(), 10 * properties["major"] + properties["minor"]


def cuda_version(number: int) -> str:
    """As CUDA counts its versions: 13020 is 13.2."""
    return f"{number // 1000}.{number % 1000 // 10}"


class Gpu:
    """A GPU, the first one that the kernel runs on by default; the thread that makes this has it as its own
    from then on. Where its memory does not suffice, `MemoryError` is raised."""

    def __init__(self, number: int | None = None):
        self.cupy = cupy = import_module("cupy")
        with self.errors():
            number = next(iter(usable()), 0) if number is None else number
            cupy.cuda.runtime.setDevice(number)
        self.architecture = f"sm_{name_and_capability(cupy, number)[1]}"
        self.multiprocessors = cupy.cuda.runtime.getDeviceProperties(number)["multiProcessorCount"]

    def upload(self, array: np.ndarray):
        """A copy of an array."""
        with self.errors():
            return self.cupy.asarray(array)

    def address(self, array) -> int:
        return array.data.ptr

    def load(self, path: Path, name: str) -> Callable[..., None]:
        """A kernel of a cubin: called with grid, threads, arguments and stream."""
        with self.errors():
            function = self.cupy.RawModule(path=str(path)).get_function(name)

        def launch(grid: int, threads: int, arguments: tuple[Any, ...], stream) -> None:
            with self.errors(), stream:
                function((grid,), (threads,), arguments)

        return launch

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What CuPy says of the GPU: `MemoryError` where memory does not suffice, else `EngineError`."""
        cuda = self.cupy.cuda
        try:
            yield
        except (cuda.driver.CUDADriverError, cuda.runtime.CUDARuntimeError) as error:
            if "OUT_OF_MEMORY" in str(error) or "MemoryAllocation" in str(error):
                raise MemoryError(str(error)) from error
            raise EngineError(f"the GPU failed: {error}") from error

    def stream(self):
        with self.errors():
            return self.cupy.cuda.Stream(non_blocking=True)

    def empty(self, shape, dtype):
        with self.errors():
            return self.cupy.empty(shape, dtype)

    def zeros(self, shape, dtype):
        with self.errors():
            return self.cupy.zeros(shape, dtype)

    def wait(self) -> None:
        """Until all that was asked for is done, on every stream."""
        with self.errors():
            self.cupy.cuda.runtime.deviceSynchronize()

    def download(self, array, out: np.ndarray, stream) -> None:
        """Into host memory, after what the stream has still to do."""
        with self.errors():
            array.get(stream=stream, out=out)

    def release(self) -> None:
        """Hand back memory that nobody holds."""
        self.cupy.get_default_memory_pool().free_all_blocks()

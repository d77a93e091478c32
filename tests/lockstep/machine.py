"""Sixteen threads in lock step without a GPU: the library, and what `engine_cuda` takes for a GPU."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from kernels import packed
from kernels.outcome import COUNTERS
from kernels.packing import pack

SOURCE = Path(__file__).with_name("lockstep.cpp")
FLAGS = (
    "-std=c++17", "-O1", "-shared", "-fPIC", "-U_FORTIFY_SOURCE",
    "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
    "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized", "-Wno-address", "-Wno-nonnull",
)  # fmt: skip

ONE_AT_A_TIME = threading.Lock()
"""Held while a library runs: its sixteen threads are there once."""


def shared_folder(tmp_path_factory) -> Path:
    """Where libraries are built, by one process of the session for all."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if own.name.startswith("popen-") else own


def build(library: Path, *options: str) -> Path:
    """Compile the library, once for all processes of a test session."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    if not library.exists():
        own = library.with_name(f"{library.stem}-{os.getpid()}.so")
        command = [
            compiler,
            *FLAGS,
            *fused_multiply(),
            f"-I{packed.ROOT}",
            *options,
            str(SOURCE),
            "-o",
            str(own),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        own.replace(library)
    return library


def fused_multiply() -> list[str]:
    """The option that lets a compiler use the processor's fma, where there is one; a library call is slow."""
    from kernels import _fused

    there = platform.machine() in ("x86_64", "AMD64") and "x86-64-v3" in _fused.isas()
    return ["-mfma"] if there else []


def load(library: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(library))
    loaded.run_lanes.argtypes = [
        ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    return loaded


def run(library: ctypes.CDLL, scenario, seed: int, first: int, count: int):
    """Rows, status and counters of a range of paths, by a library that is not built for one run."""
    arrays = pack(scenario, [name for _, name in packed.arrays()])
    struct = packed.struct(scenario, arrays)
    rows = np.full((count, struct.n_cell), np.nan, np.float32)
    status, counters = np.zeros(count, np.uint32), np.zeros(len(COUNTERS), np.int64)
    apart = library.run_lanes(
        ctypes.addressof(struct), seed, first, None, count,
        rows.ctypes.data, status.ctypes.data, counters.ctypes.data,
    )  # fmt: skip
    assert not apart, "lanes took branches of their own"
    return rows, status, counters


def tally(library: ctypes.CDLL, n_group: int, rows, status, count, *others) -> None:
    """The kernel that counts rows; arguments as those of `tally_paths` in kernels/cuda/paths.cu."""
    given = [
        ctypes.c_void_p(x.ctypes.data) if np.ndim(x) else ctypes.c_int(x) for x in (rows, status, *others)
    ]
    sizes = ctypes.c_int(count), ctypes.c_int(rows.shape[1])
    with ONE_AT_A_TIME:
        apart = library.run_tally(ctypes.c_int(n_group), *given[:2], *sizes, *given[2:])
    assert not apart, "threads took branches of their own"


class Machine:
    """What `kernels.cuda.gpu.Gpu` is to the engine, on this machine's memory.

    most_paths: blocks of more are refused, as memory that does not suffice refuses them
    """

    architecture = "lockstep"
    multiprocessors = 1

    def __init__(self, folder: Path, most_paths: int = 1 << 20):
        self.folder, self.most_paths = folder, most_paths
        self.launched = []
        self.held = self.most_held = 0

    def compiled(self, header: str, architecture: str) -> Path:
        """Stands for the compiler."""
        assert architecture == self.architecture
        folder = self.folder / hashlib.sha256(header.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        own = folder / f"run-{os.getpid()}-{threading.get_ident()}.h"
        own.write_text(header)
        own.replace(folder / "run.h")
        return build(folder / "run.so", "-DFOR_ONE_RUN", f"-I{folder}")

    def load(self, path: Path, name: str):
        library = load(path)

        def count(grid, threads, arguments, stream):
            tally(library, grid, *arguments)

        def launch(grid, threads, arguments, stream):
            struct, seed, first, which, count, rows, status, counters = arguments
            if count > self.most_paths:
                raise MemoryError(f"no room for {count} paths")
            self.launched.append(int(count))
            paths = which.ctypes.data if which.shape else None
            with ONE_AT_A_TIME:
                apart = library.run_lanes(
                    struct.ctypes.data, int(seed), int(first), paths, int(count),
                    rows.ctypes.data, status.ctypes.data, counters.ctypes.data,
                )  # fmt: skip
            assert not apart, "lanes took branches of their own"

        return {"run_paths": launch, "tally_paths": count}[name]

    def upload(self, array):
        return array.copy()

    def address(self, array):
        return array.ctypes.data

    def stream(self):
        return None

    def empty(self, shape, dtype):
        """Counts what is held at once."""
        array = np.empty(shape, dtype)
        self.held += array.nbytes
        self.most_held = max(self.held, self.most_held)
        weakref.finalize(array, self.forget, array.nbytes)
        return array

    def zeros(self, shape, dtype):
        array = self.empty(shape, dtype)
        array[...] = 0
        return array

    def forget(self, n_byte: int) -> None:
        self.held -= n_byte

    def wait(self):
        pass

    def download(self, array, out, stream):
        out[...] = array

    def release(self):
        pass

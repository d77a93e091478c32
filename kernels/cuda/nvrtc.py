"""NVIDIA's run-time compiler: C++ to a cubin. It needs neither a GPU nor a driver nor CuPy."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kernels.batch import EngineError


class CompileError(EngineError):
    """The source does not compile; the message is the compiler's."""


@dataclass(frozen=True)
class Compiled:
    """A cubin, and what the compiler had to say about it: warnings, registers, spills."""

    cubin: bytes
    log: str


def candidates() -> list[str]:
    """Where the library may be: the wheel nvidia-cuda-nvrtc, then a CUDA toolkit, then the system."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    found = [lib for folder in folders for lib in sorted(folder.glob("*/lib/libnvrtc.so.*"), reverse=True)]
    for variable in ("CUDA_PATH", "CUDA_HOME"):
        if folder := os.environ.get(variable):
            found += sorted(Path(folder).glob("lib*/libnvrtc.so*"), reverse=True)
    system = ctypes.util.find_library("nvrtc")
    return [str(path) for path in found] + ([system] if system else [])


@cache
def library() -> ctypes.CDLL:
    """The compiler; raises ImportError where it is not installed."""
    for path in candidates():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise ImportError("NVIDIA's run-time compiler NVRTC is not installed")


def missing() -> str | None:
    """Why there is no compiler, in a sentence; None if there is one."""
    try:
        library()
    except ImportError as error:
        return f"{error} (pip install 'liquidation-stress[cuda]' brings it)"
    return None


def version() -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def compile_source(text: str, name: str, headers: Mapping[str, str], options: Sequence[str]) -> Compiled:
    """Compile one translation unit; `headers`: text by the name that is included."""
    nvrtc, program = library(), ctypes.c_void_p()
    names = _strings(list(headers))
    texts = _strings(list(headers.values()))
    _check(
        nvrtc.nvrtcCreateProgram(
            ctypes.byref(program), text.encode(), name.encode(), len(headers), texts, names
        )
    )
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(options), _strings(options))
        log = _output(program, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog)
        log_text = log.rstrip(b"\0").decode(errors="replace")
        if failed:
            raise CompileError(log_text or f"NVRTC error {failed}")
        return Compiled(_output(program, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN), log_text)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _strings(values: Sequence[str]):
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _output(program, size_of, fill) -> bytes:
    size = ctypes.c_size_t()
    _check(size_of(program, ctypes.byref(size)))
    room = ctypes.create_string_buffer(size.value)
    _check(fill(program, room))
    return room.raw


def _check(code: int) -> None:
    if code:
        raise CompileError(f"NVRTC error {code}")

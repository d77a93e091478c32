"""Compiled kernels, kept on disk: compiling one takes a quarter of a minute."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from kernels import packed
from kernels.cuda import nvrtc, source


def folder() -> Path:
    """Where they are kept: XDG_CACHE_HOME, or .cache in the home folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "liquidation-stress" / "cubins"


def compile_cubin(header: str, architecture: str) -> nvrtc.Compiled:
    """paths.cu with this "run.h", for an architecture such as "sm_90"."""
    options = [f"--gpu-architecture={architecture}", f"--include-path={packed.ROOT}", *source.OPTIONS]
    return nvrtc.compile_source(source.ENTRY.read_text(), "kernels/cuda/paths.cu", {"run.h": header}, options)


def key(header: str, architecture: str) -> str:
    """What a cubin depends on: sources, sizes, architecture, compiler and its options."""
    parts = (source.sources_digest(), header, architecture, repr(nvrtc.version()), repr(source.OPTIONS))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def cubin(header: str, architecture: str) -> Path:
    """The file of a compiled kernel: compiled now, unless it has been before."""
    path = folder() / f"{architecture}-{key(header, architecture)}.cubin"
    if path.is_file():
        return path
    content = compile_cubin(header, architecture).cubin
    try:
        return write(path, content)
    except OSError:  # a home that cannot be written to costs time, no more
        return write(Path(tempfile.mkdtemp(prefix="stress-")) / path.name, content)


def write(path: Path, content: bytes) -> Path:
    """Publish a file at once: who finds it finds all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}.{os.getpid()}")
    own.write_bytes(content)
    own.replace(path)
    return path

"""One library for every processor: wide instructions stay in the code of their own instruction set."""

import importlib.util
import re
import shutil
import subprocess

import pytest

SYMBOL = re.compile(r"^[0-9a-f]+ <(.*)>:$")
WIDE = re.compile(r"%[yz]mm\d")
OWN = re.compile(r"\bv[34]::")


def test_wide_instructions_stay_in_their_namespace():
    spec = importlib.util.find_spec("kernels._fused")
    if spec is None or spec.origin is None or shutil.which("objdump") is None:
        pytest.skip("needs the fused engine and objdump")
    command = ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", spec.origin]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    symbol, strayed, n_wide = "", set(), 0
    for line in listing.splitlines():
        if match := SYMBOL.match(line):
            symbol = match[1]
        elif WIDE.search(line):
            n_wide += 1
            if not OWN.search(symbol):
                strayed.add(symbol)
    if "elf64-x86-64" in listing:
        assert n_wide > 0
        assert strayed == set()

"""Constants and layouts that are written down twice, in Python and in C++, are the same."""

import re
import struct

import numpy as np
import pytest

from kernels import outcome, packing, scenario, sites
from kernels.mechanisms import (
    account,
    adl,
    book,
    cascade,
    clearing,
    feed,
    flow,
    funding,
    liquidation,
    overlay,
    waterfall,
    whale,
)
from kernels.mechanisms.exogenous import step_numpy as exogenous
from kernels.mechanisms.vault import step_numpy as vault
from kernels.parts import histogram, table
from kernels.parts.philox import philox_numpy
from kernels.parts.record import record_numpy
from kernels.parts.table import table_numpy
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import require

CONSTANT = re.compile(r"constexpr\s+(float|u?int\w*|int|double)\s+([^;]+);")
ENUM = re.compile(r"enum\s+(\w+)\s*\{([^}]*)\}")
NUMBER = re.compile(r"\b(0x[0-9a-fA-F]+|\d+\.?\d*(?:e[+-]?\d+)?)(?:[uUlL]+|f)\b")

SHARED = {
    "LANES": scenario.LANES, "MAX_TIER": scenario.MAX_TIER, "MAX_GROUP": scenario.MAX_GROUP,
    "JUMP_COUNTS": scenario.JUMP_COUNTS,
    "GBM": scenario.GBM, "STUDENT_T_PATH": scenario.STUDENT_T_PATH, "STUDENT_T_STEP": scenario.STUDENT_T_STEP,
    "JUMP_DIFFUSION": scenario.JUMP_DIFFUSION, "STOCHASTIC_VOLATILITY": scenario.STOCHASTIC_VOLATILITY,
    "REGIME_SWITCHING": scenario.REGIME_SWITCHING, "BOOTSTRAP": scenario.BOOTSTRAP,
    **{name: getattr(adl, name) for name in dir(adl) if name.startswith("ADL_")},
    "LONG": liquidation.LONG, "SHORT": liquidation.SHORT,
    "PERCENT": book.PERCENT, "SNAP": book.SNAP,
    "TOLERANCE": cascade.TOLERANCE, "FIRST_RATIO": cascade.FIRST_RATIO, "MAX_RATIO": cascade.MAX_RATIO,
    "MAX_ROUNDS": cascade.MAX_ROUNDS, "MATERIAL": cascade.MATERIAL,
    "STRIDE": cascade.STRIDE, "LONGEST_STRIDE": cascade.LONGEST_STRIDE,
    "MIXING_LOWEST": exogenous.MIXING_LOWEST, "MIXING_BITS": exogenous.MIXING_BITS,
    "SITE_NORMAL": sites.NORMAL, "SITE_MIXING": sites.MIXING, "SITE_COMMON_JUMP": sites.COMMON_JUMP,
    "SITE_OWN_JUMP_COUNT": sites.OWN_JUMP_COUNT, "SITE_OWN_JUMP_SIZE": sites.OWN_JUMP_SIZE,
    "MAX_EVENT": overlay.MAX_EVENT, "MAX_PAST": feed.MAX_PAST,
    "SITE_OUTAGE": sites.OUTAGE, "SITE_OVERLAY": sites.OVERLAY,
    "SITE_VOLATILITY": sites.VOLATILITY, "SITE_VOLATILITY_START": sites.VOLATILITY_START,
    "SITE_REGIME": sites.REGIME, "SITE_BLOCK": sites.BLOCK,
    **{name: getattr(waterfall, name) for name in dir(waterfall) if name.startswith("SOCIALISE")},
    "N_LAYER": len(clearing.LAYERS), "PREFUNDED": clearing.PREFUNDED,
    "PARTS_OF_WINDOW": waterfall.PARTS_OF_WINDOW,
    "SITE_ADL_START": sites.ADL_START, "N_HORIZON": len(adl.HORIZONS),
    "LOWEST": table.LOWEST, "HIGHEST": table.HIGHEST, "PER_OCTAVE_BITS": table.PER_OCTAVE_BITS,
    "N_EDGE": table.N_EDGE, "BIN_SHIFT": table_numpy.SHIFT, "BIN_OFFSET": table_numpy.OFFSET,
    "SMALLEST": 2.0**table.LOWEST, "LARGEST": 2.0**table.HIGHEST,
    "PHILOX_M0": philox_numpy.MULTIPLIERS[0], "PHILOX_M1": philox_numpy.MULTIPLIERS[1],
    "PHILOX_W0": philox_numpy.WEYL[0], "PHILOX_W1": philox_numpy.WEYL[1],
    "STRESSED": record_numpy.STRESSED, "N_COMPONENT": len(outcome.COMPONENTS),
    "VAULT_CHANNEL": outcome.CHANNELS.index("vault"), "LEAST_BOOKED": vault.LEAST_BOOKED,
    "N_CHANNEL": len(outcome.CHANNELS), "MAX_SLOT": account.MAX_SLOT, "MAX_PASS": account.MAX_PASS,
    "UNANSWERED_SHARE": account.UNANSWERED_SHARE,
    "MAX_SOURCE": flow.MAX_SOURCE, "MAX_COMPANY": flow.MAX_COMPANY,
    "MOST_CHARGED": funding.MOST_CHARGED, "BAND": whale.BAND,
    "SITE_LEVERAGE": sites.LEVERAGE, "SITE_LEVERAGE_COMMON": sites.LEVERAGE_COMMON,
    "SITE_WHALE": sites.WHALE, "LATER": account.LATER, "N_COUNTER": len(outcome.COUNTERS),
    "EXHAUSTED": outcome.EXHAUSTED, "UNCONVERGED": outcome.UNCONVERGED,
    "IDENTITY_BROKEN": outcome.IDENTITY_BROKEN, "NOT_FINITE": outcome.NOT_FINITE,
    "UNANSWERED": outcome.UNANSWERED,
}  # fmt: skip

HISTOGRAM = (
    "N_OCTAVE",
    "PER_OCTAVE",
    "REMAINDER_BITS",
    "MOMENT_BITS",
    "CAP_BITS",
    "N_BIN",
    "OVERFLOW",
    "FIRST",
)


@pytest.fixture(scope="module")
def source(root):
    """All text of the fused engine."""
    return "\n".join(path.read_text() for path in sorted((root / "kernels").rglob("*.h")))


@pytest.fixture(scope="module")
def constants(source):
    """Constants of the C++ source by name, those that are arithmetic of literals and of each other."""
    found = {}
    for kind, body in CONSTANT.findall(source):
        for part in re.split(r",(?![^(]*\))", body):
            name, _, text = (x.strip() for x in part.partition("="))
            text = NUMBER.sub(r"\1", text)
            try:
                value = eval(text, {"__builtins__": {}}, found)
            except (NameError, SyntaxError, TypeError):
                continue
            found[name] = int(value) if kind.startswith(("int", "uint")) else value
    return found


@pytest.mark.parametrize("name", SHARED)
def test_constant(constants, name):
    assert constants[name] == pytest.approx(SHARED[name], rel=1e-7, abs=0)


@pytest.mark.parametrize("name", HISTOGRAM)
def test_histogram_constant(constants, name):
    assert constants.get(name, getattr(histogram, name)) == getattr(histogram, name)


def test_components_in_order(source):
    names = dict(ENUM.findall(source))["Component"]
    assert tuple(n.strip().lower() for n in names.split(",")) == outcome.COMPONENTS


def test_counters_in_order(source):
    names = [n.strip().lower() for n in dict(ENUM.findall(source))["Counter"].split(",")]
    assert len(names) == len(outcome.COUNTERS)
    assert names == [{"unconverged": "cut"}.get(n, n) for n in outcome.COUNTERS]


def declared(root):
    """Arrays of the packed scenario as the header declares them: {name: type}."""
    files = [root / "kernels/fused.h", *(root / "kernels/mechanisms").glob("*/arrays_fused.h")]
    text = "\n\n".join(path.read_text() for path in files)
    lists = dict(re.findall(r"#define (\w+)_ARRAYS\(X\)(.*?)(?:\n\n|\Z)", text, re.S))
    parts = re.findall(r"(\w+)_ARRAYS\(X\)", lists.pop("PACKED"))
    assert sorted(parts) == sorted(lists)
    block = "".join(lists[part] for part in parts)
    return {name: kind for kind, name in re.findall(r"X\((\w+), (\w+)\)", block)}


def test_packed_arrays(root):
    """The header, the compiled module and the packer name the same arrays, of the same types."""
    require("cpu")
    from kernels import _fused

    names = declared(root)
    assert list(names) == _fused.array_names()
    packed = packing.pack(compiled("as it is"), [*names])
    assert set(names) <= set(packed)
    for name, kind in names.items():
        wanted = {"float": np.float32, "int32_t": np.int32, "uint64_t": np.uint64}[kind]
        assert packed[name].dtype == wanted, name
        assert packed[name].flags.c_contiguous, name


@pytest.mark.parametrize("name", [*VARIANTS])
def test_packed_arrays_are_finite(name):
    require("cpu")
    from kernels import _fused

    for array, value in packing.pack(compiled(name), _fused.array_names()).items():
        assert np.isfinite(value).all(), array


def test_edges_are_exact_in_float32():
    assert np.array_equal(table_numpy.EDGES, table_numpy.EDGES.astype(np.float32))


def test_bits_are_little_endian_ieee():
    """Bins are read off the bits of float32 values."""
    assert struct.unpack("<I", struct.pack("<f", 1.0))[0] == 0x3F800000
    assert np.float32(1).view(np.uint32) == 0x3F800000

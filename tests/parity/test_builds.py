"""The fused engine by other compilers, at other levels, and under sanitizers: the same bits of everything."""

import os

import pytest

from kernels.scenario import PARTS
from tests.builds import builds
from tests.builds.builds import Run
from tests.parity.variants import compiled
from tests.scenarios import require

pytestmark = pytest.mark.parity

SEED, N_PATH = 11, 2

NAMES = (
    "as it is", "median and mean marks", "shapes above and below 1", "backlog, queue",
    "queue, entries of their own", "drawdown within a window", "claims, funds by market",
    "central clearing behind funds by market, and winners at the end", "vaults, halts and outages",
    "vaults with a threshold", "lists of accounts on two venues, one of them cleared",
    "collateral off its peg, sold slowly", "accounts pay funding", "loans",
    "stop orders, early exits and hedges", "treasuries by their premium", "student_t by steps",
    "jump diffusion", "stochastic_vol", "regimes of everything", "bootstrap with a filter", "feeds behind",
    "breakers and medians, lenders on halted books", "outages by chance",
    "redemptions, momentum and calendars", "sizes that are drawn",
)  # fmt: skip
"""Variants that hold every part of a scenario between them."""

SANITIZERS = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module")
def runs():
    """Every other one also with every step run in full, from memory that is no number."""
    require("cpu")
    return [Run(compiled(name), SEED, 3, N_PATH, gate=i % 2 == 0) for i, name in enumerate(NAMES)]


@pytest.fixture(scope="module")
def file(runs, tmp_path_factory):
    return builds.write(tmp_path_factory.mktemp("runs") / "runs", runs)


@pytest.fixture(scope="module")
def wanted(runs):
    return builds.expected(runs)


def command(name):
    """The command of a compiler; without it a test is skipped, or fails where it must be there."""
    found = builds.compiler(name)
    if found is None:
        reason = f"{name} is not installed"
        if os.environ.get("STRESS_REQUIRE_CLANG" if name == "clang" else "STRESS_REQUIRE_FUSED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def widest(isa):
    """The instruction set, or the best one that this processor has."""
    there = builds.instruction_sets()
    return isa if isa in there else there[-1]


def test_runs_hold_every_part(runs):
    assert {name for name in PARTS if all(getattr(run.scenario.parts, name) is None for run in runs)} == set()


@pytest.mark.parametrize(("level", "isa"), [("-O0", "v4"), ("-O3", "v3")])
def test_clang_at_both_ends(tmp_path, runs, file, wanted, level, isa):
    """The installed engine is g++ at -O3; below, with sanitizers, it is g++ at -O0."""
    program = builds.build(tmp_path, command("clang"), level, isa=widest(isa))
    assert builds.difference(builds.output(program, file), wanted, runs) is None


def test_one_thread_with_all_lanes(tmp_path, runs, file, wanted):
    """The form in which a thread of a GPU carries a path by itself, lanes as plain arrays."""
    program = builds.build(tmp_path, command("g++"), "-O0", "-DWHOLE", isa=widest("v3"))
    assert builds.difference(builds.output(program, file), wanted, runs) is None


def test_sanitizers_find_nothing(tmp_path, runs, file, wanted):
    """And do find an array that is a number too short, or the silence means nothing."""
    program = builds.build(tmp_path, command("g++"), "-O0", *SANITIZERS, isa=widest("v4"), link=SANITIZERS)
    assert builds.difference(builds.output(program, file), wanted, runs) is None
    short = builds.write(tmp_path / "short", runs[:1], shorter="depth")
    with pytest.raises(RuntimeError, match="AddressSanitizer"):
        builds.output(program, short)


def test_a_difference_is_located(runs, wanted):
    found = bytearray(wanted)
    assert builds.difference(bytes(found), wanted, runs) is None
    assert builds.difference(bytes(found[:-1]), wanted, runs) is not None
    found[0] ^= 1
    assert builds.difference(bytes(found), wanted, runs) == "run 0: rows differ at byte 0"
    found[0] ^= 1
    found[-1] ^= 1
    assert builds.difference(bytes(found), wanted, runs) == f"run {len(runs) - 1}: tally differ at byte 39"

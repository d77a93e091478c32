"""Verbs about the machine: which engines it has, and how fast they are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stress.cli.options import AsJson, Set, overrides, show_json


def devices(as_json: AsJson = False) -> None:
    """Say which engines there are, and on what they would run."""
    from kernels import engines
    from kernels.cuda import gpu
    from stress.provenance import device

    machine, card = device(), gpu.describe()
    found = {name: engines.missing(name) for name in engines.NAMES}
    if as_json:
        listed = {name: {"missing": why} for name, why in found.items()}
        return show_json({"device": machine, "gpu": card, "engines": listed})
    print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    )
    if card:
        print(card)
    chosen = engines.choose("auto")
    for name, why in found.items():
        print(f"  {name:6s} {f'not there: {why}' if why else 'there'}{' (auto)' if name == chosen else ''}")


def bench(
    config: Annotated[
        str, typer.Argument(help="A run config, YAML.", metavar="[CONFIG]")
    ] = "configs/oct-2025.yaml",
    settings: Set = None,
    paths: Annotated[int | None, typer.Option(min=1, help="Paths of the fused engine.", metavar="N")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each engine.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure the engines: path-steps per second per core, with the work that a path is."""
    from stress.bench import bench as measured
    from stress.jobs import prepare

    found = measured(
        prepare(config, overrides(settings)), repeats, paths, lambda line: print(line, file=sys.stderr)
    )
    if as_json:
        return show_json(found)
    machine = found["device"]
    print(f"{found['config']}: {found['venues']} venues, {found['assets']} assets, {found['steps']} steps; "
          f"one core of {machine['processor']}")  # fmt: skip
    for name, numbers in found["engines"].items():
        rate = numbers["path_steps_per_second_per_core"]
        print(f"  {name:6s} {rate['best']:>13,.0f} path-steps/s/core (median {rate['median']:,.0f}), "
              f"{numbers['microseconds_per_path']:,.0f} us a path, "
              f"tally {numbers['tally_microseconds_per_path']:.1f} us;\n{'':9s}"
              f"quiet {numbers['quiet_fraction']:.2f}, rounds {numbers['rounds_per_path_step']:.2f} and "
              f"flushes {numbers['flushes_per_path_step']:.2f} a path-step")  # fmt: skip
    if "cpu_over_numpy" in found:
        print(f"  cpu is {found['cpu_over_numpy']:,.0f} times as fast as numpy")

"""Verbs that run a config many times over, to say what its results rest on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stress.cli.options import AsJson, Backend, Config, Seed, Set, Threads, overrides, show_json


def ablate(
    config: Config, settings: Set = None,
    paths: Annotated[str, typer.Option(help="Paths of every variant.", metavar="N")] = "2000",
    seed: Seed = None, backend: Backend = None, threads: Threads = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what each mechanism adds: the same paths with one switched off at a time. Nothing is written."""
    from stress.ablation import ablate as ablated
    from stress.ablation import write
    from stress.runs import prepare

    job = prepare(config, overrides(settings, paths, seed, backend))
    found = ablated(job, threads, lambda name: print(f"without {name}", file=sys.stderr))
    if as_json:
        return show_json(found)
    print(write(found))

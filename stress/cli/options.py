"""Options that several verbs have, and how a verb answers in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Config = Annotated[str, typer.Argument(help="A run config, YAML.", metavar="CONFIG")]
Folder = Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value: run.step=15s.", metavar="KEY=VALUE")
]
Paths = Annotated[str | None, typer.Option(help="Monte Carlo paths, in place of the config's.", metavar="N")]
Seed = Annotated[str | None, typer.Option(help="Seed of all random numbers.", metavar="N")]
Backend = Annotated[str | None, typer.Option(help="Engine: auto, cuda, cpu, jax or numpy.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads; 0 takes all cores. Results do not depend on it.")]
AllowFailed = Annotated[
    float, typer.Option(min=0, max=1, help="Share of paths that may fail.", metavar="SHARE")
]
Out = Annotated[Path, typer.Option(help="Where the run's folder is made.", metavar="DIR")]


def overrides(
    settings: list[str] | None, paths: str | None = None, seed: str | None = None, backend: str | None = None
) -> list[str]:
    """--set and the options that stand for one, as one list."""
    named = {"run.paths": paths, "run.seed": seed, "run.backend": backend}
    return [*(settings or []), *(f"{key}={value}" for key, value in named.items() if value is not None)]


def show_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))

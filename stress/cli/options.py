"""Options that several verbs have, how a verb answers in JSON, and how it says why it failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stress.errors import ConfigError, Problem, StressError

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
ShareOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="Compute one share of the shards only, as the task of an array: 3/8 is the third of eight; "
        "/8 and auto ask Kubernetes, AWS Batch or Slurm. `stress merge` makes the cube.",
        metavar="I/N",
    ),
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


def say(error: StressError) -> None:
    """Why a verb ends: in a sentence, and with --json as an object, too."""
    if "--json" in sys.argv[1:]:
        problems = [as_object(problem) for problem in getattr(error, "problems", ())]
        show_json({"error": str(error), "problems": problems, "exit_code": error.exit_code})
    print(f"{'' if isinstance(error, ConfigError) else 'stress: '}{error}", file=sys.stderr)


def as_object(problem: Problem) -> dict[str, Any]:
    """A problem with a config for JSON; file, line and column are null where it is in none."""
    place = problem.place
    return {
        "file": place.file if place else None,
        "line": place.line if place and place.line else None,
        "column": place.column if place and place.column else None,
        "path": problem.path,
        "problem": problem.problem,
        "why": problem.why,
        "suggestion": problem.suggestion,
        "text": str(problem),
    }

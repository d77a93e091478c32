"""The command `stress`: verbs, no hidden state. Everything heavy is imported inside the verbs."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer

from stress.cli import calibrate, configs, machines, results, runs, studies
from stress.cli.options import show_json
from stress.errors import ConfigError, Problem, StressError

app = typer.Typer(
    name="stress",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for verb in (
    configs.check, configs.show, configs.plan, runs.run, runs.resume, runs.status, runs.verify,
    results.report, results.replay, results.compare,
    studies.ablate, studies.validate, studies.sensitivity, configs.schema, machines.devices, machines.bench,
):  # fmt: skip
    app.command()(verb)
app.add_typer(calibrate.app, name="calibrate")


def main() -> None:
    """Entry point: errors of the user's in a sentence, our own with a traceback."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the end of a reader ends us without a word
    try:
        app()
    except StressError as error:
        if "--json" in sys.argv[1:]:
            problems = [as_object(problem) for problem in getattr(error, "problems", ())]
            show_json({"error": str(error), "problems": problems, "exit_code": error.exit_code})
        print(f"{'' if isinstance(error, ConfigError) else 'stress: '}{error}", file=sys.stderr)
        sys.exit(error.exit_code)


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


def show_version(asked: bool) -> None:
    if asked:
        from stress.provenance import package_version

        print(f"stress {package_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show_version, help="Print the version.")
    ] = False,
) -> None:
    """Stress tests of liquidation cascades in leveraged crypto markets."""

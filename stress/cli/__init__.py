"""The command `stress`: verbs, no hidden state. Everything heavy is imported inside the verbs."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from stress.cli import calibrate, configs, machines, results, runs, studies
from stress.cli.options import say
from stress.errors import StressError

app = typer.Typer(
    name="stress",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for verb in (
    configs.check, configs.show, configs.plan, runs.run, runs.resume, runs.merge, runs.status, runs.verify,
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
        say(error)
        sys.exit(error.exit_code)


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

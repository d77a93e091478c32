"""Verbs that run a config many times over, to say what its results rest on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stress.cli.options import AsJson, Backend, Config, Seed, Set, Threads, overrides, show_json

EVENTS = Path("configs/events")
"""Where the events are that are held against by default, as seen from the project."""

Card = Annotated[
    Path | None,
    typer.Option(help="A page whose tables are renewed, such as docs/validation.md.", metavar="PAGE"),
]


def ablate(
    config: Config, settings: Set = None,
    paths: Annotated[str, typer.Option(help="Paths of every variant.", metavar="N")] = "2000",
    seed: Seed = None, backend: Backend = None, threads: Threads = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what each mechanism adds: the same paths with one switched off at a time. Nothing is written."""
    from stress.ablation import ablate as ablated
    from stress.ablation import write
    from stress.jobs import prepare

    job = prepare(config, overrides(settings, paths, seed, backend))
    found = ablated(job, threads, lambda name: print(f"without {name}", file=sys.stderr))
    if as_json:
        return show_json(found)
    print(write(found))


def validate(
    events: Annotated[
        list[Path] | None, typer.Argument(help="Event files; all of configs/events by default.")
    ] = None,
    paths: Annotated[int | None, typer.Option(min=20, help="Paths of every event.", metavar="N")] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Look for the size of the news anew, and say it.")
    ] = False,
    card: Card = None,
    settings: Set = None,
    backend: Annotated[str, typer.Option(help="Engine: auto, cpu or numpy.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Hold the engine against events of the past: what it says of them, and what was seen."""
    from stress.errors import ConfigError
    from stress.validation.bands import hold
    from stress.validation.event import load_event
    from stress.validation.table import as_json as as_object
    from stress.validation.table import write

    found = events or sorted(EVENTS.glob("*.yaml"))
    if not found:
        raise ConfigError(f"no events: {EVENTS} is not here. Name event files, or go to where configs/ is")
    loaded = [load_event(file) for file in found]
    if card:
        from stress.validation.card import outcomes, renew, with_block

        with_block(card, "outcomes")  # a wrong page is said before the work, not after it
    held = [
        hold(event, paths, fit, settings or (), backend, lambda line: print(line, file=sys.stderr))
        for event in loaded
    ]
    if card:
        renew(card, "outcomes", outcomes(held))
    if as_json:
        return show_json(as_object(held))
    print(write(held))


def sensitivity(
    config: Config,
    register: Annotated[
        Path, typer.Option(help="What the results rest on, YAML.", metavar="FILE")
    ] = Path("configs/assumptions/october.yaml"),
    sobol: Annotated[
        int, typer.Option(min=0, help="Base samples of Sobol's indices, a power of two.", metavar="N")
    ] = 0,
    card: Card = None, settings: Set = None,
    paths: Annotated[str, typer.Option(help="Paths of every variant.", metavar="N")] = "200",
    seed: Seed = None, backend: Backend = None, threads: Threads = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say which assumptions the results rest on: moved one at a time, and all together."""
    from stress import sensitivity as study
    from stress.errors import ConfigError
    from stress.jobs import prepare
    from stress.terminal.progress import Bar

    if sobol == 1 or sobol & (sobol - 1):
        nearest = max(1 << (sobol.bit_length() - 1), 2)
        raise ConfigError(f"--sobol {sobol} is not a power of two from 2 on. Try {nearest}")
    entries = study.load_register(register)
    if card:
        from stress.validation.card import register as tables
        from stress.validation.card import renew, with_block

        with_block(card, "assumptions")
    job = prepare(config, overrides(settings, paths, seed, backend))
    alone = study.one_at_a_time(job, entries, threads, lambda words: print(words, file=sys.stderr))
    together = None
    if sobol:
        with Bar(job.scenario.shape.n_step * job.config.run.paths) as bar:
            together = study.sobol(job, entries, sobol, threads, bar.update)
    if card:
        renew(card, "assumptions", tables(alone, together))
    if as_json:
        return show_json({"one_at_a_time": alone, "sobol": together})
    print(study.write(alone, together))

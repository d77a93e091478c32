"""`stress calibrate`: parts of a config from records of a market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from stress import units
from stress.cli.options import AsJson, Threads, show_json
from stress.cli.options import say as say_why
from stress.errors import ConfigError, Interrupted, Problem, quoted, suggest
from stress.units import UnitError

app = typer.Typer(no_args_is_help=True, help="Estimate parts of a config from records of a market.")

Out = Annotated[
    Path | None, typer.Option(help="Where the part is written; printed by default.", metavar="FILE")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")]
Where = Annotated[
    list[str] | None, typer.Option(help="Only rows that have this in that column.", metavar="COLUMN=VALUE")
]
Since = Annotated[
    str | None, typer.Option(help="Leave out what was before, UTC: 2025-01-01.", metavar="TIME")
]
Until = Annotated[str | None, typer.Option(help="Leave out what ends after.", metavar="TIME")]


def refuse(option: str, problem: str, why: str = "", suggestion: str = "") -> ConfigError:
    return ConfigError.of([Problem(None, option, problem, why, suggestion)])


def pairs(option: str, given: list[str] | None) -> list[tuple[str, str]]:
    """NAME=VALUE, taken apart."""
    found = [text.partition("=") for text in given or []]
    for name, sign, value in found:
        if not (sign and name and value):
            raise refuse(option, f"{quoted(name + sign + value)} is not NAME=VALUE")
    return [(name, value) for name, _, value in found]


def moment(option: str, given: str | None) -> int | None:
    """A time on the command line: milliseconds since 1970."""
    from stress.calibrate.rows import stamp

    if given is None:
        return None
    found, _ = stamp(given.strip())
    if found is None:
        raise refuse(option, f"{quoted(given)} is not a time", "2025-10-10 or 2025-10-10T20:45:00Z is read")
    return found


def seconds(option: str, given: str | None) -> float | None:
    """A duration on the command line."""
    try:
        return None if given is None else units.DURATION.parse(given)
    except UnitError as error:
        raise refuse(option, *error.args) from None


def target(out: Path | None, overwrite: bool) -> None:
    """Refuse, before any work, a file that is there."""
    if out is not None and out.exists() and not overwrite:
        why = "nothing is replaced unasked"
        raise refuse(str(out), "the file is there", why, "Add --overwrite.")
    if out is not None and not out.parent.is_dir():
        raise refuse(str(out), f"there is no folder {out.parent}", "", "Make it first.")


def finish(part: str, found: dict[str, Any], out: Path | None, as_json: bool) -> None:
    """Write the part whole, or print it; then what was asked for."""
    from stress.calibrate.part import as_json as plain
    from stress.store import publish

    if out is not None:
        publish(out, part.encode())
    if as_json:
        show_json({"part": str(out) if out else None, **plain(found)})
    elif out is not None:
        print(f"{out}: written. It goes under a config by `extends: {out.name}`.")
    else:
        print(part, end="")


@contextmanager
def working() -> Iterator[Callable[[str], None]]:
    """Says what is being done; the first signal to stop ends the work there, with nothing written."""
    from stress.terminal.progress import Stages, stop_on_signals

    def late() -> None:
        say_why(Interrupted("stopped; nothing was written."))

    with stop_on_signals(late) as stop, Stages() as stages:

        def say(text: str) -> None:
            if stop():
                raise Interrupted("stopped; nothing was written.")
            stages.say(text)

        yield say


@app.command()
def prices(
    files: Annotated[list[str], typer.Argument(help="Price files, CSV or Parquet.", metavar="FILE...")],
    out: Out = None, overwrite: Overwrite = False, where: Where = None, since: Since = None,
    until: Until = None,
    assets: Annotated[
        str | None, typer.Option(help="Which assets, in which order; all by default.", metavar="A,B,C")
    ] = None,
    take: Annotated[
        list[str] | None, typer.Option(help="Only these assets of that file.", metavar="FILE=A,B,C")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="What betas refer to and short histories are scaled by; the first.")
    ] = None,
    basket: Annotated[
        list[str] | None, typer.Option(help="A typical member of a basket.", metavar="NAME=A,B,C")
    ] = None,
    factor: Annotated[
        list[str] | None, typer.Option(help="Prices of a risk factor.", metavar="NAME=FILE")
    ] = None,
    factor_delay: Annotated[
        str | None,
        typer.Option(help="How long after its stamp a factor's price was seen: 20h; a bar by default."),
    ] = None,
    bar: Annotated[str | None, typer.Option(help="Length of bars: 1h; the files' by default.")] = None,
    correlation_bar: Annotated[str, typer.Option(help="Bars of correlations, if longer.")] = "1h",
    horizon: Annotated[str, typer.Option(help="How long one Student-t scale lasts: the run.")] = "4h",
    dynamics: Annotated[str, typer.Option(help="Kind of `dynamics`; others go into comments.")] = "student_t",
    states: Annotated[int, typer.Option(min=2, max=8, help="Regimes.")] = 2,
    gaps: Annotated[bool, typer.Option("--gaps", help="Bars may be missing.")] = False,
    skip: Annotated[list[str] | None, typer.Option(help="Leave out: jump_diffusion, garch, ...")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Volatilities, correlations and parameters of the price processes, from files of prices.

    A row for each time and asset (columns time, asset, close; high and low if known), or a row for each time
    and a column for each asset. Times are the starts of bars.
    """
    from stress.calibrate import prices as files_of_prices
    from stress.calibrate.part import KINDS, prices_part
    from stress.calibrate.study import STAGES, study

    target(out, overwrite)
    for option, given, known in (("--dynamics", [dynamics], KINDS), ("--skip", skip or [], STAGES)):
        for word in given:
            if word not in known:
                raise refuse(option, f"{quoted(word)} is not a choice", *suggest(word, known))
    if dynamics in (skip or []):
        raise refuse("--skip", f"{dynamics} is both left out and wanted", "", "Choose other --dynamics.")
    baskets = {name: members.split(",") for name, members in pairs("--basket", basket)}
    taken = {file: names.split(",") for file, names in pairs("--take", take)}
    for file in taken:
        if file not in files:
            raise refuse("--take", f"{quoted(file)} is none of the files", *suggest(file, files))
    within = {"since": moment("--since", since), "until": moment("--until", until)}
    with working() as say:
        say("reading")
        table = files_of_prices.load(
            files, where=pairs("--where", where), take=taken, bar=seconds("--bar", bar), gaps=gaps, **within
        )
        table = table if assets is None else table.chosen(assets.split(","))
        delay = seconds("--factor-delay", factor_delay)
        factors = {
            name: (files_of_prices.load([path], gaps=True), delay) for name, path in pairs("--factor", factor)
        }
        found = study(
            table, base=base, baskets=baskets, factors=factors, horizon=seconds("--horizon", horizon) or 0.0,
            correlation_bar=seconds("--correlation-bar", correlation_bar) or 0.0, n_regime=states,
            skip=skip or (), say=say,
        )  # fmt: skip
    finish(prices_part(found, dynamics), {"prices": found}, out, as_json)


@app.command()
def book(
    file: Annotated[str, typer.Argument(help="Depths within bands, CSV or Parquet.", metavar="FILE")],
    out: Out = None, overwrite: Overwrite = False, where: Where = None, since: Since = None,
    until: Until = None,
    market: Annotated[
        str | None, typer.Option(help="Whose depth and shape it is: binance.BTC.", metavar="VENUE.ASSET")
    ] = None,
    replicates: Annotated[int, typer.Option(min=50, help="Samples of the bootstrap.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 1,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Shape and depth of an order book, from what stood within bands around the price.

    A row for each time and band: columns time, percentage (of the price; below 0 are bids) and notional, in
    dollars, cumulated from the price outwards.
    """
    from stress.calibrate import book as books
    from stress.calibrate.part import book_part

    target(out, overwrite)
    venue, dot, asset = (market or "").partition(".")
    if market and not (venue and dot and asset):
        raise refuse("--market", f"{quoted(market)} is not VENUE.ASSET")
    with working() as say:
        say("reading")
        source = books.load(file, pairs("--where", where), moment("--since", since), moment("--until", until))
        found = books.book(source, replicates, seed, say)
    finish(book_part(found, source, venue or None, asset or None), {"book": found}, out, as_json)


@app.command()
def mix(
    config: Annotated[str, typer.Argument(help="A small run config without overlays.", metavar="CONFIG")],
    file: Annotated[str, typer.Argument(help="Falls and what was liquidated.", metavar="FILE")],
    name: Annotated[str, typer.Option("--mix", help="Which of the config's mixes.", metavar="NAME")],
    out: Out = None, overwrite: Overwrite = False,
    reporting: Annotated[
        list[str] | None,
        typer.Option(help="Share of forced flow that a feed shows; 1 by default.", metavar="VENUE=SHARE"),
    ] = None,
    paths: Annotated[int, typer.Option(min=20, help="Paths of every simulation.", metavar="N")] = 200,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The leverage mix that explains how much was liquidated at which falls: simulated moments.

    Columns move (-0.05 is a fall of 5%), liquidations (of longs) and open_interest, in dollars; venue, where
    a row is that of one venue.
    """
    from stress.calibrate import mix as mixes
    from stress.calibrate.part import mix_part

    target(out, overwrite)
    factors = {}
    for venue, text in pairs("--reporting", reporting):
        try:
            factors[venue] = units.NUMBER.parse(text)
        except UnitError as error:
            raise refuse("--reporting", *error.args) from None
    with working() as say:
        say("reading")
        source = mixes.load(file)
        found = mixes.mix(config, name, source, factors, paths, threads, say)
    finish(mix_part(found, source, config, name, factors), {"mix": found}, out, as_json)

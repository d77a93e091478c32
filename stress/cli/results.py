"""Verbs that look at finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stress.cli.options import AsJson, Folder, Threads, show_json


def replay(
    folder: Folder,
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Worst of whom: venue=bybit tier=50-100x rank=3.", metavar="KEY=VALUE"),
    ] = None,
    path: Annotated[int | None, typer.Option(help="The path of this number.", metavar="N")] = None,
    worst: Annotated[bool, typer.Option("--worst", help="The worst path by total loss.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The file; by default replay-N.h5 in the run's folder.", metavar="FILE"),
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="Write no page of pictures beside it.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Compute one path of a run again, with the same bits, and tell it in full.

    `stress replay RUN --worst venue=bybit tier=50-100x`, or `stress replay RUN --path 71234`.
    """
    from stress.replays.path import replay as replayed
    from stress.terminal.replay import as_object, write

    chosen = selection(keys, worst)
    told = replayed(folder, path=path, worst=chosen)
    file = told.save(out)
    page = None if no_page else told.save_page(file.with_suffix(".html"))
    if as_json:
        return show_json(as_object(told, file, page))
    print(write(told))
    print(f"\n{file}: all of it, for xarray, R, MATLAB or any reader of HDF5")
    if page:
        print(f"{page}: the same in pictures, for any browser")


def selection(keys: list[str] | None, worst: bool) -> dict[str, Any] | None:
    """Which of the worst paths is asked for; None: none."""
    from stress.errors import ConfigError, quoted

    if not worst:
        if keys:
            raise ConfigError(f"{quoted(' '.join(keys))} chooses among the worst paths. Add --worst.")
        return None
    chosen = {}
    for text in keys or []:
        key, sign, value = text.partition("=")
        if not (sign and key and value):
            raise ConfigError(f"{quoted(text)} is not KEY=VALUE, as venue=bybit is")
        chosen[key] = value
    return chosen


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or a cube.h5.", metavar="RUN")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write it; report.html in the run's folder by default.", metavar="FILE"),
    ] = None,
    no_fans: Annotated[
        bool,
        typer.Option("--no-fans", help="Leave out charts through time, for which paths are computed again."),
    ] = False,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Write what a run found as one HTML page, with charts, tables and where it all comes from."""
    from stress.report import write

    file = write(run, out, through_time=not no_fans, threads=threads)
    if as_json:
        return show_json({"report": str(file), "bytes": file.stat().st_size})
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB; it stands by itself, for any browser")


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of finished runs, or their cube.h5; the base first.", metavar="RUN..."),
    ],
    level: Annotated[
        float | None,
        typer.Option(help="Level of VaR and expected shortfall; 0.99 by default.", metavar="LEVEL"),
    ] = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Take the runs as independent, as with different seeds.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write it as a page, too, with charts.", metavar="FILE.html")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what differs between finished runs, with intervals by their common random numbers."""
    from stress.beside import check_place, publish_beside
    from stress.comparison import compare as compared
    from stress.comparison.words import as_object
    from stress.errors import ConfigError
    from stress.terminal.comparison import write

    if len(runs) < 2:
        raise ConfigError("one run cannot be compared (a base and another one are needed). Name two or more.")
    if out:
        check_place(out, "compare")
    found = [compared(runs[0], other, level=level, unpaired=unpaired) for other in runs[1:]]
    if out:
        from stress.comparison.page import html

        publish_beside(out, html(found), "compare")
    if as_json:
        return show_json({"comparisons": [as_object(each) for each in found]})
    print("\n\n".join(write(each) for each in found))

"""A finished run as one HTML page: charts with their tables, intervals, limits and provenance.

from stress.report import write
write("results/oct-2025-673e6f2d")      # report.html in the run's folder
"""

from __future__ import annotations

import os
from pathlib import Path

from stress.beside import check_place, publish_beside
from stress.opening import cube_file
from stress.report import page
from stress.report.contents import contents
from stress.report.subject import subject

NAME, PREFIX = "report.html", "report"


def write(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    through_time: bool = True,
    threads: int = 0,
) -> Path:
    """Write the report of a run; returns where it is.

    path        : folder of the run, or its cube.h5
    out         : file to write; report.html beside the cube if None
    through_time: whether the first paths are computed again, for charts through time
    threads     : of that computation; 0 for all cores. The page does not depend on it

    raises: `ResultError` where there is no finished run, `ConfigError` where the file would replace one of a
    run's own, `StoreError` where it cannot be written
    """
    file = Path(out) if out is not None else cube_file(path).parent / NAME
    check_place(file, PREFIX)
    publish_beside(file, html(path, through_time=through_time, threads=threads), PREFIX)
    return file


def html(path: str | os.PathLike[str], *, through_time: bool = True, threads: int = 0) -> bytes:
    """The report of a run; the same bytes for the same run on the same machine. Arguments as for `write`."""
    about = subject(path)
    figures, values = contents(about, through_time, threads)
    return page.html("report/report.html", figures, **values)

"""Tables as a terminal shows them."""

from __future__ import annotations

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from stress.cube import ALL

WIDTH = 132
"""Columns where nobody looks on."""


def rendered(what: RenderableType) -> str:
    """Tables as text: as wide as they need, in colour only for a terminal."""
    screen = Console(highlight=False)
    if not screen.is_terminal:
        screen = Console(highlight=False, width=WIDTH)
    with screen.capture() as captured:
        screen.print(what)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())


def table(title: str, *columns: str) -> Table:
    """A plain table: names on the left, numbers on the right."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        interval_column = column.startswith("interval")
        made.add_column("" if interval_column else column, justify="left" if interval_column else "right",
                        style="dim" if interval_column else "", no_wrap=True)  # fmt: skip
    return made


def add_row(made: Table, name: str, *cells: str) -> None:
    """A row; the one of totals comes last, set apart."""
    if name == ALL:
        made.add_section()
    made.add_row(name, *cells, style="bold" if name == ALL else "")

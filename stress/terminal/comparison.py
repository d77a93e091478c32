"""What differs between two runs, as tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from stress.comparison.differences import Comparison
from stress.comparison.tables import Table
from stress.comparison.words import bounds, formats, headline, mark, notes, relative, signed
from stress.numbers import plain
from stress.terminal.tables import rendered, table

MOST_CHANGES = 25


def write(found: Comparison) -> str:
    """The tables as text."""
    parts = (Padding(part, (0, 0, 1, 0)) for part in _parts(found))
    return rendered(Group(*parts))


def _parts(found: Comparison) -> Iterator[RenderableType]:
    yield Text(headline(found))
    yield Text("\n".join(changed(found)))
    for shown in found.tables:
        if shown.rows:
            yield Text(f"{shown.title}: the same in every path.") if shown.same else _table(shown)
    yield Text("\n".join(notes(found)))


def changed(found: Comparison) -> list[str]:
    """What differs between the configs, a line each."""
    if not found.changes:
        return ["The configs say the same."]
    lines = [f"  {x['key']}: {_side(x['base'])} -> {_side(x['other'])}" for x in found.changes[:MOST_CHANGES]]
    if len(found.changes) > MOST_CHANGES:
        lines.append(f"  ... and {len(found.changes) - MOST_CHANGES} more (--json has all)")
    return ["Config:", *lines]


def _side(text: str | None) -> str:
    if text is None:
        return "(none)"
    return text if len(text) <= 48 else f"{text[:45]}..."


def _table(shown: Table) -> RenderableType:
    made = table(shown.title, shown.head, "base", "other", "difference", "interval", "relative", "")
    for row in shown.rows:
        number = row.number
        show, step = formats(number)
        cells = (show(plain(number.base)), show(plain(number.other)))
        made.add_row(row.name, *cells, signed(number.difference.value, step), bounds(number, step),
                     relative(number), mark(number))  # fmt: skip
    return made

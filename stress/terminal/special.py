"""What only some runs have, as tables: other sellers, vaults, whales, funding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stress.numbers import ends, money
from stress.terminal.tables import add_row, table

if TYPE_CHECKING:
    from rich.table import Table


def tables(found: dict[str, Any], level: str, note: str) -> Iterator[Table]:
    """Those for which there is something to show."""
    if found["sold_by"]:
        title = f"Orders sent into the books, forced or induced, by who sent them, {note}"
        yield _numbers(found["sold_by"], "who", title, level)
    if found["whales"]:
        rows = {f"{venue}, {n}": x for venue, each in found["whales"].items() for n, x in each.items()}
        yield _numbers(rows, "venue, whales", f"Deficits of the largest whale, and of two, {note}", level)
    if found["vaults"]:
        names = {"inventory": "largest inventory", "loss": "loss"}
        rows = {f"{v}, {names[key]}": x for v, each in found["vaults"].items() for key, x in each.items()}
        yield _numbers(rows, "venue", f"Backstop vaults, {note}", level)
    if found["funding"]:
        payer = {"long": "longs to shorts", "short": "shorts to longs"}
        rows = {f"{v}, {payer[key]}": x for v, each in found["funding"].items() for key, x in each.items()}
        yield _numbers(rows, "venue, from whom", f"Funding paid, {note}", level)


def _numbers(rows: dict[str, Any], head: str, title: str, level: str) -> Table:
    """Mean, median and tail, one row each."""
    made = table(title, head, "mean", "interval", "median", level, "interval")
    for name, numbers in rows.items():
        mean, tail = numbers["mean"], numbers["var"]
        cells = money(mean["value"]), ends(mean), money(numbers["median"]["value"])
        add_row(made, name.replace("_", " "), *cells, money(tail["value"]), ends(tail))
    return made

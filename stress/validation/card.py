"""The model card, docs/validation.md: prose by hand, and tables between marks that commands renew."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stress.errors import ConfigError
from stress.numbers import money, percent
from stress.store import publish
from stress.validation.bands import KINDS, Held
from stress.validation.quantities import QUANTITIES
from stress.validation.table import as_json, number, sentence, span, verdict


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def outcomes(held: Sequence[Held]) -> str:
    """Every row of every event, hit or miss."""
    found = as_json(held)
    parts = [sentence(found, "of all events")]
    for kind, words in KINDS.items():
        if found["by_kind"][kind]["n_row"]:
            parts.append(sentence(found["by_kind"][kind], words))
    text = [" ".join(parts)]
    for h in held:
        news = f", news of {percent(h.news)} fitted" if h.news is not None else ""
        sight = "chosen with it in sight" if h.event.tuned else "not chosen on it"
        text.append(
            f"### {h.event.title}\n\n`{h.event.config_file}`, from {h.event.begins} UTC{news}; structural "
            f"parameters {sight}. {h.n_alike:,} of {h.n_path:,} paths."
        )
        rows = []
        for band in h.bands:
            unit = QUANTITIES[band.row.quantity].unit
            known = span(band.low, band.high, unit), span(*band.row.interval, unit)
            note = f" *{band.row.note}*" if band.row.note else ""
            median = number(band.median, unit)
            rows.append((band.row.title, median, *known, verdict(band), f"{band.row.source}{note}"))
        text.append(markdown(("", "median", "5–95%", "observed", "", "source and *note*"), rows))
    return "\n\n".join(text)


def register(alone: dict[str, Any], together: dict[str, Any] | None) -> str:
    """What the answers rest on: one at a time, and shares of the variance."""
    base = alone["base"]
    text = [
        f"{alone['n_path']} paths: {money(base['liquidated'])} forced on average, the first asset falls by "
        f"{percent(base['fall'])}, deficits are {money(base['deficit'])}."
    ]
    rows = []
    for entry in alone["assumptions"]:
        low, high = entry["range"]
        moved = entry["moved"]
        cells = [f"{money(moved[m]['low'])} … {money(moved[m]['high'])}" for m in ("liquidated", "deficit")]
        falls = f"{percent(moved['fall']['low'])} … {percent(moved['fall']['high'])}"
        rows.append((entry["words"], entry["kind"], f"x{low} … x{high}", *cells, falls, entry["basis"]))
    heads = ("", "", "range", "forced", "deficits", "fall", "what it rests on")
    text.append(markdown(heads, rows))
    if together:
        text.append(
            f"Sobol's indices with 95% intervals, all of them drawn at once from log-uniform ranges, "
            f"{together['runs']:,} markets of {together['n_path']} paths:"
        )
        words = {entry["input"]: entry["words"] for entry in alone["assumptions"]}
        by_measure = [{x["input"]: x for x in together["indices"][m]} for m in ("liquidated", "fall")]
        order = sorted(words, key=lambda name: -(by_measure[0][name]["total"]["value"] or 0))
        rows = [
            (words[name], *(share(x[name][kind]) for x in by_measure for kind in ("first", "total")))
            for name in order
        ]
        heads = ("share of the variance of", "forced, alone", "with others", "fall, alone", "with others")
        text.append(markdown(heads, rows))
    return "\n\n".join(text)


def share(index: dict[str, float | None]) -> str:
    """An index with its interval."""
    value, low, high = (index[end] for end in ("value", "lower", "upper"))
    if value is None:
        return ""
    return f"{value:.2f}" + ("" if low is None or high is None else f" ({low:.2f} to {high:.2f})")


def with_block(path: str | os.PathLike[str], block: str) -> tuple[str, re.Pattern[str]]:
    """The text of a page that has a block, and what finds the block; `ConfigError` of any other page."""
    file = Path(path)
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}). Name a page that is there") from None
    begin, end = f"<!-- {block}: begin -->", f"<!-- {block}: end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ConfigError(f'{file}: has no block "{begin} ... {end}", or more than one of them')
    return text, pattern


def renew(path: str | os.PathLike[str], block: str, content: str) -> None:
    """Put `content` between the marks of a block of a page; all at once, or not at all."""
    text, pattern = with_block(path, block)
    begin, end = f"<!-- {block}: begin -->", f"<!-- {block}: end -->"
    new = pattern.sub(lambda _: f"{begin}\n\n{content}\n\n{end}", text)
    publish(Path(path), new.encode())

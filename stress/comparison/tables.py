"""Which differences are shown, and in what order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kernels.outcome import PAYERS
from stress.comparison.differences import Comparison, Number
from stress.cube import ALL, THRESHOLDS
from stress.numbers import money

RARE = 1e-3
"""Thresholds of losses are shown that a share of paths between this and all but this exceed."""


@dataclass(frozen=True)
class Row:
    """A number, and what it is called in its table: whose, and which statistic where there are several."""

    label: str
    number: Number
    kind: str = ""

    @property
    def name(self) -> str:
        return f"{self.label}, {self.kind}" if self.kind else self.label


@dataclass(frozen=True)
class Table:
    """Numbers of one kind."""

    key: str
    title: str
    head: str
    rows: list[Row]

    @property
    def same(self) -> bool:
        """Whether not one of its numbers differs in any path."""
        return all(row.number.difference.same for row in self.rows)


def tables(found: Comparison) -> Iterator[Table]:
    """All tables that have anything in them."""
    percent = f"{100 * found.level:g}%"
    venues, tiers = found.common("venue"), found.common("tier")
    losses = (("mean", None), ("var", found.level), ("es", found.level))
    called = {"mean": "mean", "var": f"{percent} VaR", "es": f"{percent} ES"}

    def rows(field: str, labels: list[Any], dim: str, kinds: Any, **at: Any) -> list[Row]:
        return [
            Row(
                str(label).replace("_", " ") if dim == "component" else str(label),
                found.number(field, kind, {**at, dim: label}, level),
                called[kind],
            )
            for label in labels
            for kind, level in kinds
        ]

    loss = {"component": "total", "venue": ALL, "tier": ALL}
    yield Table("venues", "Losses by venue", "venue", rows("loss", venues, "venue", losses, **loss))
    yield Table(
        "tiers",
        "Losses by leverage tier, all venues",
        "tier",
        rows("loss", tiers[:-1], "tier", losses, **loss),
    )
    paid = rows("loss", list(PAYERS), "component", losses[:1], **loss)
    some = [row for row in paid if row.number.base or row.number.other]
    yield Table("payers", "Who paid for deficits, all venues", "paid by", some)
    whole = {"asset": ALL, "side": "both"}
    yield Table("forced", "Forced selling", "venue", rows("liquidated", venues, "venue", losses[:2], **whole))
    adl = rows("adl_notional", venues, "venue", losses[:2], tier=ALL)
    yield Table("adl", "Auto-deleveraged notional", "venue", adl if any(_some(row) for row in adl) else [])
    yield Table("funds", "Probability that insurance funds are spent", "venues", list(_funds(found, venues)))
    yield Table("large", "Probability of a larger loss, all venues", "loss above", list(_large(found, loss)))
    called["var"] = percent
    median = [
        Row(asset, found.number("index_fall", "var", {"asset": asset}, 0.5), "median")
        for asset in found.common("asset")[:-1]
    ]
    falls = rows("index_fall", found.common("asset")[:-1], "asset", losses[1:2])
    both = [row for pair in zip(median, falls, strict=True) for row in pair]
    yield Table("falls", "Largest fall of the index", "asset", both)


def _some(row: Row) -> bool:
    return bool(row.number.base or row.number.other)


def _funds(found: Comparison, venues: list[str]) -> Iterator[Row]:
    """Of every venue; then of so many at once."""
    times = found.labels("exhaustion_time")["venue"]
    for venue in (venue for venue in venues if venue in times):
        yield Row(venue, found.number("exhaustion_time", "positive", {"venue": venue}))
    for k in range(1, len(times) + 1):
        row = Row(f"at least {k}", found.number("venues_exhausted", "above", {}, k - 0.5))
        if k == 1 or _some(row):
            yield row


def _large(found: Comparison, at: dict[str, Any]) -> Iterator[Row]:
    for threshold in THRESHOLDS:
        row = Row(money(threshold, 1), found.number("loss", "above", at, threshold))
        if any(RARE <= share <= 1 - RARE for share in (row.number.base, row.number.other)):
            yield row
